"""Going on with an apply that did not end: killed, cut off, or interrupted.

The journal tells which steps were begun and not seen to end; of each of those the world is asked how far it got before anything touches
it. What is done is recorded, what is half-done is performed again (performing is idempotent), what is neither is left alone and named.
The rejected alternative, planning anew over whatever is there, would forget why things are half-made and in what order they go on.
"""

from collections.abc import Callable, Iterable, Mapping

from herocloud.apply import checking, clocks, executing, journaling, undoing
from herocloud.apply.clocks import Clock
from herocloud.apply.interrupts import Interrupts
from herocloud.apply.options import Options
from herocloud.apply.sessions import Drivers, Opened, Session
from herocloud.kits import faults
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, StepId
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Fact
from herocloud.model.steps import Step
from herocloud.model.worlds import Record
from herocloud.state.store import Store, Unfinished

__all__ = ["Options", "resume"]

Facts = Callable[[Iterable[str]], Mapping[str, Fact]]
"""Looks at these facts again, as they are now."""


def resume(
    store: Store,
    drivers: Drivers,
    *,
    options: Options,
    tell: Callable[[Event], None],
    clock: Clock = clocks.SYSTEM,
    interrupts: Interrupts | None = None,
    rollback: bool = False,
    facts: Facts | None = None,
) -> Result:
    """Complete the unfinished apply, or take it back with `rollback`. A rollback that was cut off always goes on backwards.

    `facts` looks again at what the steps of changes that were never begun rely on; such steps fail when it has changed, and the rest
    of the apply is completed all the same.
    """
    unfinished = store.unfinished()
    if unfinished is None:
        raise Refused([_NOTHING])
    plan, states = unfinished.plan, unfinished.states
    opened = Opened(plan.steps, drivers)
    with interrupts or Interrupts() as stopping:
        faults.reached("resume.begin")
        session = Session(
            plan,
            store,
            unfinished.apply,
            opened,
            records=store.recorded().records.get(plan.stack, {}),
            originals=lambda: _originals(store, unfinished),
            begun={step.address for step in plan.steps if states.get(step.id) not in (None, "skipped")},
            earlier=(step for step, state in states.items() if state == "done"),
            options=options,
            tell=tell,
            clock=clock,
            interrupts=stopping,
        )
        if rollback or journaling.going_back(states):
            return undoing.take_back(session, (), states)
        left = [step for step in plan.steps if states.get(step.id) != "done"]
        session.voice.note(f"resuming plan {plan.id}: {len(plan.steps) - len(left)} of {len(plan.steps)} steps are done")
        unknown = {step.id for step in left if states.get(step.id) in journaling.IN_FLIGHT}
        ended = session.forward(left, unknown=unknown, broken=_broken(unfinished, left, facts))
        return executing.conclude(session, ended, states)


def _broken(unfinished: Unfinished, left: Iterable[Step], facts: Facts | None) -> Mapping[StepId, str]:
    if facts is None:
        return {}
    free = {step.id for step in checking.binding_steps(unfinished.plan, unfinished.states)}
    steps = [step for step in left if step.id in free]
    return checking.broken_steps(unfinished.plan, steps, facts({key for step in steps for key in step.facts}))


def _originals(store: Store, unfinished: Unfinished) -> Mapping[Address, Record]:
    """Return the records from before the apply: it has a serial of its own, and the state keeps every serial."""
    applied = next(one for one in store.load_plan(unfinished.plan.id) if one.apply == unfinished.apply)
    return store.records_at(applied.serial - 1).get(unfinished.plan.stack, {})


_NOTHING = Diagnostic(
    "nothing-unfinished", "There is nothing to resume", "The last apply came to its end. `herocloud plan` shows what is to do."
)
