"""Where some data is gone for good, a rollback brings back all the rest: under its old name, running where it ran, and recorded."""

import json
import os
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HEAD = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
defaults: {image: debian, memory: 2 GiB}
"""
DATA = "volumes: {data: {size: 1 GiB}}\n"


class Cut:
    """An apply that purges, cut off by a kill."""

    def __init__(self, herocloud: Any, spawn: Any) -> None:
        self.herocloud, self._spawn = herocloud, spawn

    def apply(self, before: str, after: str, point: str) -> None:
        """Apply one file whole, and be killed in the apply of the next."""
        self.herocloud.write(HEAD + before)
        self.herocloud.done("apply", "-y", "-q")
        self.herocloud.write(HEAD + after)
        self.kill(point)
        self.herocloud.write(HEAD + before)

    def kill(self, point: str, *command: str) -> None:
        """Apply the file that is there, or run another command, and be killed."""
        arguments = command or ("apply", "-y", "-q", "--purge")
        process = self._spawn(*arguments, env={**os.environ, "HEROCLOUD_FAULTS": f"{point}:kill"})
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, f"{point} was not reached"

    def preview(self) -> dict[str, dict[str, Any]]:
        """Return what is left to take back, by address."""
        events = [json.loads(line) for line in self.herocloud("resume", "--rollback", "--json").out.splitlines()]
        (left,) = [event["unfinished"]["left"] for event in events if event["type"] == "unfinished"]
        return {one["address"]: one for one in left}

    def states(self) -> dict[str, str]:
        """Return the state of each recorded VM."""
        return {vm["address"]: vm["state"] for vm in json.loads(self.herocloud.done("vm", "list", "--json").out)["vms"]}


@pytest.fixture
def cut(herocloud: Any, spawn: Any) -> Cut:
    return Cut(herocloud, spawn)


def test_a_renamed_vm_that_comes_back_in_part_is_recorded_under_the_name_that_it_has(cut: Cut) -> None:
    cut.apply(f"{DATA}vms: {{b: {{volumes: [data]}}}}\n", "moved: [{from: vm.b, to: vm.bb}]\nvms: {bb: {}}\n", "apply.finish.before:1")
    assert cut.herocloud("resume", "--rollback", "-y").code == 13
    assert cut.states() == {"vm.b": "running"}
    assert "There are no orphans." in cut.herocloud.done("state", "orphans").out
    shown = cut.herocloud.done("plan").out
    assert "~ vm.b          update live" in shown, shown
    cut.herocloud.done("apply", "-y")
    assert "No changes." in cut.herocloud.done("plan").out
    assert cut.states() == {"vm.b": "running"}


def test_names_that_went_round_go_back_to_whom_they_belonged(cut: Cut) -> None:
    before = f"{DATA}vms: {{b: {{volumes: [data]}}, c: {{memory: 1 GiB}}}}\n"
    moved = "moved: [{from: vm.b, to: vm.bb}, {from: vm.c, to: vm.b}]\n"
    cut.apply(before, f"{moved}vms: {{bb: {{}}, b: {{memory: 1 GiB}}}}\n", "apply.finish.before:1")
    assert cut.herocloud("resume", "--rollback", "-y").code == 13
    assert cut.states() == {"vm.b": "running", "vm.c": "running"}
    assert "There are no orphans." in cut.herocloud.done("state", "orphans").out
    cut.herocloud.done("apply", "-y")
    assert "No changes." in cut.herocloud.done("plan").out


def test_a_renamed_vm_of_which_nothing_is_left_keeps_nobody_waiting(cut: Cut) -> None:
    images = 'images: {debian: {source: "https://example.org/other.qcow2", unpinned: true, format: qcow2}}\n'
    cut.herocloud.write(f"{HEAD}vms: {{b: {{}}}}\n")
    cut.herocloud.done("apply", "-y", "-q")
    cut.herocloud.write(f"stack: shop\n{images}moved: [{{from: vm.b, to: vm.bb}}]\nvms: {{bb: {{image: debian, memory: 2 GiB}}}}\n")
    cut.kill("apply.finish.before:1")
    told = cut.preview()
    ran = cut.herocloud("resume", "--rollback", "-y", "--json")
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert not told["vm.bb"]["comes_back"]
    assert len([one for one in events if one["type"] == "apply_complete" and one["address"] == "vm.bb"]) == told["vm.bb"]["steps"]
    assert "rename" not in ran.both
    assert "There are no orphans." in cut.herocloud.done("state", "orphans").out


@pytest.mark.parametrize("point", ["simulator.volume.delete.after:1", "apply.outcome.before:3", "apply.finish.before:1"])
def test_a_vm_that_was_power_cycled_runs_after_its_rollback(cut: Cut, point: str) -> None:
    before = f"{DATA}vms: {{a: {{volumes: [data]}}}}\n"
    cut.apply(before, "vms: {a: {cpu: {max: 3}}}\n", point)
    cut.herocloud("resume", "--rollback", "-y")
    assert cut.states() == {"vm.a": "running"}


def test_a_purged_snapshot_keeps_its_vm_from_nothing(cut: Cut) -> None:
    before = f"{DATA}vms: {{c: {{volumes: [data]}}}}\n"
    cut.herocloud.write(HEAD + before)
    cut.herocloud.done("apply", "-y", "-q")
    cut.herocloud.done("vm", "snapshot", "create", "c", "--name", "s1")
    cut.herocloud.write(HEAD + DATA)
    cut.kill("simulator.snapshot.delete.after:1")
    cut.herocloud.write(HEAD + before)
    shown = cut.herocloud("resume", "--rollback").out
    assert "without snapshot `s1`, which is gone for good" in shown
    (told,) = cut.preview().values()
    assert (told["comes_back"], told["lost_snapshots"]) == (False, ["s1"])
    assert cut.herocloud("resume", "--rollback", "-y").code == 13
    assert cut.states() == {"vm.c": "running"}
    assert "s1" not in cut.herocloud.done("vm", "snapshot", "list", "c").out
    cut.herocloud.done("apply", "-y")
    assert "No changes." in cut.herocloud.done("plan").out


IMAGES = """\
stack: shop
images:
  old: {source: "https://example.org/old.qcow2", unpinned: true, format: qcow2}
  new: {source: "https://example.org/new.qcow2", unpinned: true, format: qcow2}
