"""Killed at every point at which it writes, the state holds what was acknowledged, and each step whole or not at all."""

import pytest

from herocloud.kits import faults
from herocloud.state import creation, failures, high_water, locking, state_files
from herocloud.state import store as states

WORK = """
import sys
from pathlib import Path
from herocloud.kits import faults
from herocloud.model.ids import StepId
from herocloud.model.plans import Capacity, Level, Plan
from herocloud.model.worlds import Record
from herocloud.state import creation, locking, store as states
from herocloud.state.store import Entry

folder = Path(sys.argv[1])
level = Level(0, 0, 0, None)
plan = Plan("p1", "shop", "apply", None, "h", (), (), Capacity(*[level] * 7), (), (), outputs={"a": 1})


def record(name, *slices):
    return Record("shop", f"vm.{name}", "vm", "simulator", {"slices": slices}, {}, True)


def did(what):
    print(what, flush=True)


with locking.hold(folder, "apply", "p1", 0):
    with states.open_state(folder, write=True) as store:
        did("opened")
        apply = store.begin(plan, 1.0)
        did("began")
        first = Entry("vm.a/vm.create", "done", 1.0, record=record("a", "s1"))
        store.commit(apply, [first, Entry("x", "done", 1.0, record=record("b", "s2"))])
        did("committed")
        store.finish(apply, "done", 2.0)
        did("finished")
        store.edit("state rm", "shop", [Entry("by hand", "done", 0.0, remove=("shop", "vm.a"))], at=3.0)
        did("edited")
    creation.load_key(folder, create=True)
    did("keyed")
did("released")
"""

# How many points the work passes, with those of `files`; the last test holds this number.
PASSED = 50


def look(folder) -> set[str]:
    """Return what the state says has happened."""
    found = {"opened"} if states.open_state(folder, write=False) else set()
    if not found:
        return found
    with states.open_state(folder, write=True) as store:
        recorded = store.recorded()
        held = recorded.records.get("shop", {})
        slices = {record.address: list(record.spec["slices"]) for record in held.values()}
        by_owner: dict[str, list[str]] = {}
        for sid, (_, address) in store.assignments().items():
            by_owner.setdefault(address, []).append(sid)
        assert slices == by_owner, "records and slices disagree"
        assert store._connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert store._connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert len(store.history()) == store.serial
        if store.applies():
            found.add("began")
            assert store.load_plan("p1")[0].plan.outputs == {"a": 1}
        if store.applies() and store.load_plan("p1")[0].states:
            found.add("committed")
            assert store.load_plan("p1")[0].states == {"vm.a/vm.create": "done", "x": "done"}
            assert "vm.b" in held
        if store.applies() and store.unfinished() is None:
            found.add("finished")
            assert recorded.outputs == {"shop": {"a": 1}}
        if store.serial == 2:
            found.add("edited")
            assert "vm.a" not in held
        elif "committed" in found:
            assert "vm.a" in held
    if creation.load_key(folder, create=False):
        found.add("keyed")
    return found


@pytest.mark.parametrize("nth", range(1, PASSED + 1))
def test_a_kill_loses_nothing_that_was_acknowledged(nth, folder, run_python) -> None:
    ran = run_python(WORK, folder, rules=f"*:{nth}:kill")
    said = [word for word in ran.stdout.split() if word != "released"]
    assert ran.returncode == -9, ran.stderr
    notes: list[str] = []
    with locking.hold(folder, "resume", None, 0, notes.append):
        found = look(folder)
        assert found >= set(said)
        assert len(found) <= len(said) + 1, "more than the one step in flight happened"
        creation.load_key(folder, create=True)
        with states.open_state(folder, write=True):
            pass
    # The mark of the highest serial is there once one was written.
    left = {path.name for path in folder.iterdir()} - {high_water.FILE}
    assert left == {state_files.DATABASE, state_files.LOG, state_files.LOG_INDEX, state_files.MARKER, state_files.HOLDER, state_files.KEY}


def test_every_point_that_is_named_is_passed_and_no_other(folder, monkeypatch) -> None:
    passed: list[str] = []
    monkeypatch.setattr(faults, "reached", passed.append)
    monkeypatch.setattr("sys.argv", ["work", str(folder)])
    exec(compile(WORK, "work", "exec"), {})  # noqa: S102  (the same script in this process)
    assert {point for point in passed if point.startswith("state.")} == set(failures.FAULT_POINTS)
    assert len(passed) == PASSED
