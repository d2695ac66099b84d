"""`--on-failure rollback` takes back what this apply did, newest first, and ends in exactly the world and the records before."""

import pytest

from herocloud.model.errors import Permanent
from herocloud.model.plans import Plan
from herocloud.model.words import Action, Status
from herocloud.model.worlds import Record


def ten_vms(vm, plan) -> Plan:
    made = [vm(f"v{number}", after=[f"vm.v{number - 5}/vm.boot"] if number >= 5 else (), slices=[f"s{number + 1}"]) for number in range(10)]
    return plan([step for _, steps in made for step in steps], [change for change, _ in made])


@pytest.mark.parametrize("kind", ["disk.create", "vm.create", "vm.boot"])
@pytest.mark.parametrize("number", range(10))
def test_a_failure_at_any_step_ends_in_the_world_before(bench, vm, plan, number, kind) -> None:
    bench.world.fail(f"vm.v{number}/{kind}")
    result = bench.execute(ten_vms(vm, plan), on_failure="rollback")
    assert result.rolled_back
    assert (bench.world.parts, bench.store.records, bench.store.status) == ({}, {}, "rolled back")
    assert result.tally(Status.FAILED) == 1
    assert result.tally(Status.DONE) == 0


def test_steps_are_taken_back_newest_first(bench, vm, plan) -> None:
    change, steps = vm("a")
    bench.world.fail("vm.a/vm.boot")
    bench.execute(plan(steps, [change]), on_failure="rollback")
    assert bench.world.undone() == ["vm.a/vm.create", "vm.a/disk.create"], "the boot never began, and the world says so"
    assert ("probe", "vm.a/vm.boot") in bench.world.calls


def test_every_undo_is_journalled_before_and_after(bench, vm, plan) -> None:
    change, steps = vm("a")
    bench.world.fail("vm.a/vm.boot")
    bench.execute(plan(steps, [change]), on_failure="rollback")
    events = [(entry.step.partition("/")[2], entry.event) for entries in bench.store.commits for entry in entries]
    assert events[-6:] == [
        ("vm.boot", "undoing"),
        ("vm.boot", "undone"),
        ("vm.create", "undoing"),
        ("vm.create", "undone"),
        ("disk.create", "undoing"),
        ("disk.create", "undone"),
    ]


def test_changed_and_deleted_things_come_back_with_their_records(bench, step, change, plan) -> None:
    old = {"disk": {"size": 1}, "machine": {"vcpus": 1}, "power": "running"}
    records = {
        "vm.u": Record("shop", "vm.u", "vm", "fake", {"slices": ["s2"], "note": "as it was"}, old, True, True, "v1", ("image.i",)),
        "vm.d": Record("shop", "vm.d", "vm", "fake", {"slices": ["s3"]}, old, True),
    }
    bench.store.records = dict(records)
    bench.world.parts = {(address, part): value for address in records for part, value in old.items()}
    world = dict(bench.world.parts)
    steps = [
        step("vm.u/vm.resize", before={"vcpus": 1}, after={"vcpus": 2}, part="machine", last=True),
        step("vm.d/vm.stop", before="running", after="stopped"),
        step("vm.d/vm.delete", needs=["vm.d/vm.stop"], before={"vcpus": 1}, after=None),
        step("vm.d/disk.delete", needs=["vm.d/vm.delete"], before={"size": 1}, after=None, last=True),
        step("vm.n/disk.create", needs=["vm.d/disk.delete", "vm.u/vm.resize"], last=True),
    ]
    changes = [
        change("vm.u", Action.UPDATE, after={"slices": ["s2", "s9"]}, parts_before=old),
        change("vm.d", Action.DELETE, parts_before=old),
        change("vm.n", after={"slices": ["s3"]}),
    ]
    bench.world.fail("vm.n/disk.create")
    assert bench.execute(plan(steps, changes), on_failure="rollback").rolled_back
    assert bench.store.records == records
    assert bench.world.parts == world


def test_a_move_is_taken_back(bench, step, change, plan) -> None:
    record = Record("shop", "vm.a", "vm", "fake", {"slices": ["s1"]}, {"power": "running"}, True)
    bench.store.records = {"vm.a": record}
    moved = change("vm.b", Action.MOVE, after={"slices": ["s1"]}, previous_address="vm.a", parts_before={"power": "running"})
    steps = [
        step("vm.b/vm.move", part="mark", before={"address": "vm.a"}, after={"address": "vm.b"}, last=True),
        step("vm.n/disk.create", needs=["vm.b/vm.move"], last=True),
    ]
    bench.world.parts[("vm.b", "mark")] = {"address": "vm.a"}
    whole = plan(steps, [moved, change("vm.n")])
    bench.world.fail("vm.n/disk.create")
    assert bench.execute(whole, on_failure="rollback").rolled_back
    assert bench.store.records == {"vm.a": record}
    assert bench.world.parts == {("vm.b", "mark"): {"address": "vm.a"}}


def test_what_cannot_be_taken_back_is_named_and_the_rest_is_taken_back(bench, step, plan, fault) -> None:
    steps = [step("volume.a/volume.create", last=True), step("volume.b/volume.create", last=True)]
    steps.append(step("volume.c/volume.create", needs=[one.id for one in steps], last=True))
    bench.world.fail("volume.c/volume.create", "disk full")
    bench.world.on("undo volume.a/volume.create", fault(Permanent("in use")))
    result = bench.execute(plan(steps), on_failure="rollback")
    assert not result.rolled_back
    assert bench.store.status == "partial"
    assert set(bench.store.records) == {"volume.a"}
    errors = {outcome.step: outcome.error for outcome in result.outcomes if outcome.status is Status.FAILED}
    assert errors == {"volume.c/volume.create": "disk full", "volume.a/volume.create": "could not be taken back: in use"}


def test_an_interrupted_rollback_is_gone_on_with_by_resume(bench, vm, plan) -> None:
    change, steps = vm("a")
    bench.world.fail("vm.a/vm.boot")
    bench.world.on("undo vm.a/vm.create", lambda _: bench.interrupts.stop())
    result = bench.execute(plan(steps, [change]), on_failure="rollback")
    assert result.interrupted
    assert result.went_back
    bench.interrupts = type(bench.interrupts)()
    assert bench.resume().rolled_back, "without being told again which way to go"
    assert (bench.world.parts, bench.store.records) == ({}, {})


def test_a_step_that_never_answered_is_named_because_it_may_still_come_through(bench, vm, plan) -> None:
    change, steps = vm("a")
    bench.world.on("vm.a/vm.boot", lambda _: bench.world.hung.wait(20) and None)
    result = bench.execute(plan(steps, [change]), on_failure="rollback")
    bench.world.hung.set()
    assert result.rolled_back
    assert "`vm.a/vm.boot` had not answered" in result.notes[0]


def test_what_is_taken_back_is_never_told_as_made(bench, vm, plan) -> None:
    change, steps = vm("a")
    bench.world.fail("vm.a/vm.boot")
    bench.execute(plan(steps, [change]), on_failure="rollback")
    told = [(event.step, event.back, event.data) for event in bench.told("apply_complete")]
    assert told == [
        ("vm.a/disk.create", False, None),
        ("vm.a/vm.create", False, None),
        ("vm.a/vm.boot", True, {"left": 2}),
        ("vm.a/vm.create", True, {"left": 1}),
        ("vm.a/disk.create", True, {"left": 0}),
    ]
    assert [event.back for event in bench.told("apply_start")] == [False] * 3 + [True] * 3
