"""Applies from their first word to their last, and what is learned from them."""

from typing import Any

import pytest

from herocloud.model import steps
from herocloud.model.ids import PlanId, StepId
from herocloud.state.store import Entry


def entry(step: str, event: str, **more: Any) -> Entry:
    return Entry(StepId(step), event, 1.0, **more)


def test_an_apply_that_began_is_unfinished_with_its_whole_plan(store, make) -> None:
    plan = make.plan(steps=700, outputs={"front": "10.42.0.2"})
    apply = store.begin(plan, 5.0)
    found = store.unfinished()
    assert (found.apply, found.plan, found.states) == (apply, plan, {})
    (pending,) = store.recorded().unfinished
    assert (pending.id, pending.plan, pending.stack, pending.status, pending.alive) == ("apply-1", "p1", "shop", "running", False)


def test_the_state_of_a_step_is_its_last_event(store, make) -> None:
    apply = store.begin(make.plan(), 1.0)
    store.commit(apply, [entry("a", "intent"), entry("b", "intent"), entry("c", "skipped", detail="a failed")])
    store.commit(apply, [entry("a", "failed", detail="no space"), entry("b", "done"), entry("b", "undoing"), entry("b", "undone")])
    assert store.unfinished().states == {"a": "failed", "b": "undone", "c": "skipped"}


@pytest.mark.parametrize("status", ["done", "partial", "rolled back"])
def test_an_apply_that_ended_is_not_unfinished(store, make, status) -> None:
    store.finish(store.begin(make.plan(), 1.0), status, 2.0)
    assert store.unfinished() is None
    assert store.recorded().unfinished == ()
    assert [(one.status, one.started, one.ended, one.serial) for one in store.applies()] == [(status, 1.0, 2.0, 1)]


def test_an_interrupted_apply_stays_unfinished(store, make) -> None:
    apply = store.begin(make.plan(), 1.0)
    store.finish(apply, "interrupted", 2.0)
    assert store.unfinished().apply == apply
    store.finish(apply, "done", 3.0)
    assert store.unfinished() is None


def test_the_older_of_two_unfinished_applies_is_not_forgotten(store, make) -> None:
    first, second = store.begin(make.plan("p1"), 1.0), store.begin(make.plan("p2"), 2.0)
    assert store.unfinished().apply == second
    store.finish(second, "done", 3.0)
    assert store.unfinished().apply == first


def test_an_apply_cannot_end_in_a_way_that_nobody_knows(store, make) -> None:
    with pytest.raises(ValueError, match="exploded"):
        store.finish(store.begin(make.plan(), 1.0), "exploded", 2.0)


def test_every_apply_of_a_plan_is_found_newest_first(store, make) -> None:
    plan = make.plan()
    for number in range(2):
        apply = store.begin(plan, float(number))
        store.commit(apply, [entry("a", ["failed", "done"][number])])
        store.finish(apply, ["partial", "done"][number], 9.0)
    store.begin(make.plan("other"), 5.0)
    found = store.load_plan(PlanId("p1"))
    assert [(one.plan, one.status, one.states, one.serial) for one in found] == [
        (plan, "done", {"a": "done"}, 2),
        (plan, "partial", {"a": "failed"}, 1),
    ]
    assert store.load_plan(PlanId("never")) == []


def test_an_undo_that_is_done_turns_what_it_undid_into_rolled_back(store, make) -> None:
    first = store.begin(make.plan("p1"), 1.0)
    store.finish(first, "interrupted", 2.0)
    undo = store.begin(make.plan("u1", operation="undo"), 3.0, rollback_of=PlanId("p1"))
    assert [one.status for one in store.applies()] == ["running", "interrupted"]
    store.finish(undo, "done", 4.0)
    assert [(one.plan, one.status, one.rollback_of) for one in store.applies()] == [("u1", "done", "p1"), ("p1", "rolled back", None)]
    assert store.unfinished() is None


def test_an_undo_that_failed_leaves_what_it_undid_as_it_was(store, make) -> None:
    store.finish(store.begin(make.plan("p1"), 1.0), "done", 2.0)
    store.finish(store.begin(make.plan("u1"), 3.0, rollback_of=PlanId("p1")), "partial", 4.0)
    assert [one.status for one in store.applies()] == ["partial", "done"]


def test_outputs_are_those_of_the_last_apply_that_was_done_to_its_end(store, make) -> None:
    store.finish(store.begin(make.plan("p1", outputs={"front": "10.0.0.1", "ports": [80, 443]}), 1.0), "done", 2.0)
    store.finish(store.begin(make.plan("p2", outputs={"front": "10.0.0.9"}), 3.0), "partial", 4.0)
    store.finish(store.begin(make.plan("p3", outputs={}, complete=False), 5.0), "done", 6.0)
    assert store.recorded().outputs == {"shop": {"front": "10.0.0.1", "ports": [80, 443]}}
    store.finish(store.begin(make.plan("p4", operation="destroy"), 7.0), "done", 8.0)
    assert store.recorded().outputs == {}


def test_durations_are_medians_of_the_last_fifty_of_each_kind(store, make) -> None:
    apply = store.begin(make.plan(), 1.0)
    old = [entry(f"vm.a[{number}]/vm.boot", "done", seconds=100.0) for number in range(60)]
    new = [entry(f"vm.a[{number}]/vm.boot", "done", seconds=float(number)) for number in range(1, 51)]
    store.commit(apply, old + new)
    store.commit(apply, [entry("peer.tcp://192.0.2.1:9651/peer.add", "done", seconds=0.5), entry("vm.a/tap.create#2", "done", seconds=2.0)])
    providers = {one.step: "one" for one in old + new}
    providers |= {"peer.tcp://192.0.2.1:9651/peer.add": "two", "vm.a/tap.create#2": "one"}
    store.finish(apply, "done", 2.0, providers=providers)
    assert store.durations() == {("vm.boot", "one"): 25.5, ("peer.add", "two"): 0.5, ("tap.create", "one"): 2.0}


def test_nothing_is_learned_from_steps_that_failed_or_took_no_time_or_are_of_no_kind(store, make) -> None:
    apply = store.begin(make.plan(), 1.0)
    store.commit(
        apply, [entry("vm.a/vm.boot", "failed", seconds=9.0), entry("vm.a/vm.stop", "done"), entry("vm.a/vm.fly", "done", seconds=1.0)]
    )
    store.finish(apply, "partial", 2.0, providers=dict.fromkeys(["vm.a/vm.boot", "vm.a/vm.stop", "vm.a/vm.fly"], "one"))
    assert store.durations() == {}
    assert "vm.fly" not in steps.KINDS
