"""Applying, going on and rehearsing: from stack files or a plan to a result.

Applying: from stack files or a saved plan to a result. The plan is made and approved before the lock is asked for: bad input, a host that
is too small or a `no` leave no trace, a person who thinks keeps nobody waiting, and the lock names its plan. Under the lock it is made
again only if the state moved meanwhile, and approved again only if it came out differently. An unfinished apply is finished first,
whatever was asked.

Finishing or taking back an apply that did not end.

Rehearsing a plan on a copy of state and world, and proving that nothing is left to do after it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import PlanId
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.worlds import Observed, Recorded
from herocloud.operations import inputs, leftovers, lookups, running, stack_plans
from herocloud.operations.inputs import Hosting, Sources
from herocloud.operations.running import How, Recovered
from herocloud.operations.stack_plans import Asked, Planned
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
    first = stack_plans.make_plan(folder, stack, asked)
    return run_made(folder, first, lambda: stack_plans.make_plan(folder, stack, asked, make_key=True), how, decide)


def run_made(folder: Path, first: Planned, again: Callable[[], Planned], how: How, decide: Decide, *, recovers: bool = True) -> Applied:
    """Run a plan that was just made; `again` makes it anew when the state moved meanwhile or a key was missing.

    Without `recovers` an unfinished apply is a reason to refuse, and is not finished first.
    """
    decided = None
    if first.recorded.unfinished is None:
        decide(first)
        stack_plans.refuse_unapplyable(first.plan)
        decided = first.plan.id
        if not stack_plans.changes_something(first.plan):
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
            stack_plans.refuse_unapplyable(planned.plan)
        if not stack_plans.changes_something(planned.plan):
            return Applied(planned.plan, None, recovered)
        return Applied(planned.plan, _run_checked(planned.plan, store, planned.hosting, how, planned.undoes), recovered)


def apply_saved(folder: Path, plan: Plan, how: How) -> Applied:
    """Run a plan that was made earlier; whoever saved it has approved it."""
    from herocloud.apply import staleness as applies
    from herocloud.state import store as states

    recorded = states.read_recorded(folder)
    running.require_own(plan, recorded)
    stack_plans.refuse_unapplyable(plan)
    with running.writing(folder, plan.operation, plan.id, how) as store:
        recovered = running.recover(folder, store, how)
        if recovered is not None and recovered.result.interrupted:
            return Applied(None, None, recovered)
        recorded = store.recorded()
        host = inputs.find_host(folder, recorded)
        before = store.load_plan(plan.id)
        if before:
            observed = running.look_for([fact.key for fact in plan.facts], plan.stack, host)
            if applies.applied_before(plan, before, recorded, observed):
                return Applied(plan, Result(plan.id, (), 0.0, already=True), recovered)
        if not stack_plans.changes_something(plan):
            return Applied(plan, None, recovered)
        return Applied(plan, _run_checked(plan, store, host, how), recovered)


def _run_checked(plan: Plan, store: Store, host: inputs.Hosting, how: How, undoes: PlanId | None = None) -> Result:
    running.require_fresh(plan, store.recorded(), host)
    result = running.run(plan, store, host, how, undoes)
    if not result.interrupted:
        leftovers.forget_expired(host, how)
    return result


def resume(folder: Path, how: How, *, rollback: bool = False) -> Recovered | None:
    """Go on with the unfinished apply; nothing when there is none, and then nothing is written either."""
    from herocloud.state import store

    if store.read_recorded(folder).unfinished is None:
        if rollback:
            raise Refused([_NOTHING])
        return None
    with running.writing(folder, "resume", None, how) as opened:
        return running.recover(folder, opened, how, rollback=rollback)


_NOTHING = Diagnostic(
    "nothing-unfinished",
    "There is nothing to take back",
    "The last apply came to its end.",
    hint="`herocloud undo` takes back a finished apply",
)


class Rehearsed(NamedTuple):
    """How the rehearsal went."""

    plan: Plan
    result: Result
    left: tuple[str, ...]
    """What would still be to do; nothing when the plan does all that it says."""


class _After(NamedTuple):
    result: Result
    recorded: Recorded
    observed: Observed


def rehearse(planned: Planned, asked: Asked, how: How) -> Rehearsed:
    """Run a plan that was just made on a copy, and plan the same stack from what is there then."""
    from herocloud.plan import planner

    _require_ended(planned.recorded)
    stack_plans.refuse_unapplyable(planned.plan)
    after = _run(planned.plan, planned.recorded, planned.hosting, how)
    # What `--replace` asks for was made anew; asking again would never come to an end.
    options = asked.options._replace(replace=())
    again = planner.plan(planned.desired, after.recorded, after.observed, planned.hosting.host, options)
    return Rehearsed(planned.plan, after.result, tuple(change.address for change in again.changing))


def rehearse_saved(folder: Path, plan: Plan, how: How) -> Rehearsed:
    """Run a saved plan on a copy, and compare what is there then with what it says."""
    recorded = lookups.read_recorded(folder)
    _require_ended(recorded)
    running.require_own(plan, recorded)
    stack_plans.refuse_unapplyable(plan)
    host = inputs.find_host(folder, recorded)
    running.require_fresh(plan, recorded, host)
    after = _run(plan, recorded, host, how)
    return Rehearsed(plan, after.result, tuple(running.not_in_place(plan, after.recorded, after.observed)))


def _run(plan: Plan, recorded: Recorded, host: Hosting, how: How) -> _After:
    from herocloud.apply import rehearsal

    with how.watch(plan, ()) as tell:
        return _After(*rehearsal.rehearse(plan, recorded, stack_plans.look(host, None), host.host, options=how.options, tell=tell))


def _require_ended(recorded: Recorded) -> None:
    if recorded.unfinished is not None:
        detail = f"The apply of plan `{recorded.unfinished}` did not end, and what it left half-made cannot be rehearsed on."
        raise Refused([Diagnostic("unfinished-apply", "An earlier apply is not finished", detail, hint="`herocloud resume` finishes it")])
