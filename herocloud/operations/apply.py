"""Applying, going on and taking back: from stack files or a plan to a result.

The plan is made and approved before any lock is asked for: bad input, a host that is too small or a `no` leave no trace, a person who
thinks keeps nobody waiting, and locks name their plan. Under the lock of the stack it is made again only if state or world moved
meanwhile, and approved again only if it came out differently, by a person without the lock.

What an earlier apply of the stack left undone is finished first, once somebody has approved exactly that; where all of the stack is
removed, it is closed instead, because what it made goes with the rest. An apply of another stack is left alone. `undo` is the inverse
of a finished apply, shown, approved and run like any plan.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from herocloud.model.applies import Pending, Scope, apply_id
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Locked, Refused, Stale
from herocloud.model.ids import Address, PlanId
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.model.worlds import Recorded
from herocloud.operations import admission, approval, execution, inputs, leftovers, stack_plans, unfinished
from herocloud.operations.callers import Approver, Carrier, Handed, How
from herocloud.operations.inputs import Hosting, Sources
from herocloud.operations.stack_plans import Asked, Planned
from herocloud.plan import reservations
from herocloud.state.store import Moved, Store

_MOST_TRIES = 100
"""How often an apply whose facts moved under it reads them again: each time somebody else came first, so it is not about speed."""


class Recovered(NamedTuple):
    """An unfinished apply that was gone on with."""

    plan: Plan
    result: Result
    apply: str


class Applied(NamedTuple):
    """How it went."""

    plan: Plan | None
    """The plan that ran, or that had nothing to do; nothing when an unfinished apply was interrupted again."""
    result: Result | None = None
    """Nothing when there was nothing to do."""
    recovered: Recovered | None = None
    apply: str | None = None
    """The name of the apply, when one ran."""


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
        for pending in blocking if not _removes_everything(first.plan) else ():
            recovered = _go_on(folder, pending, how, approver, rollback=False)
            if recovered is not None and recovered.result.interrupted:
                return Applied(None, None, recovered)
        first = again() if not _removes_everything(first.plan) else first
    attempt = _Attempt(folder, scope, first, again, how, approver)
    attempt.may_give_up = address is None and recovers
    gives_up = bool(blocking) and _removes_everything(first.plan)
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


def _removes_everything(plan: Plan) -> bool:
    return plan.operation == "destroy" and plan.complete


class _MustAsk(Exception):
    """The plan that has to run is another than the one that a person approved."""


class _Attempt:
    """A plan on its way into execution, planned again as often as somebody else is admitted first."""

    def __init__(self, folder: Path, scope: Scope, first: Planned, again: Callable[[], Planned], how: How, approver: Approver) -> None:
        self._folder, self._scope, self._again, self._how, self._approver = folder, scope, again, how, approver
        self._planned = first
        """The newest plan."""
        self._decided: PlanId | None = None
        self._shown: Planned | None = None
        self._approved: frozenset[Approval] = frozenset()
        self.must_plan_again = False
        self.may_give_up = False
        """Whether an unfinished apply is closed where all of its stack is removed."""
        self._removal: frozenset[Address] = frozenset()
        """What an approved plan removes that an unfinished apply was closed for."""

    def decide(self, planned: Planned) -> bool:
        """Show a plan and get it approved, unless that was done; returns whether it has anything to do."""
        if planned.plan.id != self._decided:
            shown, self._shown = self._shown, planned
            self._approved = self._approver.approve(planned if shown is None else self._with_reason(shown, planned))
            stack_plans.refuse_unapplyable(planned.plan)
            self._decided = planned.plan.id
        return stack_plans.changes_something(planned.plan)

    def _with_reason(self, shown: Planned, planned: Planned) -> Planned:
        from herocloud.operations import moved_facts

        because = moved_facts.explain(shown, planned)
        self._how.note(moved_facts.in_one_line(because))
        return planned._replace(because=because)

    def hand_over(self, carrier: Carrier) -> Applied | None:
        """Have another process run it; nothing where nobody takes it."""
        for _ in range(_MOST_TRIES):
            planned = self._planned
            if not self.decide(planned):
                return Applied(planned.plan)
            try:
                carried = carrier.carry(Handed(planned.plan, self._approved, self._scope.address, planned.undoes), self._how)
            except Stale:
                self._planned = self._again()
            else:
                return None if carried is None else Applied(planned.plan, carried.result, None, carried.apply)
        raise Locked([_OVERTAKEN])

    def run(self) -> Applied:
        """Run under the lock, with facts that nobody has changed; a person is asked once more after the lock is let go."""
        command = self._how.caller.command or self._planned.plan.operation
        for _ in range(_MOST_TRIES):
            self._is_remade = False
            with (
                contextlib.suppress(_MustAsk),
                admission.working(self._folder, self._scope, command, self._planned.plan.id, self._how) as store,
            ):
                return _until_admitted(lambda: self._run_once(store))
            self.decide(self._planned)
        raise Locked([_OVERTAKEN])

    def _run_once(self, store: Store) -> Applied | None:
        if store.generation() != admission.generation_of(self._planned.recorded) or self._planned.lacks_key or self.must_plan_again:
            self._planned, self._is_remade, self.must_plan_again = self._again(), True, False
        planned = self._planned
        blocking = unfinished.in_the_way(self._folder, planned.recorded.unfinished, self._scope)
        gives_up = self.may_give_up and _removes_everything(planned.plan)
        if blocking and not gives_up:
            # The previous holder of the lock did not finish.
            raise unfinished.refuse(blocking)
        if gives_up and self._removal and self._removal.issuperset(change.address for change in planned.plan.changing):
            # It removes what was approved, or less, now that the unfinished apply is closed.
            stack_plans.refuse_unapplyable(planned.plan)
            self._decided = planned.plan.id
        if planned.plan.id != self._decided and self._approver.asks:
            raise _MustAsk
        if blocking:
            return self._give_up(store, planned, blocking)
        if not self.decide(planned):
            return Applied(planned.plan)
        if not self._is_remade and not self._is_fresh(planned):
            return None
        ran = execution.run(
            planned.plan,
            store,
            planned.hosting,
            self._how,
            planned.recorded,
            approved=self._approved,
            address=self._scope.address,
            undoes=planned.undoes,
        )
        _tidy(planned.hosting, self._how, planned.plan, ran.result)
        return Applied(planned.plan, ran.result, None, apply_id(ran.number))

    def _give_up(self, store: Store, planned: Planned, blocking: list[Pending]) -> Applied | None:
        """Close unfinished applies once the removal of all that they made is approved; nothing means that the removal is to be run."""
        self.decide(planned)
        for pending in blocking:
            result = execution.give_up(store, pending, self._how, approved=self._approved)
            if result.failed:
                raise unfinished.not_closed(pending, result)
            if result.interrupted:
                return Applied(None, None, Recovered(unfinished.plan_of(store, pending), result, pending.id))
            self._how.note(unfinished.say_closed(pending, result))
        self._removal = frozenset(change.address for change in planned.plan.changing)
        self.must_plan_again = True
        return None

    def _is_fresh(self, planned: Planned) -> bool:
        """Look at the facts of the plan again; with one that changed, the plan is made again and decided about again."""
        try:
            admission.require_fresh(planned.plan, planned.recorded, planned.hosting)
        except Stale:
            self.must_plan_again = True
        return not self.must_plan_again


def _until_admitted(attempt: Callable[[], Applied | None]) -> Applied:
    """Try until no other apply was admitted between the reading of the facts and the lock of the host; nothing means once more."""
    for _ in range(_MOST_TRIES):
        with contextlib.suppress(Moved):
            applied = attempt()
            if applied is not None:
                return applied
    raise Locked([_OVERTAKEN])


_OVERTAKEN = Diagnostic(
    "overtaken",
    "Others were admitted first, again and again",
    "The state changed each time before this plan could begin. Nothing was changed.",
    hint="run the same command again",
)


def _tidy(host: Hosting, how: How, plan: Plan, result: Result) -> None:
    if not (result.interrupted or result.failed or result.went_back):
        leftovers.forget_before(host, plan.stack)
    if not result.interrupted and how.tidies:
        leftovers.forget_expired(host, how)


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
        return _until_admitted(attempt)


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
        return _until_admitted(attempt)


def _run_as_planned(handed: Handed, store: Store, recorded: Recorded, host: Hosting, how: How) -> Applied:
    """Run a plan as it is; raises Stale when a fact of it changed."""
    plan = handed.plan
    admission.require_fresh(plan, recorded, host)
    _require_free(plan, recorded)
    ran = execution.run(plan, store, host, how, recorded, approved=handed.approved, address=handed.address, undoes=handed.undoes)
    _tidy(host, how, plan, ran.result)
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


def resume(
    folder: Path, how: How, approver: Approver, *, rollback: bool = False, which: str | None = None, stack: str | None = None
) -> Recovered | None:
    """Go on with an unfinished apply once what is left is approved; nothing when there is none, and then nothing is written either."""
    pending = unfinished.choose(folder, which, stack)
    if pending is None:
        if rollback:
            raise Refused([_NOTHING])
        return None
    return _go_on(folder, pending, how, approver, rollback=rollback)


def _go_on(folder: Path, pending: Pending, how: How, approver: Approver, *, rollback: bool) -> Recovered | None:
    """Get what is left approved, then finish the apply or take it back; nothing when another process brought it to its end meanwhile."""
    decided = None
    approved: frozenset[Approval] = frozenset()
    if not pending.alive:
        decided = unfinished.describe(folder, pending, rollback=rollback)
        approved = approver.approve_rest(decided)
    for _ in range(_MOST_TRIES):
        with admission.working(folder, Scope(pending.stack), how.caller.command or "resume", pending.plan, how) as store:
            if store.unfinished(pending.number) is None:
                return None
            # Between the look and the lock somebody else may have gone on with it and been interrupted again.
            now = unfinished.describe(folder, pending, rollback=rollback)
            is_decided = decided is not None and now.left == decided.left
            if not is_decided and not approver.asks:
                approved, is_decided = approver.approve_rest(now), True
            if is_decided:
                ran = execution.go_on(store, pending, how, rollback=rollback, approved=approved)
                return Recovered(now.plan, ran.result, pending.id)
        decided, approved = now, approver.approve_rest(now)
    raise Locked([_OVERTAKEN])


_NOTHING = Diagnostic(
    "nothing-unfinished",
    "There is nothing to take back",
    "The last apply came to its end.",
    hint="`herocloud undo` takes back a finished apply",
)
