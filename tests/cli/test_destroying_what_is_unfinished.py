"""`destroy` over an apply that did not end removes what that has made, and makes and boots nothing more of it."""

import itertools
import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from herocloud.state import store

STACK = """\
stack: shop
images: {{debian: {{source: "https://example.org/{image}.qcow2", unpinned: true, format: qcow2}}}}
networks: {{lan: {{cidr: 10.41.0.0/24}}}}
mycelium: {{peers: ["tcp://192.0.2.1:9651"], addresses: true}}
volumes: {{data: {{size: 1 GiB}}}}
vms:
  db: {{image: debian, memory: 1 GiB, networks: [lan], volumes: [data], mycelium: true}}
  lb: {{image: debian, memory: 1 GiB, depends_on: [vm.db]}}
"""
OLD = STACK.format(image="debian12")
NEW = STACK.format(image="debian13")
FIRST = (
    "apply.begin.after:1",
    "image.fetch.half:1",
    "network.create.half:1",
    "volume.create.half:1",
    "overlay.enable.half:1",
    "overlay.enable.after:1",
    "peer.add.after:1",
    "disk.create.half:1",
    "disk.create.after:2",
    "seed.write.after:1",
    "tap.create.after:1",
    "vm.create.half:1",
    "vm.create.after:1",
    "vm.boot.half:1",
    "vm.boot.after:1",
    "vm.create.half:2",
)
LATER = ("disk.prepare.half:1", "seed.prepare.after:1", "vm.stop.half:1", "vm.delete.half:1", "disk.delete.after:1", "disk.place.after:1")
MAKING = ("create", "fetch", "boot", "write", "prepare", "enable", "add", "place")


class Cut:
    """An apply that was killed, as often as somebody wants it."""

    def __init__(self, herocloud: Any, spawn: Any, saved: Path) -> None:
        self.herocloud, self._spawn, self._saved = herocloud, spawn, saved
        shutil.copytree(herocloud.data_folder, saved)

    def apply(self, point: str) -> None:
        """Kill an apply of the file at this point, in the state from before."""
        shutil.rmtree(self.herocloud.data_folder)
        shutil.copytree(self._saved, self.herocloud.data_folder)
        full = point if point.startswith("apply.") else f"simulator.{point}"
        process = self._spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": f"{full}:kill"})
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, point

    def destroy(self, *flags: str) -> Sequence[Any]:
        """Destroy the stack; returns the events."""
        return [json.loads(line) for line in self.herocloud.done("destroy", "--json", *flags).out.splitlines()]

    def things(self) -> list[tuple[str, str, str]]:
        """Return what is in the simulated world."""
        world = sqlite3.connect(self.herocloud.data_folder / "simulator.db")
        try:
            rows = world.execute("SELECT address, parts, halves FROM things ORDER BY address").fetchall()
        finally:
            world.close()
        return [row for row in rows if row[1:] != ("{}", "{}")]


@pytest.fixture
def cut(herocloud: Any, spawn: Any, tmp_path: Path) -> Callable[[str], Cut]:
    """Return a function that prepares the state from before, of which applies are cut off."""

    def prepare(before: str) -> Cut:
        if before:
            herocloud.write(before)
            herocloud.done("apply", "-y", "-q")
        herocloud.write(NEW)
        return Cut(herocloud, spawn, tmp_path / "saved")

    return prepare


@pytest.mark.parametrize("before", ["", OLD], ids=["of a first apply", "of a replacement"])
def test_nothing_is_made_and_nothing_is_left_wherever_it_was_cut_off(cut: Callable[[str], Cut], before: str) -> None:
    stack = cut(before)
    for point in LATER if before else FIRST:
        stack.apply(point)
        events = stack.destroy("--approve", "destroy")
        begun = [one for one in events if one["type"] == "apply_start" and one["direction"] == "forward"]
        made = [one["step"] for one in begun if one["kind"].partition(".")[2] in MAKING]
        assert made == [], point
        assert stack.things() == [], point
        assert json.loads(stack.herocloud.done("state", "list", "--json").out)["records"] == [], point
        assert "There is nothing to resume" in stack.herocloud.done("resume").out, point
        assert "There are no orphans" in stack.herocloud.done("state", "orphans").out, point


