"""Applying: from stack files or a saved plan to a result.

The plan is made and approved before the lock is asked for: bad input, a host that is too small or a `no` leave no trace, a person who
thinks keeps nobody waiting, and the lock names its plan. Under the lock it is made again only if the state moved meanwhile, and approved
again only if it came out differently. An unfinished apply is finished first, whatever was asked.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from herocloud.model.ids import PlanId
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.operations import checking, hosting, planning, running
from herocloud.operations.planning import Asked, Planned
from herocloud.operations.running import How, Recovered
from herocloud.operations.sources import Sources
from herocloud.state.store import Store

Decide = Callable[[Planned], None]
"""Shows a plan and gets it approved, or raises Blocked; one that cannot be applied is only shown. Called again when another plan has to run
than the one that was approved."""


class Applied(NamedTuple):
    """How it went."""

    plan: Plan | None
    """The plan that ran, or that had nothing to do; nothing when an unfinished apply was interrupted again."""
    result: Result | None = None
    """Nothing when there was nothing to do."""
    recovered: Recovered | None = None


def plan_and_apply(folder: Path, stack: Sources, asked: Asked, how: How, decide: Decide) -> Applied:
    """Plan, get the plan approved, and run it."""
    first = planning.make_plan(folder, stack, asked)
    return run_made(folder, first, lambda: planning.make_plan(folder, stack, asked, make_key=True), how, decide)


def run_made(folder: Path, first: Planned, again: Callable[[], Planned], how: How, decide: Decide, *, recovers: bool = True) -> Applied:
    """Run a plan that was just made; `again` makes it anew when the state moved meanwhile or a key was missing.

    Without `recovers` an unfinished apply is a reason to refuse, and is not finished first.
    """
    decided = None
    if first.recorded.unfinished is None:
        decide(first)
        planning.refuse_unapplyable(first.plan)
        decided = first.plan.id
        if not planning.changes_something(first.plan):
            return Applied(first.plan)
    with running.writing(folder, first.plan.operation, first.plan.id, how) as store:
        if not recovers:
            running.require_ended(store.unfinished())
        recovered = running.recover(folder, store, how)
        if recovered is not None and recovered.result.interrupted:
            return Applied(None, None, recovered)
        planned = first
        # An apply raises the serial when it begins, so a plan made beside a running one can have the serial of the end.
        if recovered is not None or first.recorded.unfinished is not None or store.serial != first.recorded.serial or first.lacks_key:
            planned = again()
        if planned.plan.id != decided:
            decide(planned)
            planning.refuse_unapplyable(planned.plan)
        if not planning.changes_something(planned.plan):
            return Applied(planned.plan, None, recovered)
        return Applied(planned.plan, _run_checked(planned.plan, store, planned.hosting, how, planned.undoes), recovered)


def apply_saved(folder: Path, plan: Plan, how: How) -> Applied:
    """Run a plan that was made earlier; whoever saved it has approved it."""
    from herocloud.apply import checking as applies
    from herocloud.state import store as states

    recorded = states.read_recorded(folder)
    checking.require_own(plan, recorded)
    planning.refuse_unapplyable(plan)
    with running.writing(folder, plan.operation, plan.id, how) as store:
        recovered = running.recover(folder, store, how)
        if recovered is not None and recovered.result.interrupted:
            return Applied(None, None, recovered)
        recorded = store.recorded()
        host = hosting.find_host(folder, recorded)
        before = store.load_plan(plan.id)
        if before:
            observed = checking.look_for([fact.key for fact in plan.facts], plan.stack, host)
            if applies.applied_before(plan, before, recorded, observed):
                return Applied(plan, Result(plan.id, (), 0.0, already=True), recovered)
        if not planning.changes_something(plan):
            return Applied(plan, None, recovered)
        return Applied(plan, _run_checked(plan, store, host, how), recovered)


def _run_checked(plan: Plan, store: Store, host: hosting.Hosting, how: How, undoes: PlanId | None = None) -> Result:
    checking.require_fresh(plan, store.recorded(), host)
    return running.run(plan, store, host, how, undoes)
