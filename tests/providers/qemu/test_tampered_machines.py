"""What somebody does to a running machine through QEMU's own interface is seen, and put right without losing what its guest wrote."""

import socket
from pathlib import Path
from typing import Any

import pytest

from herocloud.model import powers
from herocloud.model.errors import Permanent
from herocloud.model.ids import Address
from herocloud.providers.devices import Forward
from herocloud.providers.qemu import boot
from herocloud.providers.seam import Attachment, UserNetwork
from herocloud.providers.vmm import folders

_WRITTEN = b"\x41" * 512


@pytest.fixture
def part(bench: Any, machine: Any, mib: int) -> dict[str, Any]:
    bench.volume("data")
    made = machine(volumes=[{"volume": "data", "readonly": False, "size": 4 * mib}])
    bench.do("vm.create", None, made)
    bench.power("vm.boot", "stopped", "running")
    assert bench.see() == {"machine": made, "power": "running"}
    return made


def _volume(bench: Any) -> Path:
    return bench.data / "volumes/shop/data.raw"


def _overlay(bench: Any, node: str, name: str = "over") -> Path:
    path = folders.runtime_folder(bench.data, "v1") / f"{name}.qcow2"
    with boot.open_talk(bench.data, "v1") as talk:
        talk.ask("blockdev-snapshot-sync", node_name=node, snapshot_file=str(path), snapshot_node_name=name, format="qcow2")
    return path


def _write(bench: Any, device: str) -> None:
    """Write as the guest does."""
    with boot.open_talk(bench.data, "v1") as talk:
        command = f'qemu-io -d /machine/peripheral/{device}/virtio-backend "write -P 0x41 0 512"'
        assert "rror" not in talk.ask("human-monitor-command", command_line=command)


def _heal(bench: Any, part: dict[str, Any]) -> None:
    bench.do("vm.update", bench.see()["machine"], part)
    assert bench.see() == {"machine": part, "power": "running"}


@pytest.mark.parametrize("device", ["volume-data", "root"])
def test_an_overlay_is_seen_and_written_back_while_the_guest_runs(bench, part, device) -> None:
    path = _overlay(bench, f"n-{device}")
    _write(bench, device)
    disk = _volume(bench) if device != "root" else bench.root
    assert disk.read_bytes()[:512] == bytes(512)
    assert bench.see()["machine"] == {**part, powers.DISKS: f"{path} (qcow2)"}
    _heal(bench, part)
    assert disk.read_bytes()[:512] == _WRITTEN


def test_overlays_on_top_of_one_another_are_written_back(bench, part) -> None:
    _overlay(bench, "n-root", "below")
    _overlay(bench, "limited", "above")
    _overlay(bench, "n-volume-data", "first")
    _overlay(bench, "first", "second")
    for device in ("root", "volume-data"):
        _write(bench, device)
    assert powers.DISKS in bench.see()["machine"]
    _heal(bench, part)
    assert bench.root.read_bytes()[:512] == _volume(bench).read_bytes()[:512] == _WRITTEN


def test_what_went_into_an_overlay_is_in_the_disk_once_the_machine_is_stopped(bench, part) -> None:
    _overlay(bench, "n-volume-data")
    _write(bench, "volume-data")
    bench.power("vm.stop", "running", "stopped")
    assert _volume(bench).read_bytes()[:512] == _WRITTEN


def test_a_machine_that_writes_into_another_file_is_neither_changed_nor_stopped(bench, part) -> None:
    other = folders.runtime_folder(bench.data, "v1") / "other.raw"
    other.write_bytes(bytes(4 * 1024**2))
    other.chmod(0o666)
    with boot.open_talk(bench.data, "v1") as talk:
        talk.ask("blockdev-add", driver="raw", node_name="other", file={"driver": "file", "filename": str(other)})
        talk.ask("qom-set", path="/machine/peripheral/volume-data", property="drive", value="other")
    assert bench.see()["machine"] == {**part, powers.DISKS: f"{other} (raw)"}
    for step in (lambda: _heal(bench, part), lambda: bench.power("vm.stop", "running", "stopped")):
        with pytest.raises(Permanent, match=r"other\.raw \(raw\), which cannot be written back.*copy it out of the guest"):
            step()
    assert bench.see()["power"] == "running"
    with boot.open_talk(bench.data, "v1") as talk:
        talk.ask("qom-set", path="/machine/peripheral/volume-data", property="drive", value="n-volume-data")
    _heal(bench, part)


def test_ports_that_nobody_asked_for_are_closed_and_the_others_stay(bench, machine) -> None:
    network = UserNetwork("10.9.0.0/24", "10.9.0.1", False, (Forward("tcp", "127.0.0.1", _free_port(), 80),))
    bench.attachments = {"nic.0": Attachment("02:00:00:00:00:01", Address("vm.web"), ("10.9.0.2",), network)}
    made = machine(nics=["nic.0"])
    bench.do("vm.create", None, made)
    bench.power("vm.boot", "stopped", "running")
    assert bench.see() == {"machine": made, "power": "running"}
    port, another = _free_port(), _free_port()
    with boot.open_talk(bench.data, "v1") as talk:
        for where in (f"127.0.0.1:{port}", f":{another}"):
            assert talk.ask("human-monitor-command", command_line=f"hostfwd_add net-nic-0 tcp:{where}-10.9.0.2:22") == ""
    words = [f"port {number} (tcp) open to net-nic-0" for number in (another, port)]
    assert bench.see()["machine"] == {**made, powers.ADDED: ", ".join(words)}
    _heal(bench, made)
    with boot.open_talk(bench.data, "v1") as talk:
        told = talk.ask("human-monitor-command", command_line="info usernet")
    assert told.count("HOST_FORWARD") == 1
    assert f" {network.forwards[0].host_port} " in told


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_limit_and_a_job_that_nobody_asked_for_are_taken_away(bench, part) -> None:
    copy = folders.runtime_folder(bench.data, "v1") / "copy.raw"
    with boot.open_talk(bench.data, "v1") as talk:
        talk.ask("blockdev-add", driver="throttle", node_name="slow", throttle_group="limits", file="n-volume-data")
        talk.ask("qom-set", path="/machine/peripheral/volume-data", property="drive", value="slow")
        talk.ask("drive-mirror", job_id="copy", device="limited", target=str(copy), sync="full", format="raw")
    assert "throttle" in bench.see()["machine"][powers.DISKS]
    _heal(bench, part)


def test_exports_networks_and_filters_that_nobody_asked_for_are_taken_away(bench, part) -> None:
    path = folders.runtime_folder(bench.data, "v1") / "nbd.sock"
    with boot.open_talk(bench.data, "v1") as talk:
        talk.ask("nbd-server-start", addr={"type": "unix", "data": {"path": str(path)}})
        talk.ask("nbd-server-add", device="n-volume-data", writable=False)
        talk.ask("netdev_add", type="user", id="more")
        talk.ask("object-add", qom_type="filter-buffer", id="slow", netdev="more", interval=1000)
    seen = bench.see()["machine"][powers.ADDED]
    assert seen == "n-volume-data exported by nbd, network more (user), filter slow (filter-buffer)"
    _heal(bench, part)
