"""The state machine of a VM refuses what a real hypervisor refuses."""

from typing import Any

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.seam import Found


def test_a_vm_goes_through_all_its_states(bench: Any) -> None:
    parts = bench.vm(boot=False)
    assert bench.part("vm.web", "power") == "stopped"
    assert bench.power("vm.boot", "vm.web", "running") == "running"
    assert bench.power("vm.pause", "vm.web", "paused") == "paused"
    assert bench.power("vm.resume", "vm.web", "running") == "running"
    assert bench.power("vm.stop", "vm.web", "stopped") == "stopped"
    bench.perform("vm.delete", "vm.web", "machine", parts["machine"], None)
    assert sorted(bench.thing("vm.web").parts) == ["disk", "nic.0", "seed"]


def test_what_is_observed_is_exactly_what_was_performed(bench: Any) -> None:
    parts = bench.vm()
    thing = bench.thing("vm.web")
    assert thing.parts == {**parts, "power": "running"}
    assert (thing.provider, thing.lineage) == ("simulator", "ours")


@pytest.mark.parametrize(
    ("kind", "now", "after", "says"),
    [
        ("vm.pause", "stopped", "paused", "is not running"),
        ("vm.resume", "stopped", "running", "is not paused"),
        ("vm.boot", "paused", "running", "is paused and cannot be booted"),
    ],
)
def test_a_transition_that_does_not_exist_is_refused(bench: Any, kind: str, now: str, after: str, says: str) -> None:
    bench.vm(boot=now == "paused")
    if now == "paused":
        bench.power("vm.pause", "vm.web", "paused")
    before = bench.snapshot()
    with pytest.raises(Permanent, match=says):
        bench.perform(kind, "vm.web", "power", now, after)
    assert bench.snapshot() == before


def test_booting_a_vm_that_runs_is_done_already(bench: Any) -> None:
    bench.vm()
    before = bench.snapshot()
    assert bench.perform("vm.boot", "vm.web", "power", "stopped", "running") == "running"
    assert bench.snapshot() == before


def test_booting_without_a_machine_is_refused(bench: Any) -> None:
    with pytest.raises(Permanent, match="VM does not exist"):
        bench.perform("vm.boot", "vm.web", "power", "stopped", "running")
    assert bench.snapshot().things == {}


@pytest.mark.parametrize("kind", ["vm.configure", "vm.delete"])
def test_a_running_machine_is_neither_configured_nor_deleted(bench: Any, kind: str) -> None:
    parts = bench.vm()
    after = None if kind == "vm.delete" else {**parts["machine"], "vcpus": 2}
    with pytest.raises(Conflict, match=r"VM is running: `vm.web` must be stopped"):
        bench.perform(kind, "vm.web", "machine", parts["machine"], after)
    assert bench.thing("vm.web").parts == {**parts, "power": "running"}


@pytest.mark.parametrize("kind", ["vm.resize", "vm.attach", "vm.detach"])
def test_a_stopped_machine_has_nobody_to_talk_to(bench: Any, kind: str) -> None:
    parts = bench.vm(boot=False)
    with pytest.raises(Conflict, match="VM is not running"):
        bench.perform(kind, "vm.web", "machine", parts["machine"], {**parts["machine"], "vcpus": 2})


def test_growing_the_disk_of_a_stopped_machine_through_its_vmm_is_refused(bench: Any) -> None:
    parts = bench.vm(boot=False)
    with pytest.raises(Conflict, match="VM is not running"):
        bench.perform("vm.grow", "vm.web", "disk", parts["disk"], {**parts["disk"], "size": 2 * parts["disk"]["size"]})


@pytest.mark.parametrize(("vcpus", "memory"), [(2, 4), (4, 8), (1, 5)])
def test_a_running_machine_is_resized_within_its_bounds(bench: Any, shapes: Any, vcpus: int, memory: int) -> None:
    bench.vm()
    bench.change("vm.resize", "vm.web", "machine", vcpus=vcpus, memory=memory * shapes.GIB)
    machine = bench.part("vm.web", "machine")
    assert (machine["vcpus"], machine["memory"]) == (vcpus, memory * shapes.GIB)


@pytest.mark.parametrize(
    ("vcpus", "memory", "says"),
    [
        (5, 4, "5 vCPUs are outside 1 to 4"),
        (0, 4, "0 vCPUs are outside"),
        (1, 9, "bytes of memory are outside"),
        (1, 3, "bytes of memory are outside"),
    ],
)
def test_a_machine_is_not_resized_beyond_its_bounds(bench: Any, shapes: Any, vcpus: int, memory: int, says: str) -> None:
    parts = bench.vm()
    with pytest.raises(Permanent, match=says):
        bench.change("vm.resize", "vm.web", "machine", vcpus=vcpus, memory=memory * shapes.GIB)
    assert bench.part("vm.web", "machine") == parts["machine"]


@pytest.mark.parametrize("field", ["max_vcpus", "boot_memory", "hotplug", "hugepages", "mergeable"])
def test_what_is_fixed_at_boot_changes_only_while_stopped(bench: Any, shapes: Any, field: str) -> None:
    bench.vm()
    fields = {field: {"max_vcpus": 8, "boot_memory": 2 * shapes.GIB, "hotplug": 8 * shapes.GIB}.get(field, True)}
    with pytest.raises(Permanent, match=f"`{field}` is fixed at boot"):
        bench.change("vm.update", "vm.web", "machine", **fields)
    bench.power("vm.stop", "vm.web", "stopped")
    assert bench.change("vm.configure", "vm.web", "machine", **fields)[field] == fields[field]


def test_labels_change_in_any_state(bench: Any) -> None:
    bench.vm(boot=False)
    bench.change("vm.update", "vm.web", "machine", labels={"tier": "web"})
    bench.power("vm.boot", "vm.web", "running")
    bench.change("vm.update", "vm.web", "machine", labels={"tier": "data"})
    assert bench.part("vm.web", "machine")["labels"] == {"tier": "data"}


def test_stopping_a_paused_vm_works(bench: Any) -> None:
    bench.vm()
    bench.power("vm.pause", "vm.web", "paused")
    assert bench.power("vm.stop", "vm.web", "stopped") == "stopped"
    assert bench.probe("vm.stop", "vm.web", "power", "paused", "stopped").found is Found.DONE
