"""Applying, going on and taking back: from stack files or a plan to a result.

The plan is made and approved before any lock is asked for: bad input, a host that is too small or a `no` leave no trace, a person who
thinks keeps nobody waiting, and locks name their plan. Under the lock of the stack it is made again only if state or world moved
meanwhile, and approved again only if it came out differently, by a person without the lock.

What an earlier apply of the stack left undone is finished first, once somebody has approved exactly that; where all of the stack is
removed, it is closed instead, because what it made goes with the rest. An apply of another stack is left alone. `undo` is the inverse
of a finished apply, shown, approved and run like any plan.
"""

from collections.abc import Callable
from pathlib import Path

from herocloud.model.applies import Scope, apply_id
from herocloud.model.errors import Stale
from herocloud.model.ids import Address, StackName
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.worlds import Recorded
from herocloud.operations import admission, approval, attempts, execution, inputs, resumption, reversal, stack_plans, unfinished
from herocloud.operations.attempts import Applied, Recovered
from herocloud.operations.callers import Approver, Handed, How
from herocloud.operations.inputs import Hosting, Sources
from herocloud.operations.resumption import last_failed, resume
from herocloud.operations.stack_plans import Asked, Planned
from herocloud.plan import reservations
from herocloud.state.store import Store

__all__ = ["Applied", "Recovered", "apply_saved", "last_failed", "plan_and_apply", "resume", "run_handed", "run_made", "undo"]


def plan_and_apply(folder: Path, stack: Sources, asked: Asked, how: How, approver: Approver) -> Applied:
    """Plan, get the plan approved, and run it."""
    first = stack_plans.make_plan(folder, stack, asked)
    return run_made(folder, first, lambda: stack_plans.make_plan(folder, stack, asked, make_key=True), how, approver)


def run_made(
    folder: Path,
    first: Planned,
    again: Callable[[], Planned],
    how: How,
    approver: Approver,
    *,
    address: Address | None = None,
    recovers: bool = True,
) -> Applied:
    """Run a plan that was just made; `again` makes it once more when the state moved meanwhile or a key was missing.

    `address` says that it is about this one VM. Such a plan, and one that does not recover, refuses while an apply is unfinished that works
    on the same things; any other has that apply finished first, once what is left of it is approved. A plan that removes all of the stack
    does not: what the apply has made goes with the rest, and nothing more of it is made.
    """
    scope = Scope(first.plan.stack, address)
    recovered = None
    blocking = unfinished.in_the_way(folder, first.recorded.unfinished, scope)
    if blocking:
        if address is not None or not recovers:
            raise unfinished.refuse(blocking)
        for pending in blocking if not attempts.removes_everything(first.plan) else ():
            recovered = resumption.go_on(folder, pending, how, approver, rollback=False)
            if recovered is not None and recovered.result.interrupted:
                return Applied(None, None, recovered)
        first = again() if not attempts.removes_everything(first.plan) else first
    attempt = attempts.Attempt(folder, scope, first, again, how, approver)
    attempt.may_give_up = address is None and recovers
    gives_up = bool(blocking) and attempts.removes_everything(first.plan)
    if not any(pending.alive and pending.scope.covers(scope) for pending in first.recorded.unfinished):
        if not attempt.decide(first) and not gives_up:
            return Applied(first.plan, None, recovered)
    else:
        # What it leaves behind is not known yet, so there is nothing to decide about before the lock is free.
        attempt.must_plan_again = True
    if how.carrier is not None and not attempt.must_plan_again and not first.lacks_key and not gives_up:
        carried = attempt.hand_over(how.carrier)
        if carried is not None:
            return carried._replace(recovered=recovered)
    applied = attempt.run()
    return applied if recovered is None else applied._replace(recovered=recovered)


def undo(folder: Path, which: str | None, how: How, approver: Approver, *, stack: StackName | None = None) -> Applied:
    """Take back an apply: the one of this serial or name, the newest of this plan, or the newest of this stack (of all)."""
    first = reversal.plan_undo(folder, which, stack=stack)
    return run_made(folder, first, lambda: reversal.plan_undo(folder, first.undone), how, approver)


def apply_saved(folder: Path, plan: Plan, how: How) -> Applied:
    """Run a plan that was made earlier; saving it approved it."""
    from herocloud.state import store as states

    admission.require_own(plan, states.read_recorded(folder))
    stack_plans.refuse_unapplyable(plan)
    if how.carrier is not None:
        approved = frozenset(approval.missing(plan, ()))
        carried = how.carrier.carry(Handed(plan, approved, saved=True), how)
        if carried is not None:
            return Applied(plan, carried.result, None, carried.apply)

    def attempt() -> Applied:
        recorded = store.recorded()
        admission.require_ended(recorded.unfinished, plan.stack)
        host = inputs.find_host(folder, recorded, how.environment)
        if _was_applied(plan, store, recorded, host):
            return Applied(plan, Result(plan.id, (), 0.0, already=True))
        if not stack_plans.changes_something(plan):
            return Applied(plan)
        approved = frozenset(approval.missing(plan, ()))
        return _run_as_planned(Handed(plan, approved), store, recorded, host, how)

    with admission.working(folder, Scope(plan.stack), how.caller.command or plan.operation, plan.id, how) as store:
        return attempts.until_admitted(attempt)


def run_handed(folder: Path, handed: Handed, how: How) -> Applied:
    """Run a plan that another process made and got approved; raises Stale when it has to be made again."""
    from herocloud.state import store as states

    plan, scope = handed.plan, Scope(handed.plan.stack, handed.address)
    if handed.saved:
        return apply_saved(folder, plan, how)
    admission.require_own(plan, states.read_recorded(folder))
    stack_plans.refuse_unapplyable(plan)

    def attempt() -> Applied:
        recorded = store.recorded()
        blocking = unfinished.in_the_way(folder, recorded.unfinished, scope)
        if blocking:
            raise unfinished.refuse(blocking)
        return _run_as_planned(handed, store, recorded, inputs.find_host(folder, recorded, how.environment), how)

    with admission.working(folder, scope, how.caller.command or plan.operation, plan.id, how) as store:
        return attempts.until_admitted(attempt)


def _run_as_planned(handed: Handed, store: Store, recorded: Recorded, host: Hosting, how: How) -> Applied:
    """Run a plan as it is; raises Stale when a fact of it changed."""
    plan = handed.plan
    admission.require_fresh(plan, recorded, host)
    _require_free(plan, recorded)
    ran = execution.run(plan, store, host, how, recorded, approved=handed.approved, address=handed.address, undoes=handed.undoes)
    attempts.tidy(host, how, plan, ran.result)
    return Applied(plan, ran.result, None, apply_id(ran.number))


def _was_applied(plan: Plan, store: Store, recorded: Recorded, host: Hosting) -> bool:
    from herocloud.apply import staleness

    before = store.load_plan(plan.id)
    if not before:
        return False
    observed = admission.look_for([fact.key for fact in plan.facts], plan.stack, host)
    return staleness.applied_before(plan, before, recorded, observed)


def _require_free(plan: Plan, recorded: Recorded) -> None:
    """Raise Stale when a range or a port that a saved plan gives to a network belongs to another stack by now."""
    diagnostics = reservations.find_taken(plan, reservations.occupied(recorded, plan.stack))
    if diagnostics:
        raise Stale(diagnostics)