def _kept(folder: Path) -> dict[str, int]:
    """Return the bytes that are kept of what was deleted, by address."""
    world = sqlite3.connect(folder / "simulator.db")
    try:
        return dict(world.execute("SELECT address, bytes FROM tombstones").fetchall())
    finally:
        world.close()


@pytest.mark.parametrize("point", ["volume.create.half:1", "volume.create.after:1", "disk.create.half:1", "seed.write.after:1"])
def test_the_plan_says_of_which_data_nothing_is_kept(cut: Callable[[str], Cut], point: str) -> None:
    stack = cut("")
    stack.apply(point)
    plan = json.loads(stack.herocloud("plan", "--destroy", "--json").out)
    notes = {change["address"]: change["note"] for change in plan["resource_changes"] if change.get("note")}
    promised = {address for address, note in notes.items() if note.endswith("of data is kept for 7 days")}
    taken_back = {address for address, note in notes.items() if "`apply-1` was making of it is taken back; no data is kept" in note}
    stack.destroy("--approve", "destroy")
    kept = _kept(stack.herocloud.data_folder)
    assert (set(kept) - promised, taken_back & set(kept)) == (set(), set())
    assert taken_back
    assert plan["capacity"]["disk"]["after"] == sum(kept.values())


def test_the_plan_says_that_the_apply_is_not_finished_any_more(cut: Callable[[str], Cut]) -> None:
    stack = cut("")
    stack.apply("vm.create.half:1")
    ran = stack.herocloud("destroy", "--no-input")
    assert "nothing more of it is made or booted" in ran.err
    assert "Left to do" not in ran.both
    ran = stack.herocloud.done("destroy", "-y")
    assert "note: `apply-1` is closed, and what it was making is taken back: `vm.db`" in ran.err


def test_the_lines_of_the_closing_are_there_and_told_apart(cut: Callable[[str], Cut]) -> None:
    stack = cut("")
    stack.apply("vm.create.half:1")
    folder = Path(__file__).resolve().parents[2] / "docs" / "schemas"
    schema = json.loads((folder / "events.schema.json").read_text(encoding="utf-8"))
    lines = stack.destroy("--approve", "destroy")
    for line in lines:
        jsonschema.Draft202012Validator(schema).validate(line)
    told = [one for one in lines if "apply_id" in one]
    assert [name for name, _ in itertools.groupby(one["apply_id"] for one in told)] == ["apply-1", "apply-2"]
    closing = [one for one in told if one["apply_id"] == "apply-1"]
    assert (closing[0]["type"], closing[-1]["type"]) == ("closing", "closed")
    taken_back = {one["address"] for one in closing if one["type"] == "apply_complete" and one["direction"] == "back"}
    assert "vm.db" in taken_back
    left = {one["address"]: one["data"]["left"] for one in closing if one["type"] == "apply_complete"}
    assert set(left.values()) == {0}, "no more is taken back of it in a closing"
    assert {one["type"] for one in told if one["apply_id"] == "apply-2"} == {"apply_start", "apply_complete"}


def test_where_all_that_was_made_is_taken_back_the_result_says_what(cut: Callable[[str], Cut]) -> None:
    stack = cut("")
    stack.herocloud.write("stack: shop\nvolumes: {data: {size: 1 GiB}}\n")
    stack.apply("volume.create.half:1")
    ran = stack.herocloud.done("destroy", "-y")
    assert "note: `apply-1` is closed, and what it was making is taken back: `volume.data`" in ran.err
    assert stack.things() == []


