"""The driver of all hypervisors: what it does is the same for each, and each says only how it controls its processes."""

import pytest

from herocloud.model.steps import KINDS
from herocloud.providers.cloud_hypervisor import driving as cloud_hypervisor
from herocloud.providers.qemu import driving as qemu


@pytest.mark.parametrize("provider", [qemu, cloud_hypervisor], ids=["qemu", "cloud-hypervisor"])
def test_every_step_of_a_hypervisor_can_be_struck_before_and_after_it(provider) -> None:
    points = {point.partition(".")[2] for point in provider.FAULT_POINTS}
    wanted = {kind for kind, info in KINDS.items() if info.role == "hypervisor"}
    assert {f"{way}{kind}.{point}" for kind in wanted for way in ("", "undo.") for point in ("before", "after")} <= points


@pytest.mark.parametrize("driver", [qemu.QemuDriver, cloud_hypervisor.CloudHypervisorDriver])
def test_no_hypervisor_has_a_way_of_its_own_to_perform_probe_or_undo(driver) -> None:
    assert {"perform", "probe", "undo"}.isdisjoint(vars(driver))
