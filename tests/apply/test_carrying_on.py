"""After a failure no change begins, and one that has begun is carried to its end: half a replacement is the worst place to be."""

from hypothesis import given
from hypothesis import strategies as st

from herocloud.apply.schedule import Walk
from herocloud.model.words import Action, Status


def _replacement(change, step, name: str, fetch: str):
    """The replacement of a VM that is up: stop, delete, create, boot."""
    address = f"vm.{name}"
    kinds = [
        ("vm.stop", "running", "stopped"),
        ("vm.delete", {"v": 1}, None),
        ("vm.create", None, {"v": 2}),
        ("vm.boot", "stopped", "running"),
    ]
    steps, need = [], fetch
    for kind, before, after in kinds:
        steps.append(step(f"{address}/{kind}", needs=[need] if need else [], before=before, after=after, last=kind == "vm.boot"))
        need = f"{address}/{kind}"
    return change(address, Action.REPLACE, parts_before={"machine": {"v": 1}, "power": "running"}), steps


def _beside(bench, change, step, plan, *, on_failure: str):
    """Replace `lb` while `new` fails once lb is stopped: one step at a time, and `new` comes first among those that are ready."""
    first, steps = _replacement(change, step, "lb", "")
    failing = [step("peer.new/peer.add", needs=["vm.lb/vm.stop"], last=True)]
    later, more = _replacement(change, step, "later", "vm.lb/vm.boot")
    bench.world.fail("peer.new/peer.add", "no route")
    bench.world.parts.update({("vm.lb", "machine"): {"v": 1}, ("vm.lb", "power"): "running"})
    changes = [change("peer.new"), first, later]
    result = bench.execute(plan([*failing, *steps, *more], changes), on_failure=on_failure, parallelism=1)
    return result, [one for one in bench.world.performed() if one.startswith("vm.lb/")]


def test_a_change_that_has_begun_is_carried_to_its_end(bench, change, step, plan) -> None:
    result, performed = _beside(bench, change, step, plan, on_failure="stop")
    assert performed == ["vm.lb/vm.stop", "vm.lb/vm.delete", "vm.lb/vm.create", "vm.lb/vm.boot"]
    assert {outcome.address for outcome in result.outcomes if outcome.status is Status.SKIPPED} == {"vm.later"}
    assert bench.store.records["vm.lb"].complete


def test_with_rollback_nothing_more_is_made_that_has_to_be_taken_back(bench, change, step, plan) -> None:
    _, performed = _beside(bench, change, step, plan, on_failure="rollback")
    assert "vm.lb/vm.boot" not in performed or bench.world.undone()


def test_a_change_that_is_only_prepared_does_not_begin_after_a_failure(bench, change, step, plan) -> None:
    """The machine runs on, and what was made beside it is recorded for the next apply."""
    first, steps = _replacement(change, step, "lb", "volume.late/volume.create")
    ready = step("vm.lb/disk.prepare", after={"path": "lb.new", "size": 1})
    later = [step("peer.new/peer.add", last=True), step("volume.late/volume.create", last=True)]
    bench.world.fail("peer.new/peer.add", "no route")
    bench.world.parts.update({("vm.lb", "machine"): {"v": 1}, ("vm.lb", "power"): "running"})
    changes = [first, change("peer.new"), change("volume.late")]
    result = bench.execute(plan([ready, *steps, *later], changes), on_failure="stop", parallelism=1)
    assert [one for one in bench.world.performed() if one.startswith("vm.lb/")] == ["vm.lb/disk.prepare"]
    left = {outcome.step for outcome in result.outcomes if outcome.status is Status.SKIPPED}
    assert left == {"volume.late/volume.create", *(one.id for one in steps)}
    record = bench.store.records["vm.lb"]
    assert not record.complete
    assert record.parts["disk"]["path"] == "lb.new", "the next apply uses or discards it"


@st.composite
def graphs(draw):
    """Steps of a few changes with needs that point backwards, and which changes have begun."""
    count = draw(st.integers(1, 14))
    steps = [(f"volume.v{draw(st.integers(0, 4))}/volume.create#{number}") for number in range(count)]
    needs = {number: draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set() for number in range(count)}
    begun = draw(st.sets(st.sampled_from([f"volume.v{number}" for number in range(5)])))
    failing = draw(st.integers(0, count - 1))
    return steps, needs, begun, failing


@given(graph=graphs())
def test_no_begun_change_is_left_half_made_when_its_own_steps_could_run(graph) -> None:
    from herocloud.model.steps import Step

    names, needs, begun, failing = graph
    made = [
        Step(name, name.split("/")[0], "volume.create", "fake", "volume", None, {}, tuple(names[need] for need in sorted(needs[number])))
        for number, name in enumerate(names)
    ]
    walk = Walk(made, {step.id: step.needs for step in made}, 1)
    ran: set[str] = set()
    halted = False
    while taken := walk.take():
        (step,) = taken
        if step.id == names[failing]:
            begun = begun | {step.address} | {one.partition("/")[0] for one in ran}
            walk.fail(step)
            walk.halt(begun)
            halted = True
        else:
            ran.add(step.id)
            walk.complete(step)
    behind = {names[failing]}
    for step in made:
        if behind & set(step.needs):
            behind.add(step.id)
    if halted:
        left = {step.id for step in made if step.address in begun} - ran - behind
        assert not left, "a step of a begun change could have run"
