"""Requests are held against the models before they are sent."""

from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.cloud_hypervisor import limits
from herocloud.providers.cloud_hypervisor.call_models import VmResize
from herocloud.providers.cloud_hypervisor.client import Client
from herocloud.providers.cloud_hypervisor.machine_models import DiskConfig, NetConfig, VmConfig

GOOD: dict[str, Any] = {
    "cpus": {"boot_vcpus": 1, "max_vcpus": 2},
    "memory": {"size": 2**29},
    "payload": {"kernel": "/k"},
    "disks": [{"path": "/d", "image_type": "Raw", "rate_limiter_config": {"ops": {"size": 1, "refill_time": 1000}}}],
}


def _said(model: Any, value: Any, release: int = 53) -> list[str]:
    return [str(mistake) for mistake in limits.check(model, value, release)]


def test_a_good_configuration_has_no_mistakes() -> None:
    assert _said(VmConfig, GOOD) == []


@pytest.mark.parametrize(
    ("model", "value", "said"),
    [
        (VmConfig, {**GOOD, "cpu": {}}, "`cpu` is not a field of the API; did you mean `cpus`?"),
        (
            VmConfig,
            {**GOOD, "disks": [{"path": "/d", "image_typ": "Raw"}]},
            "`disks[0].image_typ` is not a field of the API; did you mean `image_type`?",
        ),
        (VmConfig, {**GOOD, "cpus": {"boot_vcpus": 1}}, "`cpus.max_vcpus` is missing"),
        (VmConfig, {**GOOD, "cpus": {"boot_vcpus": 0, "max_vcpus": 1}}, "`cpus.boot_vcpus` is 0, and has to be at least 1"),
        (VmConfig, {"memory": {"size": 1}}, "`payload` is missing"),
        (VmResize, {"desired_vcpus": True}, "`desired_vcpus` has to be a whole number, not true or false"),
        (VmResize, {"desired_ram": "1 GiB"}, "`desired_ram` has to be a whole number, not a text"),
        (VmResize, [], "has to be an object, not a list"),
        (DiskConfig, {"serial": "x" * 21}, "`serial` is longer than 20 bytes"),
        (DiskConfig, {"image_type": "raw"}, "`image_type` is `raw`, and has to be one of FixedVhd, Qcow2, Raw, Vhdx, Unknown"),
        (NetConfig, {"tap": "a-name-that-is-too-long"}, "`tap` is longer than 15 bytes"),
    ],
)
def test_a_mistake_is_named_with_its_place(model: Any, value: Any, said: str) -> None:
    assert _said(model, value) == [said]


def test_a_field_that_a_release_does_not_have_is_not_sent_to_it() -> None:
    assert _said(DiskConfig, {"backing_files": True}, 50) == ["`backing_files` came with release 51 and would be ignored by release 50"]
    assert _said(DiskConfig, {"backing_files": True}, 51) == []


def test_a_request_that_is_too_large_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    client = Client(tmp_path / "nobody.sock")
    client._release = 53
    config = {"payload": {"cmdline": "x" * 60_000}, "cpus": {"boot_vcpus": 1, "max_vcpus": 1}, "memory": {"size": 2**29}}
    with pytest.raises(Permanent, match=r"`vm.create` takes \d+ bytes, most of them for `payload`, and Cloud Hypervisor takes 51200"):
        client.create(config)  # type: ignore[arg-type]
