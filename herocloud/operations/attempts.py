"""An attempt: a plan on its way into execution, approved, and planned again as often as somebody else is admitted first."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from herocloud.model.applies import Pending, Scope, apply_id
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Locked, Stale
from herocloud.model.ids import Address, PlanId
from herocloud.model.outcomes import Result
from herocloud.model.plans import Plan
from herocloud.model.words import Approval, Impact
from herocloud.operations import admission, execution, kept_data, leftovers, stack_plans, unfinished
from herocloud.operations.callers import Approver, Carrier, Handed, How
from herocloud.operations.inputs import Hosting
from herocloud.operations.stack_plans import Planned
from herocloud.providers.seam import Tombstone
from herocloud.state.store import Moved, Store

MOST_TRIES = 100
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


def removes_everything(plan: Plan) -> bool:
    """Return whether nothing of the stack is left after a plan: then an apply that did not end is closed, and not finished first."""
    return plan.operation == "destroy" and plan.complete


class _MustAsk(Exception):
    """The plan that has to run is another than the one that a person approved."""


class Attempt:
    """A plan on its way into execution, planned again as often as somebody else is admitted first."""

    def __init__(self, folder: Path, scope: Scope, first: Planned, again: Callable[[], Planned], how: How, approver: Approver) -> None:
        """Begin with the plan that was just made; `again` makes it once more."""
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
        self._set_aside: tuple[Tombstone, ...] = ()
        """What the closing took out of the way and kept, of the data that the approved plan destroys at once."""

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
        for _ in range(MOST_TRIES):
            planned = self._planned
            if not self.decide(planned):
                return Applied(planned.plan)
            try:
                carried = carrier.carry(Handed(planned.plan, self._approved, self._scope.address, planned.undoes), self._how)
            except Stale:
                self._planned = self._again()
            else:
                return None if carried is None else Applied(planned.plan, carried.result, None, carried.apply)
        raise Locked([OVERTAKEN])

    def run(self) -> Applied:
        """Run under the lock, with facts that nobody has changed; a person is asked once more after the lock is let go."""
        command = self._how.caller.command or self._planned.plan.operation
        for _ in range(MOST_TRIES):
            self._is_remade = False
            with (
                contextlib.suppress(_MustAsk),
                admission.working(self._folder, self._scope, command, self._planned.plan.id, self._how) as store,
            ):
                return until_admitted(lambda: self._run_once(store))
            self.decide(self._planned)
        raise Locked([OVERTAKEN])

    def _run_once(self, store: Store) -> Applied | None:
        if store.generation() != admission.generation_of(self._planned.recorded) or self._planned.lacks_key or self.must_plan_again:
            self._planned, self._is_remade, self.must_plan_again = self._again(), True, False
        planned = self._planned
        blocking = unfinished.in_the_way(self._folder, planned.recorded.unfinished, self._scope)
        gives_up = self.may_give_up and removes_everything(planned.plan)
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
            self._destroy_set_aside(planned)
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
        tidy(planned.hosting, self._how, planned.plan, ran.result)
        if not (ran.result.failed or ran.result.interrupted):
            self._destroy_set_aside(planned)
        return Applied(planned.plan, ran.result, None, apply_id(ran.number))

    def _give_up(self, store: Store, planned: Planned, blocking: list[Pending]) -> Applied | None:
        """Close unfinished applies once the removal of all that they made is approved; nothing means that the removal is to be run."""
        self.decide(planned)
        kept = {stone.key for stone in kept_data.list_tombstones(planned.hosting)} if planned.plan.purge else set()
        for pending in blocking:
            result = execution.give_up(store, pending, self._how, keeps=not planned.plan.purge)
            if result.failed:
                raise unfinished.not_closed(pending, result)
            if result.interrupted:
                return Applied(None, None, Recovered(unfinished.plan_of(store, pending), result, pending.id))
            self._how.note(unfinished.say_closed(pending, result))
        self._removal = frozenset(change.address for change in planned.plan.changing)
        if planned.plan.purge:
            shown = {(planned.plan.stack, change.address) for change in planned.plan.changing if change.impact is Impact.DATA}
            stones = kept_data.list_tombstones(planned.hosting)
            self._set_aside = tuple(one for one in stones if one.key not in kept and (one.stack, one.address) in shown)
        self.must_plan_again = True
        return None

    def _destroy_set_aside(self, planned: Planned) -> None:
        """Keep the word of a removal that keeps nothing; until its end, what was closed for it could still be finished or taken back."""
        leftovers.destroy_kept(planned.hosting, self._set_aside, self._how.caller.command or planned.plan.operation, self._how)
        self._set_aside = ()

    def _is_fresh(self, planned: Planned) -> bool:
        """Look at the facts of the plan again; with one that changed, the plan is made again and decided about again."""
        try:
            admission.require_fresh(planned.plan, planned.recorded, planned.hosting)
        except Stale:
            self.must_plan_again = True
        return not self.must_plan_again


def until_admitted(attempt: Callable[[], Applied | None]) -> Applied:
    """Try until no other apply was admitted between the reading of the facts and the lock of the host; nothing means once more."""
    for _ in range(MOST_TRIES):
        with contextlib.suppress(Moved):
            applied = attempt()
            if applied is not None:
                return applied
    raise Locked([OVERTAKEN])


OVERTAKEN = Diagnostic(
    "overtaken",
    "Others were admitted first, again and again",
    "The state changed each time before this plan could begin. Nothing was changed.",
    hint="run the same command again",
)


def tidy(host: Hosting, how: How, plan: Plan, result: Result) -> None:
    """Throw away what nobody needs any more after an apply that ended."""
    if not (result.interrupted or result.failed or result.went_back):
        leftovers.forget_before(host, plan.stack)
    if not result.interrupted and how.tidies:
        leftovers.forget_expired(host, how)
