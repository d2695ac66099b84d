"""A plan is run step by step: in order, journalled ahead, recorded."""

from typing import Never

import pytest

from herocloud.apply import coordinator
from herocloud.model.errors import Blocked, Refused
from herocloud.model.words import Status


def test_steps_run_in_the_order_of_their_needs(bench, vm, plan) -> None:
    change, steps = vm("a")
    result = bench.execute(plan(steps[::-1], [change]))
    assert bench.world.performed() == ["vm.a/disk.create", "vm.a/vm.create", "vm.a/vm.boot"]
    assert [outcome.status for outcome in result.outcomes] == [Status.DONE] * 3
    assert bench.store.status == "done"


def test_a_record_holds_every_part_and_is_complete_at_the_end(bench, vm, plan) -> None:
    change, steps = vm("a", slices=["s1"])
    bench.execute(plan(steps, [change]))
    record = bench.store.records["vm.a"]
    assert record.complete
    assert record.spec == {"slices": ["s1"]}
    assert record.parts == {"disk": {"size": 1}, "machine": {"vcpus": 1}, "power": "running"}


def test_no_step_acts_before_its_intent_is_durable(bench, vm, plan) -> None:
    durable = set()

    def look(work) -> None:
        assert work.step.id in durable

    change, steps = vm("a")
    for one in steps:
        bench.world.on(one.id, look)
    write = bench.store.commit

    def commit(apply, entries) -> None:
        write(apply, entries)
        durable.update(entry.step for entry in entries if entry.event == "intent")

    bench.store.commit = commit
    assert not bench.execute(plan(steps, [change])).failed
    assert len(durable) == 3


def test_one_transaction_holds_an_outcome_and_the_intents_that_follow_from_it(bench, vm, plan) -> None:
    change, steps = vm("a")
    bench.execute(plan(steps, [change]))
    assert [[entry.event for entry in entries] for entries in bench.store.commits] == [
        ["intent"],
        ["done", "intent"],
        ["done", "intent"],
        ["done"],
    ]


def test_independent_steps_share_a_transaction(bench, step, plan) -> None:
    steps = [step(f"peer.p{number}/peer.add", last=True) for number in range(5)]
    bench.execute(plan(steps))
    assert [entry.event for entry in bench.store.commits[0]] == ["intent"] * 5


def test_parallelism_bounds_everything(bench, step, plan) -> None:
    steps = [step(f"peer.p{number}/peer.add", last=True) for number in range(30)]
    bench.execute(plan(steps), parallelism=3)
    assert 1 <= bench.world.most_at_once <= 3
    assert len(bench.world.performed()) == 30


def test_a_lane_bounds_its_class_of_steps(bench, step, plan) -> None:
    steps = [step(f"image.i{number}/image.fetch", last=True) for number in range(12)]
    bench.execute(plan(steps))
    assert bench.world.most_at_once <= 2


def test_begun_changes_are_finished_before_new_ones_begin(bench, vm, plan) -> None:
    made = [vm(f"v{number}") for number in range(20)]
    bench.execute(plan([step for _, steps in made for step in steps], [change for change, _ in made]), parallelism=1)
    assert bench.world.performed()[:3] == ["vm.v0/disk.create", "vm.v0/vm.create", "vm.v0/vm.boot"]


def test_events_come_only_after_their_outcome_is_durable(bench, vm, plan) -> None:
    change, steps = vm("a")

    def tell(event) -> None:
        if event.type == "apply_complete":
            assert bench.store.states[event.step] == "done"
        bench.events.append(event)

    bench.tell = tell
    bench.execute(plan(steps, [change]))
    assert len(bench.told("apply_complete")) == 3
    assert bench.events[-1].type == "summary"
    assert bench.events[-1].data["done"] == 3


def test_a_listener_that_breaks_does_not_hurt(bench, vm, plan) -> None:
    def tell(event) -> Never:
        raise BrokenPipeError

    bench.tell = tell
    change, steps = vm("a")
    bench.execute(plan(steps, [change]))
    assert bench.store.status == "done"


def test_a_provider_gets_the_target_the_stack_and_the_plan(bench, vm, plan) -> None:
    change, steps = vm("a", slices=["s1"])
    bench.execute(plan(steps, [change])._replace(purge=True))
    work = bench.world.works["vm.a/disk.create"]
    assert (work.stack, work.spec, work.lineage, work.plan, work.purge) == ("shop", {"slices": ["s1"]}, "l1", "p1", True)


def test_drivers_are_opened_before_anything_begins(bench, vm, plan) -> None:
    def drivers(provider, role) -> Never:
        raise Refused([])

    bench.drivers = drivers
    change, steps = vm("a")
    with pytest.raises(Refused):
        bench.execute(plan(steps, [change]))
    assert bench.store.applies == []


def test_a_blocked_plan_changes_nothing(bench, vm, plan) -> None:
    change, steps = vm("a")
    with pytest.raises(Blocked, match=r"vm\.a"):
        bench.execute(plan(steps, [change._replace(protected=True)]))
    assert bench.store.applies == []


def test_a_plan_of_another_state_changes_nothing(bench, vm, plan) -> None:
    change, steps = vm("a")
    with pytest.raises(Refused, match="another state"):
        bench.execute(plan(steps, [change], lineage="other"))


def test_nothing_runs_over_an_unfinished_apply(bench, vm, plan) -> None:
    change, steps = vm("a")
    bench.store.begin(plan([], id="p0"), 0.0)
    with pytest.raises(Refused, match="p0"):
        bench.execute(plan(steps, [change]))


def test_long_silence_is_broken_by_a_heartbeat(bench, step, plan) -> None:
    bench.world.on("vm.a/disk.create", lambda _: bench.world.hung.wait(5))

    def tell(event) -> None:
        bench.events.append(event)
        if event.type == "apply_progress":
            bench.world.hung.set()

    bench.tell = tell
    bench.execute(plan([step("vm.a/disk.create", last=True)]))
    assert bench.told("apply_progress")[0].seconds >= coordinator.HEARTBEAT
