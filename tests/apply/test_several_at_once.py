"""Several processes on one data folder: two applies, plans beside an apply, a holder that is killed, a clock that is set back."""

import functools
import os
from typing import Any

import pytest

from herocloud.model.errors import Locked
from herocloud.state import holders, locking


def apply_under_lock(site: Any, text: str, notes: list[str] | None = None) -> list[str]:
    """What the command line does: lock, finish what is unfinished, plan, execute. Returns what was changed."""
    with locking.hold(site.folder, "apply", None, 30.0, (notes if notes is not None else []).append):
        if site.recorded().unfinished:
            assert not site.resume().failed
        plan = site.plan(text)
        if not plan.changing:
            return []
        assert not site.run(plan).failed
        return [change.address for change in plan.changing]


def finish(crashing: Any, started: Any) -> Any:
    return crashing.require(crashing.collect(started))


def test_of_two_applies_at_once_one_works_and_the_other_finds_nothing_to_do(site, shop, crashing) -> None:
    both = [crashing.start(lambda: apply_under_lock(site, shop)) for _ in range(2)]
    changed = sorted(finish(crashing, one) for one in both)
    assert changed[0] == []
    assert len(changed[1]) == 6
    assert site.changes(shop) == []


def test_two_applies_of_different_stacks_never_share_a_slice(site, shop, crashing) -> None:
    other = shop.replace("stack: shop", "stack: other").replace("10.42.0.0", "10.52.0.0")
    for one in [crashing.start(functools.partial(apply_under_lock, site, text)) for text in (shop, other)]:
        assert len(finish(crashing, one)) == 6
    held = [sid for records in site.recorded().records.values() for record in records.values() for sid in record.spec.get("slices") or ()]
    assert len(held) == len(set(held)) == 6


def test_ten_plans_beside_an_apply_need_no_lock_and_see_whole_records(site, shop, crashing) -> None:
    desired = site.desire(shop)
    applying = crashing.start(lambda: apply_under_lock(site, shop))
    plans = [crashing.start(lambda: plan_only(site, desired)) for _ in range(10)]
    for one in plans:
        codes = finish(crashing, one)
        assert set(codes) <= {"unfinished-apply"}, "a plan made while an apply runs says so, and nothing else is wrong"
    assert len(finish(crashing, applying)) == 6


def plan_only(site: Any, desired: Any) -> list[str]:
    from herocloud.plan import planner
    from herocloud.plan.scope import PlanOptions

    plan = planner.plan(desired, site.recorded(), site.look(), site.host, PlanOptions())
    return [found.code for found in plan.diagnostics]


def test_a_killed_holder_is_taken_over_and_its_apply_finished(site, shop, crashing) -> None:
    killed = crashing.in_child(lambda: apply_under_lock(site, shop), crashing.Blow("apply.perform.after", nth=5))
    assert killed.killed
    assert holders.read(site.folder) is not None, "the record of the dead one is still there"
    notes: list[str] = []
    changed, told = crashing.require(crashing.in_child(lambda: (apply_under_lock(site, shop, notes), notes)))
    assert changed == [], "the resume had done everything"
    assert "took over the lock of `apply`" in told[0]
    assert site.changes(shop) == []


def test_a_living_holder_is_named(site) -> None:
    with locking.hold(site.folder, "apply", "p1", 0.0), pytest.raises(Locked) as raised, locking.hold(site.folder, "apply", "p2", 0.0):
        pass
    (found,) = raised.value.diagnostics
    assert str(os.getpid()) in found.detail
    assert "plan p1" in found.detail


def test_a_clock_that_is_set_back_changes_nothing(bench, vm, plan) -> None:
    """Wall-clock time is for people; order and time-outs hang on nothing that somebody can set."""
    times = iter(range(5000, 0, -100))
    bench.clock.now = lambda: float(next(times))
    change, steps = vm("a")
    result = bench.execute(plan(steps, [change]))
    assert not result.failed
    assert all(entry.seconds >= 0 for entries in bench.store.commits for entry in entries)
    assert all(outcome.ended >= outcome.started >= 0 for outcome in result.outcomes)
