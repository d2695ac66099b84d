"""Killed at any instant while memory is kept or read again, a step is found as far as it got; going on or back leaves nothing over.

Killed is herocloud, in a process of its own at a named point (see `test_killing_steps`), then the VMM, or both.
"""

from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Conflict
from herocloud.providers import snapshot_memory
from herocloud.providers.seam import Found
from herocloud.providers.vmm import folders, memory_folders
from tests.providers.cloud_hypervisor.conftest import until
from tests.providers.cloud_hypervisor.test_killing_steps import kill_at, kill_vmm, nothing_is_left

FILES = ["config.json", "memory-ranges", "state.json"]
BOTH = pytest.mark.parametrize("victim", ["herocloud", "both"])


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("way", ["on", "back"])
@pytest.mark.parametrize(
    ("point", "found"),
    [("before", Found.NOT_STARTED), ("half", Found.PARTIAL), ("written", Found.PARTIAL), ("after", Found.DONE)],
)
def test_memory_is_being_kept(bench: Any, point: str, found: Found, way: str) -> None:
    plain, saved = bench.held()
    work = bench.work("snapshot.save", plain, saved, part="snapshot.one")
    if bench.real:
        # Whether this KVM lets the program write memory at all.
        bench.keep(work)
        bench.driver.undo(work)
    kill_at(bench, f"snapshot.save.{point}", work)
    assert bench.driver.probe(work).found is found
    for _ in range(2):
        (bench.driver.perform if way == "on" else bench.driver.undo)(work)
    assert bench.driver.probe(work).found is (Found.DONE if way == "on" else Found.NOT_STARTED)
    assert _names(bench.data / bench.SNAPSHOT) == (["memory", "memory.json"] if way == "on" else [])
    assert not memory_folders.path_of(bench.data, "v1").exists()
    assert snapshot_memory.read(bench.data / bench.SNAPSHOT) == (saved["memory"] if way == "on" else None)
    bench.power("vm.thaw", "paused", "running")
    assert bench.boots == 1
    nothing_is_left(bench)


@pytest.mark.parametrize("point", ["half", "written"])
def test_memory_of_a_vmm_that_is_gone_too_cannot_be_kept_and_the_vm_boots(bench: Any, point: str) -> None:
    plain, saved = bench.held()
    work = bench.work("snapshot.save", plain, saved, part="snapshot.one")
    if bench.real:
        bench.keep(work)
        bench.driver.undo(work)
    kill_at(bench, f"snapshot.save.{point}", work)
    kill_vmm(bench)
    with pytest.raises(Conflict, match="its memory is gone"):
        bench.driver.perform(work)
    bench.driver.undo(work)
    assert _names(bench.data / bench.SNAPSHOT) == []
    # The plan lets it go on whatever became of its snapshot.
    bench.power("vm.thaw", "paused", "running")
    assert not memory_folders.path_of(bench.data, "v1").exists()
    nothing_is_left(bench)


def test_a_vmm_that_is_killed_while_it_writes_leaves_no_memory(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if bench.real:
        pytest.skip("needs the stand-in, which writes as slowly as a test wants")
    plain, saved = bench.held()
    work = bench.work("snapshot.save", plain, saved, part="snapshot.one")
    work = work._replace(progress=lambda text, _share: kill_vmm(bench) if text == "keeping memory" else None)
    monkeypatch.setattr("herocloud.providers.cloud_hypervisor.client.Client.snapshot", lambda client, _folder: _hang(client, bench))
    with pytest.raises(Conflict, match="its memory is gone"):
        bench.driver.perform(work)
    assert _names(bench.data / bench.SNAPSHOT) == []
    assert not memory_folders.path_of(bench.data, "v1").exists()
    nothing_is_left(bench)


def _hang(client: Any, bench: Any) -> None:
    """Ask for something and be cut off, as by a program that is killed in the middle of a long call."""
    until(lambda: bench.process is None, "the VMM is killed")
    client.ping()


@BOTH
@pytest.mark.parametrize("way", ["on", "back"])
@pytest.mark.parametrize(
    "point",
    ["vm.revive.before", "vm.boot.marked", "vm.boot.launched", "vm.revive.lent", "vm.revive.restored", "vm.revive.noted",
     "vm.boot.settled", "vm.revive.after"],
)  # fmt: skip
def test_a_vm_goes_on_from_its_memory(bench: Any, point: str, way: str, victim: str) -> None:
    saved = bench.kept(restart="on-failure" if way == "back" else "no")
    machine = saved["memory"]["machine"]
    work = bench.revival()
    kill_at(bench, point, work)
    if victim == "both":
        kill_vmm(bench)
    for _ in range(2):
        (bench.driver.perform if way == "on" else bench.driver.undo)(work)
    assert bench.driver.probe(work).found is (Found.DONE if way == "on" else Found.NOT_STARTED)
    assert bench.see() == {"machine": machine, "power": "running" if way == "on" else "stopped"}
    if way == "on":
        # Once its guest may have written to its disks, older memory beside them would destroy its file systems.
        went_on = victim == "both" and point in ("vm.revive.noted", "vm.boot.settled", "vm.revive.after")
        assert bench.happened()[:1] == (["vm/booting"] if went_on else ["vm/restoring"])
        assert len([line for line in bench.left_over() if "--api-socket" in line and "herocloud-keeper" not in line]) == 1
        assert folders.console_socket(bench.data, "v1").is_socket()
    assert not memory_folders.path_of(bench.data, "v1").exists()
    assert _names(bench.memory) == FILES
    assert {path.stat().st_mode & 0o777 for path in bench.memory.iterdir()} == {0o600}
    nothing_is_left(bench)
    assert snapshot_memory.read(bench.data / bench.SNAPSHOT) == saved["memory"], "a snapshot outlives the machine"