@pytest.mark.parametrize("flags", [(), ("--approve", "create,update")], ids=["nothing", "other classes"])
def test_without_the_approval_of_the_removal_nothing_happens(cut: Callable[[str], Cut], flags: tuple[str, ...]) -> None:
    stack = cut("")
    stack.apply("vm.create.half:1")
    before, log = stack.things(), stack.herocloud.done("state", "log", "--json").out
    ran = stack.herocloud("destroy", *flags)
    assert ran.code == 12, ran.both
    assert (stack.things(), stack.herocloud.done("state", "log", "--json").out) == (before, log)
    stack.herocloud.done("resume", "-y")
    assert "No changes." in stack.herocloud.done("plan").out


def _slow_down(stack: Cut, rule: str) -> None:
    """Give the simulator a rule for what the next command does."""
    (stack.herocloud.data_folder / "scenario.yaml").write_text(f"rules: [{rule}]\n", encoding="utf-8")
    with (stack.herocloud.data_folder / "host.yaml").open("a", encoding="utf-8") as file:
        file.write("simulator: {scenario: ./scenario.yaml}\n")


def test_an_interrupt_while_it_is_closed_leaves_it_to_be_taken_back(cut: Callable[[str], Cut], spawn: Any) -> None:
    stack = cut("")
    stack.apply("vm.create.half:1")
    _slow_down(stack, '{address: vm.db, step: "undo vm.create", times: 1, delay: 60 s}')
    process = spawn("destroy", "-y")
    end_by = time.monotonic() + 60
    while "cancelled" not in _states(stack):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end_by, "it was not taken back in time"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "vm.db" in stack.herocloud.done("state", "list").out
    stack.destroy("-y")
    assert stack.things() == []


def _states(stack: Cut) -> set[str]:
    opened = store.open_state(stack.herocloud.data_folder, write=False)
    assert opened is not None
    with opened:
        unfinished = opened.unfinished()
    return set() if unfinished is None else set(unfinished.states.values())


def test_what_cannot_be_taken_back_keeps_what_was_done(cut: Callable[[str], Cut]) -> None:
    stack = cut("")
    stack.apply("vm.create.half:1")
    _slow_down(stack, '{address: vm.db, step: "undo vm.create", times: 1, fail: "the disk is busy"}')
    ran = stack.herocloud("destroy", "-y")
    assert ran.code == 1, ran.both
    assert "An earlier apply could not be closed" in ran.err
    assert "`vm.db/vm.create`: the disk is busy" in ran.err
    assert {"image.debian", "network.lan", "vm.db"} <= {address for address, _, _ in stack.things()}
    assert "apply-1 of stack shop is not finished" in stack.herocloud("resume").out
    stack.destroy("-y")
    assert stack.things() == []


def test_what_was_written_to_a_vm_that_ran_is_kept(cut: Callable[[str], Cut]) -> None:
    """A rollback would destroy it at once; `destroy` keeps data, whatever apply made it."""
    stack = cut("")
    stack.apply("vm.create.half:2")
    stack.destroy("-y")
    shown = stack.herocloud("state", "gc", "--all")
    assert "vm.db" in shown.both
    assert "volume.data" in shown.both


def test_an_apply_of_a_part_of_the_stack_is_finished_before_that_part_is_destroyed(cut: Callable[[str], Cut]) -> None:
    stack = cut("")
    stack.apply("vm.create.half:1")
    stack.destroy("-y", "--target", "vm.lb")
    vms = json.loads(stack.herocloud.done("vm", "list", "--json").out)["vms"]
    assert [(vm["address"], vm["state"]) for vm in vms] == [("vm.db", "running")]


def test_a_stack_of_which_nothing_was_recorded_yet_is_destroyed_by_its_name(herocloud: Any, spawn: Any) -> None:
    herocloud.write(OLD)
    process = spawn("apply", "-y", "-q", env={**os.environ, "HEROCLOUD_FAULTS": "state.commit.after:1:kill"})
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    ran = herocloud.done("destroy", "--stack", "shop", "-y")
    assert "`apply-1` is closed" in ran.err
    assert "No records of this stack" not in ran.both
    refused = herocloud("destroy", "--stack", "ship", "-y")
    assert "No records of this stack" in refused.err