defaults: {image: old, memory: 2 GiB}
networks: {lan: {cidr: 10.43.0.0/24}}
"""
BEFORE = f"""\
{IMAGES}volumes: {{data: {{size: 1 GiB}}, logs: {{size: 1 GiB}}, keep: {{size: 1 GiB}}}}
vms:
  b: {{volumes: [data], networks: [lan]}}
  c: {{volumes: [logs, keep], cpu: {{max: 4}}}}
  d: {{networks: [lan]}}
  e: {{}}
  f: {{depends_on: [vm.b]}}
"""
AFTER = f"""\
{IMAGES}volumes: {{keep: {{size: 1 GiB}}}}
moved: [{{from: vm.b, to: vm.bb}}, {{from: vm.f, to: vm.b}}, {{from: vm.e, to: vm.ee}}]
vms:
  bb: {{networks: [lan]}}
  c: {{volumes: [keep], cpu: {{max: 3}}}}
  ee: {{image: new}}
  b: {{depends_on: [vm.bb], memory: 3 GiB}}
"""
NAMES = {"vm.bb": "vm.b", "vm.ee": "vm.e", "vm.b": "vm.f"}
"""What had another name before."""


@pytest.mark.parametrize("point", ["back.undo.after:3", "back.outcome.after:6"])
def test_a_rollback_that_was_cut_off_itself_still_knows_what_is_lost(cut: Cut, point: str) -> None:
    cut.herocloud.write(BEFORE)
    cut.herocloud.done("apply", "-y", "-q")
    cut.herocloud.write(AFTER)
    cut.kill("apply.finish.before:1")
    lost = {address for address, one in cut.preview().items() if not one["comes_back"]}
    cut.kill(point, "resume", "--rollback", "-y", "-q")
    told = cut.preview()
    assert {address for address, one in told.items() if not one["comes_back"]} == lost
    assert "not as a whole: the host" not in cut.herocloud("resume", "--rollback").out
    events = [json.loads(line) for line in cut.herocloud("resume", "--rollback", "-y", "--json").out.splitlines()]
    back = Counter(event["address"] for event in events if event["type"] == "apply_complete")
    assert dict(back) == {address: one["steps"] for address, one in told.items() if one["steps"]}
    assert "There are no orphans." in cut.herocloud.done("state", "orphans").out


def test_wherever_a_purging_apply_is_killed_nothing_is_lost_but_what_its_preview_names(
    cut: Cut, tmp_path: Path, each_point: Callable[[], list[str]]
) -> None:
    herocloud, saved = cut.herocloud, tmp_path / "saved"
    herocloud.write(BEFORE)
    herocloud.done("apply", "-y", "-q")
    herocloud.done("vm", "snapshot", "create", "d", "--name", "s1")
    herocloud.done("vm", "snapshot", "create", "e", "--name", "s2")
    shutil.copytree(herocloud.data_folder, saved)
    for point in each_point():
        shutil.rmtree(herocloud.data_folder)
        shutil.copytree(saved, herocloud.data_folder)
        herocloud.write(AFTER)
        cut.kill(point)
        told = cut.preview()
        events = [json.loads(line) for line in herocloud("resume", "--rollback", "-y", "--json").out.splitlines()]
        back = Counter(event["address"] for event in events if event["type"] == "apply_complete")
        kept = {event["address"] for event in events if event["type"] in ("apply_errored", "apply_skipped")}
        assert dict(back) == {address: one["steps"] for address, one in told.items() if one["steps"]}, point
        assert kept == {address for address, one in told.items() if not one["comes_back"]}, point
        assert "There are no orphans." in herocloud.done("state", "orphans").out, point
        lost = {NAMES.get(one, one) for one, left in told.items() if not left["comes_back"] and "destroy" in left["classes"]}
        running = {address for address, parts in _machines(herocloud).items() if parts.get("power") == "running"}
        assert {f"vm.{name}" for name in "bcdef"} - running <= lost, point
        herocloud.write(BEFORE)
        herocloud.done("apply", "-y", "-q")
        assert "No changes." in herocloud.done("plan").out, point


def _machines(herocloud: Any) -> dict[str, dict[str, Any]]:
    """Return the parts of the VMs in the simulated world."""
    world = sqlite3.connect(herocloud.data_folder / "simulator.db")
    try:
        rows = world.execute("SELECT address, parts FROM things WHERE address LIKE 'vm.%'").fetchall()
    finally:
        world.close()
    return {address: json.loads(parts) for address, parts in rows}


@pytest.fixture
def each_point() -> Callable[[], list[str]]:
    """Return a function that names points all along the apply, around performing and journalling its steps."""

    def points() -> list[str]:
        names = ("apply.perform.after", "apply.outcome.before", "apply.intent.after")
        return [f"{names[number % 3]}:{number}" for number in range(2, 24, 3)]

    return points


def test_undoing_the_rest_names_what_is_there(cut: Cut) -> None:
    before = f"{DATA}vms: {{b: {{volumes: [data]}}}}\n"
    cut.apply(before, "moved: [{from: vm.b, to: vm.bb}]\nvms: {bb: {}}\n", "apply.finish.before:1")
    cut.herocloud("resume", "--rollback", "-y")
    shown = cut.herocloud("undo", "apply-2").both
    assert "~ vm.b          update live" in shown, shown
    assert "wait for each other" not in shown
    assert cut.herocloud("undo", "apply-2", "-y").code == 1, "the volume is gone for good"
    assert cut.states() == {"vm.b": "running"}
