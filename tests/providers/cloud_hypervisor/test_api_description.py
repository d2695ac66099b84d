"""Calls, models and what the OpenAPI file says of them agree, where that file is at hand."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits.http import Answer, HttpClient
from herocloud.providers.cloud_hypervisor.client import Client
from tests.providers.cloud_hypervisor import api_description
from tests.providers.cloud_hypervisor.api_description import Description, Exchange

_CALLS: list[Callable[[Client], Any]] = [
    lambda client: client.ping(),
    lambda client: client.end(),
    lambda client: client.create({"payload": {"kernel": "/k"}, "disks": [{"path": "/d", "image_type": "Raw", "id": "root"}]}),
    lambda client: client.delete(),
    lambda client: client.info(),
    lambda client: client.counters(),
    lambda client: client.boot(),
    lambda client: client.shutdown(),
    lambda client: client.reboot(),
    lambda client: client.press_power_button(),
    lambda client: client.inject_nmi(),
    lambda client: client.pause(),
    lambda client: client.resume(),
    lambda client: client.resize({"desired_vcpus": 2, "desired_ram": 2**30, "desired_balloon": 0}),
    lambda client: client.resize_disk("root", 4096),
    lambda client: client.resize_zone("mem0", 4096),
    lambda client: client.add_disk({"path": "/d", "image_type": "Raw"}),
    lambda client: client.add_net({"tap": "tap0", "mac": "02:00:00:00:00:01", "num_queues": 2}),
    lambda client: client.add_fs({"tag": "data", "socket": "/s"}),
    lambda client: client.add_pmem({"file": "/f"}),
    lambda client: client.add_vdpa({"path": "/dev/vhost-vdpa-0"}),
    lambda client: client.add_vsock({"cid": 3, "socket": "/s"}),
    lambda client: client.add_device({"path": "/sys/bus/pci/devices/0000:01:00.0"}),
    lambda client: client.add_user_device({"socket": "/s"}),
    lambda client: client.add_generic_vhost_user({"socket": "/s", "queue_sizes": [128], "device_type": 26}),
    lambda client: client.remove_device("nic-0"),
    lambda client: client.snapshot(Path("/snapshot")),
    lambda client: client.restore({"source_url": "file:///snapshot"}),
    lambda client: client.dump_core("file:///core"),
    lambda client: client.send_migration({"destination_url": "unix:/s"}),
    lambda client: client.receive_migration({"receiver_url": "unix:/s"}),
]


@pytest.fixture
def described() -> Description:
    """What the file says, where it is at hand."""
    found = api_description.description()
    if found is None:
        pytest.skip(api_description.MISSING)
    return found


def test_the_models_are_as_the_openapi_file_says() -> None:
    openapi = api_description.find()
    if openapi is None:
        pytest.skip(api_description.MISSING)
    script = Path(__file__).resolve().parents[3] / "scripts" / "cloud-hypervisor-models"
    ended = subprocess.run([sys.executable, str(script), str(openapi), "--check"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_every_call_of_the_file_is_sent_as_it_says(described: Description, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Exchange] = []
    answers = {
        "vmm.ping": '{"version": "53.0.0"}',
        "vm.info": '{"state": "Created", "config": {"cpus": {"boot_vcpus": 1}, "memory": {"size": 4096}}}',
        "vm.counters": "{}",
    }

    def take(_client: HttpClient, method: str, path: str, body: Any = None, **_more: Any) -> Answer:
        call = path.removeprefix("/")
        status = 200 if call == "vmm.shutdown" else 204
        sent.append(Exchange(method, call, body, status, ""))
        return Answer(status, answers.get(call, ""), {})

    monkeypatch.setattr(HttpClient, "request", take)
    client = Client(tmp_path / "api.sock")
    for call in _CALLS:
        call(client)
    asked = [exchange for exchange in sent if exchange.call not in ("vmm.ping", "vm.info", "vm.counters")]
    assert [mistake for exchange in asked for mistake in described.mistakes(exchange)] == []
    assert {exchange.call for exchange in sent} == described.calls


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        (Exchange("GET", "vm.boot", None, 204, ""), "GET vm.boot is no call of the API"),
        (Exchange("PUT", "vm.fly", None, 204, ""), "PUT vm.fly is no call of the API"),
        (Exchange("PUT", "vm.boot", {}, 204, ""), "request vm.boot: has a body, and takes none"),
        (Exchange("PUT", "vm.resize", {"vcpus": 2}, 204, ""), "'vcpus' was unexpected"),
        (Exchange("PUT", "vm.resize", {"desired_vcpus": "2"}, 204, ""), "desired_vcpus: '2' is not of type 'integer'"),
        (Exchange("PUT", "vm.remove-device", {}, 204, ""), "'id' is a required property"),
        (Exchange("PUT", "vm.add-disk", {"image_type": "raw"}, 204, ""), "image_type: 'raw' is not one of"),
        (Exchange("PUT", "vm.boot", None, 200, ""), "answer 200 of vm.boot: is not one of [204, 404]"),
        (Exchange("PUT", "vm.boot", None, 204, "{}"), "has a body, and the file names none"),
        (Exchange("PUT", "vm.boot", None, 500, '{"error": "no"}'), "answer 500 of vm.boot: is no list of messages"),
        (Exchange("PUT", "vmm.shutdown", None, 204, ""), "is to be 200 without a body"),
        (Exchange("GET", "vm.info", None, 200, '{"config": {"payload": {}}, "state": "Halted"}'), "'Halted' is not one of"),
        (Exchange("GET", "vm.counters", None, 200, '{"root": {"read_bytes": "1"}}'), "'1' is not of type 'integer'"),
    ],
)
def test_an_exchange_that_is_not_as_the_file_says_is_named(described: Description, exchange: Exchange, said: str) -> None:
    (mistake,) = described.mistakes(exchange)
    assert said in mistake


def test_exchanges_of_the_contract_are_held_against_the_file(described: Description, vmm: Any, as_described: list[str]) -> None:
    assert described.calls
    vmm.running()
    assert as_described == []
    vmm.client._ask("PUT", "vm.resize", {"cpu_count": 2})
    (mistake,) = as_described
    assert "'cpu_count' was unexpected" in mistake
    as_described.clear()


def test_without_the_file_nothing_is_held_against_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(api_description.VARIABLE, str(tmp_path / "nothing.yaml"))
    assert api_description.find() is None
