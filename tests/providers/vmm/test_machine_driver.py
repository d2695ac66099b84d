"""The driver of all hypervisors: what it does is the same for each, and each says only how it controls its processes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from herocloud.model.steps import KINDS
from herocloud.providers.cloud_hypervisor import driving as cloud_hypervisor
from herocloud.providers.qemu import driving as qemu
from herocloud.providers.vmm import host_door
from herocloud.providers.vmm.host_door import HostDoor


@pytest.mark.parametrize("provider", [qemu, cloud_hypervisor], ids=["qemu", "cloud-hypervisor"])
def test_every_step_of_a_hypervisor_can_be_struck_before_and_after_it(provider) -> None:
    points = {point.partition(".")[2] for point in provider.FAULT_POINTS}
    wanted = {kind for kind, info in KINDS.items() if info.role == "hypervisor"}
    assert {f"{way}{kind}.{point}" for kind in wanted for way in ("", "undo.") for point in ("before", "after")} <= points


@pytest.mark.parametrize("driver", [qemu.QemuDriver, cloud_hypervisor.CloudHypervisorDriver])
def test_no_hypervisor_has_a_way_of_its_own_to_perform_probe_or_undo(driver) -> None:
    assert {"perform", "probe", "undo"}.isdisjoint(vars(driver))


def test_vms_that_start_at_once_have_the_host_closed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    asked = threading.Event()  # nobody sets it: to close takes a while
    together = threading.Barrier(4)
    # All have come here before the first of them has closed anything.
    monkeypatch.setattr(host_door.cages, "choose_user", lambda *_: together.wait(20))
    monkeypatch.setattr(host_door.loopback, "close", lambda _: closed.append("") or asked.wait(0.2) or "")
    door = HostDoor(tmp_path, None)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(door.close, ["v1", "v2", "v3", "v4"]))
    assert len(closed) == 1
