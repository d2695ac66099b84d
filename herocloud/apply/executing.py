"""Executing a plan: the only place where effects happen.

Nothing is decided here. The plan holds every value and the order; this module opens what the plan needs, lets the session walk it, and
closes the books. Everything that may be refused is refused before the apply begins, while the world is still untouched.
"""

from collections.abc import Callable, Mapping

from herocloud.apply import clocks, undoing
from herocloud.apply.clocks import Clock
from herocloud.apply.interrupts import Interrupts
from herocloud.apply.options import Options
from herocloud.apply.running import Ended
from herocloud.apply.sessions import Drivers, Opened, Session
from herocloud.kits import faults
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked, Refused
from herocloud.model.ids import PlanId, StepId
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Plan
from herocloud.model.words import Status
from herocloud.state.store import Store

__all__ = ["Options", "execute"]


def execute(
    plan: Plan,
    store: Store,
    drivers: Drivers,
    *,
    options: Options,
    tell: Callable[[Event], None],
    clock: Clock = clocks.SYSTEM,
    interrupts: Interrupts | None = None,
    undoes: PlanId | None = None,
) -> Result:
    """Run a plan. Failures of steps are outcomes in the result; an exception means that it could not begin or not be journalled.

    `undoes` names the plan whose apply this one takes back, so that the state knows that it no longer counts.
    """
    refuse_unapplyable(plan, store)
    opened = Opened(plan.steps, drivers)
    with interrupts or Interrupts() as stopping:
        records = dict(store.recorded().records.get(plan.stack, {}))
        faults.reached("apply.begin.before")
        number = store.begin(plan, clock.now(), undoes)
        faults.reached("apply.begin.after")
        session = Session(
            plan,
            store,
            number,
            opened,
            records=records,
            originals=lambda: records,
            options=options,
            tell=tell,
            clock=clock,
            interrupts=stopping,
        )
        ended = session.forward(plan.steps)
        return conclude(session, ended, states={})


def conclude(session: Session, ended: Ended, states: Mapping[StepId, str]) -> Result:
    """Close the books after the way forward, or take everything back first when that was asked for."""
    failed = any(outcome.status is Status.FAILED for outcome in ended.outcomes)
    if failed and not ended.interrupted and session.options.on_failure == "rollback":
        return undoing.take_back(session, ended.outcomes, states, ended.stuck)
    if ended.at_once:
        return session.finish(ended.outcomes, status=None)
    if ended.interrupted:
        return session.finish(ended.outcomes, status="interrupted")
    return session.finish(ended.outcomes, status="partial" if failed else "done")


def refuse_unapplyable(plan: Plan, store: Store) -> None:
    """Raise when this plan may not run; callers check the same earlier, so this is the last fence."""
    if plan.errored:
        raise Refused([found for found in plan.diagnostics if found.is_error])
    blocked = [change for change in plan.changes if change.protected]
    if blocked:
        raise Blocked([_say_protected(change.address) for change in blocked])
    if plan.lineage is not None and plan.lineage != store.lineage:
        raise Refused([_FOREIGN])
    unfinished = store.unfinished()
    if unfinished is not None:
        way_out = "Run `herocloud resume` to finish it, or `herocloud resume --rollback` to take it back."
        detail = f"The apply of plan `{unfinished.plan.id}` did not end. {way_out}"
        raise Refused([Diagnostic("unfinished-apply", "An earlier apply is not finished", detail)])


def _say_protected(address: str) -> Diagnostic:
    detail = f"`{address}` is protected. Take `protect` out of its block, or run `herocloud state protect --off {address}`, and plan again."
    return Diagnostic("protected", "A protected resource would be deleted or replaced", detail, address=address)


_FOREIGN = Diagnostic(
    "foreign-plan",
    "The plan was made for another state",
    "Its lineage is not the lineage of this data folder. Plan again here, or give the data folder that it was made with.",
)
