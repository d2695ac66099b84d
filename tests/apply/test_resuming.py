"""After any crash the world is asked, and the old plan is completed: nothing twice, nothing lost."""

import pytest

from herocloud.model.errors import Refused, Temporary
from herocloud.model.plans import Fact, Plan
from herocloud.model.words import Action, Status
from herocloud.state.store import Entry


class PowerCut(BaseException):
    """No `Exception`: nothing may catch it on the way."""


@pytest.fixture
def mixture(step, change, vm, plan) -> Plan:
    """Two creations, one of them waiting, an update, a deletion, and a replacement that hands a slice on."""
    made = [vm("a", slices=["s1"]), vm("b", after=["vm.a/vm.boot"], slices=["s5"])]
    changes = [one for one, _ in made]
    steps = [one for _, steps in made for one in steps]
    steps += [
        step("vm.u/vm.stop", before="running", after="stopped"),
        step("vm.u/vm.configure", needs=["vm.u/vm.stop"], before={"vcpus": 1}, after={"vcpus": 2}, part="machine"),
        step("vm.u/vm.boot", needs=["vm.u/vm.configure"], before="stopped", after="running", last=True),
        step("vm.d/vm.stop", before="running", after="stopped"),
        step("vm.d/vm.delete", needs=["vm.d/vm.stop"], before={"vcpus": 1}, after=None),
        step("vm.d/disk.delete", needs=["vm.d/vm.delete"], before={"size": 1}, after=None, last=True),
        # As the planner does it: nothing of a VM begins before the slices that it takes are free in the records.
        step("vm.r/disk.delete", needs=["vm.d/disk.delete"], before={"size": 1}, after=None),
        step("vm.r/disk.create", needs=["vm.r/disk.delete"], after={"size": 9}, last=True),
    ]
    old = {"disk": {"size": 1}, "machine": {"vcpus": 1}, "power": "running"}
    changes += [
        change("vm.u", Action.UPDATE, before={"slices": ["s2"]}, after={"slices": ["s2", "s6"]}, parts_before=old),
        change("vm.d", Action.DELETE, before={"slices": ["s3"]}, parts_before=old),
        change("vm.r", Action.REPLACE, before={"slices": ["s4"]}, after={"slices": ["s3"]}, parts_before={"disk": {"size": 1}}),
    ]
    return plan(steps, changes)


def furnish(bench, plan) -> None:
    """Put the world and the records there that the plan starts from."""
    from herocloud.model.worlds import Record

    for one in plan.changes:
        if one.before is not None:
            bench.store.records[one.address] = Record("shop", one.address, "vm", "fake", one.before, dict(one.parts_before), True)
            for part, value in one.parts_before.items():
                bench.world.parts[(one.address, part)] = value


def run_to_the_end(bench, plan) -> tuple[object, object]:
    furnish(bench, plan)
    assert not bench.execute(plan).failed
    return bench.store.records, bench.world.parts


@pytest.mark.parametrize("nth", range(1, 15))
@pytest.mark.parametrize("rollback", [False, True])
def test_a_crash_at_any_transaction_is_resumed_or_taken_back(bench, mixture, nth, rollback) -> None:
    reference = type(bench)()
    after = run_to_the_end(reference, mixture)
    furnish(bench, mixture)
    before = dict(bench.store.records), dict(bench.world.parts)

    def cut(_entries) -> None:
        if len(bench.store.commits) == nth - 1:
            raise PowerCut

    bench.store.before_commit.append(cut)
    try:
        bench.execute(mixture, parallelism=2, grace=1)
    except PowerCut:
        bench.store.before_commit.clear()
        result = bench.resume(rollback=rollback)
        assert result.rolled_back == rollback
        assert (bench.store.records, bench.world.parts) == (before if rollback else after)
        assert bench.store.status == ("rolled back" if rollback else "done")
    else:
        assert nth > 8, "the crash must strike in the runs with early transactions"


def start_and_crash(bench, whole, nth) -> None:
    def cut(_entries) -> None:
        if len(bench.store.commits) == nth:
            raise PowerCut

    bench.store.before_commit.append(cut)
    with pytest.raises(PowerCut):
        bench.execute(whole)
    bench.store.before_commit.clear()
    bench.world.calls.clear()


def test_a_step_that_the_world_shows_as_done_is_not_performed_again(bench, vm, plan) -> None:
    change, steps = vm("a")
    start_and_crash(bench, plan(steps, [change]), 1)
    bench.resume()
    assert bench.world.calls[0] == ("probe", "vm.a/disk.create")
    assert bench.world.performed() == ["vm.a/vm.create", "vm.a/vm.boot"]


def test_a_step_that_was_not_started_or_is_half_done_is_performed(bench, vm, plan) -> None:
    change, steps = vm("a")
    start_and_crash(bench, plan(steps, [change]), 1)
    bench.world.parts.clear()
    bench.world.halves.add("vm.a/disk.create")
    bench.resume()
    assert bench.world.performed() == ["vm.a/disk.create", "vm.a/vm.create", "vm.a/vm.boot"]


