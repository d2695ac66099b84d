"""Killed while a change is taken back, a VM gets its other name, or what is half made is thrown away: the next try ends the same way.

Killed is herocloud, in a process of its own at a named point (see `test_killing_steps`), then the VMM, or both.
"""

from typing import Any

import pytest

from herocloud.providers.ownership import read_owner
from herocloud.providers.seam import Found
from herocloud.providers.vmm import folders
from tests.providers.cloud_hypervisor.test_killing_steps import kill_at, kill_vmm, nothing_is_left

MIB = 1024**2
USE = {"volume": "data", "readonly": False, "size": 4 * MIB}
VICTIMS = pytest.mark.parametrize("victim", ["herocloud", "both"])
LIVE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("vm.resize", {}, {"vcpus": 2, "memory": 256 * MIB, "balloon": 64 * MIB}),
    ("vm.attach", {}, {"volumes": [USE]}),
    ("vm.detach", {"volumes": [USE]}, {"volumes": []}),
    ("vm.update", {}, {"labels": {"tier": "data"}}),
]
"""Changes of a running machine: what it has at first, and what of it changes."""


@VICTIMS
@pytest.mark.parametrize("point", ["before", "half", "after"])
@pytest.mark.parametrize(("kind", "first", "changed"), LIVE, ids=[kind for kind, _, _ in LIVE])
def test_a_live_change_is_taken_back(
    bench: Any, kind: str, first: dict[str, Any], changed: dict[str, Any], point: str, victim: str
) -> None:
    if bench.real:
        pytest.skip("needs a guest that lets go of processors, memory and devices")
    path = bench.volume("data")
    bench.running(**first)
    before = bench.see()["machine"]
    work = bench.do(kind, before, {**before, **changed})
    kill_at(bench, f"undo.{kind}.{point}", work, back=True)
    if victim == "both":
        kill_vmm(bench)
    for _ in range(2):
        bench.driver.undo(work)
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    if victim == "both":
        bench.power("vm.boot", "stopped", "running")
    assert bench.see() == {"machine": before, "power": "running"}
    # What the guest would have after a reboot of its own is the same.
    config = bench.info["config"]
    assert sorted(disk["id"] for disk in config.get("disks") or ()) == [f"volume-{use['volume']}" for use in before["volumes"]]
    assert (config["cpus"]["boot_vcpus"], config["balloon"]["size"]) == (before["vcpus"], 0)
    nothing_is_left(bench)
    assert path.exists(), "a volume outlives the VM"


@pytest.mark.parametrize("point", ["before", "after"])
@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [("vm.pause", "running", "paused"), ("vm.resume", "paused", "running"), ("vm.freeze", "running", "paused")],
)
def test_a_change_of_power_is_taken_back(bench: Any, kind: str, before: str, after: str, point: str) -> None:
    bench.running()
    if before == "paused":
        bench.power("vm.pause", "running", "paused")
    work = bench.power(kind, before, after)
    kill_at(bench, f"undo.{kind}.{point}", work, back=True)
    bench.driver.undo(work)
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    assert (bench.see()["power"], bench.boots) == (before, 1)
    nothing_is_left(bench)


@pytest.mark.parametrize("kind", ["vm.pause", "vm.freeze"])
def test_a_vm_that_died_while_it_was_held_starts_again_when_that_is_taken_back(bench: Any, kind: str) -> None:
    bench.running()
    work = bench.power(kind, "running", "paused")
    kill_vmm(bench)
    bench.driver.undo(work)
    assert bench.see()["power"] == "running"
    nothing_is_left(bench)


@VICTIMS
@pytest.mark.parametrize("way", ["on", "back"])
@pytest.mark.parametrize("point", ["vm.move.before", "vm.move.after", "undo.vm.move.before", "undo.vm.move.after"])
def test_a_vm_gets_another_name(bench: Any, point: str, way: str, victim: str) -> None:
    bench.running()
    process, folder = bench.process, bench.data / "vms" / "v1"
    work = bench.work("vm.move", {"address": "vm.web"}, {"address": "vm.front"}, part="mark")
    back = point.startswith("undo")
    if back:
        bench.driver.perform(work)
    kill_at(bench, point, work, back=back)
    if victim == "both":
        kill_vmm(bench)
    renamed = point in ("vm.move.after", "undo.vm.move.before")
    assert bench.driver.probe(work).found is (Found.DONE if renamed else Found.NOT_STARTED)
    for _ in range(2):
        (bench.driver.perform if way == "on" else bench.driver.undo)(work)
    assert bench.driver.probe(work).found is (Found.DONE if way == "on" else Found.NOT_STARTED)
    owner = read_owner(folder)
    assert owner is not None
    assert owner.address == ("vm.front" if way == "on" else "vm.web")
    assert bench.process == (process if victim == "herocloud" else None)
    bench.driver.undo(work)
    nothing_is_left(bench)


@pytest.mark.parametrize("point", ["before", "after"])
def test_what_is_half_made_is_thrown_away(bench: Any, point: str) -> None:
    root = bench.root()
    kill_at(bench, "vm.create.half", bench.work("vm.create", None, bench.machine()))
    assert bench.see() == {}
    work = bench.work("vm.discard", {"sid": "v1"}, None)
    kill_at(bench, f"vm.discard.{point}", work)
    for _ in range(2):
        bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    assert bench.see() == {}
    assert not folders.machine_folder(bench.data, "v1").exists()
    assert bench.left_over() == []
    assert root.exists(), "a disk is taken away by a step of its own"