def test_what_is_neither_is_named_and_not_touched(bench, vm, plan) -> None:
    change, steps = vm("a")
    start_and_crash(bench, plan(steps, [change]), 1)
    bench.world.foreign["vm.a/disk.create"] = "a disk of 7 GiB"
    result = bench.resume()
    assert "a disk of 7 GiB" in result.outcomes[0].error
    assert [outcome.status for outcome in result.outcomes] == [Status.FAILED, Status.SKIPPED, Status.SKIPPED]
    assert bench.world.performed() == bench.world.undone() == []


def test_steps_that_failed_before_an_interrupt_are_probed_and_tried_again(bench, step, plan, fault) -> None:
    bench.world.fail("volume.a/volume.create")
    bench.world.on("volume.b/volume.create", lambda _: bench.interrupts.stop(), fault(Temporary("gave up")))
    steps = [
        step("volume.a/volume.create", last=True),
        step("volume.b/volume.create", last=True),
        step("volume.c/volume.create", last=True),
    ]
    assert bench.execute(plan(steps), on_failure="continue", parallelism=1).interrupted
    bench.interrupts = type(bench.interrupts)()
    result = bench.resume()
    assert not result.failed
    assert ("probe", "volume.a/volume.create") in bench.world.calls
    assert set(bench.store.records) == {"volume.a", "volume.b", "volume.c"}


def test_a_resume_can_itself_be_interrupted_and_resumed(bench, vm, plan) -> None:
    change, steps = vm("a")
    start_and_crash(bench, plan(steps, [change]), 1)
    bench.world.on("vm.a/vm.create", lambda _: bench.interrupts.stop())
    assert bench.resume().interrupted
    bench.interrupts = type(bench.interrupts)()
    assert bench.resume().tally(Status.DONE) == 1
    assert bench.store.records["vm.a"].complete


def test_a_crash_just_before_the_end_only_needs_the_books_closed(bench, vm, plan) -> None:
    change, steps = vm("a")
    bench.execute(plan(steps, [change]))
    bench.store.applies[-1]["status"] = "running"
    bench.world.calls.clear()
    bench.resume()
    assert (bench.world.calls, bench.store.status) == ([], "done")


def test_steps_of_changes_never_begun_are_stale_when_their_facts_changed(bench, vm, plan) -> None:
    made = [vm("a"), vm("b", after=["vm.a/vm.boot"])]
    keys = {"vm.a": ("observed:shop/vm.a",), "vm.b": ("observed:shop/vm.b",)}
    steps = [one._replace(facts=keys[one.address]) for _, steps in made for one in steps]
    facts = tuple(Fact(key, "nothing", "nothing is there") for (key,) in keys.values())
    start_and_crash(bench, plan(steps, [one for one, _ in made], facts=facts), 1)
    asked = []

    def look(wanted) -> dict[str, Fact]:
        asked.extend(wanted)
        return {key: Fact(key, "x", "a disk is there") for key in wanted}

    result = bench.resume(facts=look)
    assert asked == ["observed:shop/vm.b"], "vm.a has been changed by the apply itself"
    failed = [outcome for outcome in result.outcomes if outcome.status is Status.FAILED]
    assert [outcome.step for outcome in failed] == ["vm.b/disk.create"]
    assert "`observed:shop/vm.b` was nothing is there, now a disk is there" in failed[0].error
    assert bench.store.records["vm.a"].complete


@pytest.mark.parametrize("stale", [False, True])
def test_every_open_question_is_answered_even_when_something_fails(bench, step, plan, stale) -> None:
    """A resume that stopped at the first failure would end the apply with steps of which nobody knows how far they got."""
    key = "observed:shop/volume.x"
    begun = [step(f"volume.v{number}/volume.create", last=True) for number in range(9)]
    fresh = step("volume.x/volume.create", facts=(key,), last=True)
    whole = plan([fresh, *begun], facts=(Fact(key, "nothing", "nothing is there"),))
    bench.store.begin(whole, 0.0)
    bench.store.commit(1, [Entry(one.id, "intent", 0.0) for one in begun])
    for one in begun[1:]:
        bench.world.parts[(one.address, "volume")] = "made"
    if not stale:
        bench.world.fail("volume.v0/volume.create")
    result = bench.resume(parallelism=1, facts=lambda wanted: {one: Fact(one, "x", "a volume is there") for one in wanted} if stale else {})
    assert result.failed
    assert {one for one, state in bench.store.states.items() if state == "done"} >= {one.id for one in begun[1:]}
    assert bench.store.states[fresh.id] == ("failed" if stale else "skipped")


def test_there_may_be_nothing_to_resume(bench) -> None:
    with pytest.raises(Refused, match="nothing to resume"):
        bench.resume()
