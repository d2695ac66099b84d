"""Executing a plan, taking it back, and going on where an apply was cut off: the only place where effects happen.

An execution decides nothing. The plan holds every value and the order; this module opens what the plan needs, lets the session walk it,
and closes the books. Everything that may be refused is refused before the apply begins, while the world is still untouched.

A rollback takes back what an apply did, within that apply. It walks the same graph against its arrows and writes to the same journal, so it
can itself be killed at any instant and resumed. When the last step of an address is undone, its record is put back as it was before the
apply, byte for byte, and not computed from the steps: only so does a rollback end in exactly the records before.

A resume goes on with an apply that was killed, cut off, or interrupted. The journal knows which steps were begun and not seen to end; for
each of those the world is asked how far it got before anything touches it. What is done is recorded, what is half-done is performed again
(performing is idempotent), what is neither is left alone and named. The rejected alternative, planning again over whatever is there, would
forget why things are half-made and in what order they go on.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from herocloud.apply import entries, inspection, staleness, steering
from herocloud.apply.rollback import ListKept
from herocloud.apply.schedule import Ended
from herocloud.apply.sessions import Drivers, Opened, Session
from herocloud.apply.steering import Clock, Interrupts, Options
from herocloud.kits import faults
from herocloud.model.applies import apply_id
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked, Refused
from herocloud.model.ids import Address, PlanId, StepId
from herocloud.model.outcomes import NOT_TAKEN_BACK, Event, Outcome, Result
from herocloud.model.plans import Fact, Plan
from herocloud.model.steps import Step
from herocloud.model.words import Status
from herocloud.model.worlds import Record
from herocloud.state.store import Store, Unfinished


def execute(
    plan: Plan,
    store: Store,
    drivers: Drivers,
    *,
    options: Options,
    tell: Callable[[Event], None],
    clock: Clock = steering.SYSTEM,
    interrupts: Interrupts | None = None,
    undoes: PlanId | None = None,
) -> Result:
    """Run a plan where nobody else is at work: a rehearsal, a test. Everybody else is admitted first, see `operations`.

    Failures of steps are outcomes in the result; an exception means that it could not begin or not be journalled. `undoes` names the plan
    whose apply this one takes back, so that the state knows that it no longer counts.
    """
    opened = make_ready(plan, store, drivers)
    refuse_unfinished(store)
    with interrupts or Interrupts() as stopping:
        records = dict(store.recorded().records.get(plan.stack, {}))
        number = store.begin(plan, clock.now(), undoes)
        return carry_out(plan, store, number, opened, records, options=options, tell=tell, clock=clock, interrupts=stopping)


def make_ready(plan: Plan, store: Store, drivers: Drivers) -> Opened:
    """Open what the plan needs, or raise what stands against it, while nothing is changed yet."""
    refuse_unapplyable(plan, store)
    faults.reached("apply.begin.before")
    return Opened(plan.steps, drivers)


def carry_out(
    plan: Plan,
    store: Store,
    number: int,
    opened: Opened,
    records: Mapping[Address, Record],
    *,
    options: Options,
    tell: Callable[[Event], None],
    clock: Clock,
    interrupts: Interrupts,
    kept: ListKept | None = None,
) -> Result:
    """Run an apply that has begun; `records` are those of its stack from before, `kept` lists deleted data that is still there."""
    faults.reached("apply.begin.after")
    session = Session(
        plan,
        store,
        number,
        opened,
        records=records,
        originals=lambda: records,
        options=options.settled_for(plan.operation),
        tell=tell,
        clock=clock,
        interrupts=interrupts,
    )
    ended = session.forward(plan.steps)
    return conclude(session, ended, states={}, kept=kept)


def conclude(session: Session, ended: Ended, states: Mapping[StepId, str], *, kept: ListKept | None = None) -> Result:
    """Close the books after the way forward, or take everything back first when that was asked for."""
    failed = any(outcome.status is Status.FAILED for outcome in ended.outcomes)
    if failed and not ended.interrupted and session.options.on_failure == "rollback":
        return take_back(session, ended.outcomes, states, ended.stuck, kept=kept)
    if ended.interrupted and not ended.at_once and session.options.gives_up(session.plan.operation):
        reached = session.reached()
        # What did not end in time may still be at work.
        if "intent" not in reached.values():
            session.interrupts.heed()
            begun = [outcome for outcome in ended.outcomes if outcome.step in reached]
            return take_back(session, begun, reached, ended.stuck, kept=kept)._replace(interrupted=True)
    status = None if ended.at_once else "interrupted" if ended.interrupted else "partial" if failed else "done"
    return session.finish(ended.outcomes, status=status, notes=ended.notes)


def refuse_unapplyable(plan: Plan, store: Store) -> None:
    """Raise when this plan may not run; callers check the same earlier, so this is the last fence."""
    if plan.errored:
        raise Refused([diagnostic for diagnostic in plan.diagnostics if diagnostic.is_error])
    blocked = [change for change in plan.changes if change.protected]
    if blocked:
        raise Blocked([_say_protected(change.address) for change in blocked])
    if plan.lineage is not None and plan.lineage != store.lineage:
        raise Refused([_FOREIGN])


def refuse_unfinished(store: Store) -> None:
    """Raise when an earlier apply did not end."""
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


_STATES = {Status.DONE: "done", Status.FAILED: "failed", Status.CANCELLED: "cancelled", Status.UNDONE: "undone"}


def take_back(
    session: Session,
    outcomes: Sequence[Outcome],
    states: Mapping[StepId, str],
    stuck: Collection[StepId] = (),
    *,
    kept: ListKept | None = None,
) -> Result:
    """Undo every step that was begun, before this run (`states`) or in it (`outcomes`), and close the books.

    `stuck` steps had not answered when they were given up; one that comes through after its undoing leaves an orphan, so it is named.
    """
    now = dict(states)
    for outcome in outcomes:
        if outcome.status in _STATES:
            now[outcome.step] = _STATES[outcome.status]
    session.voice.note("taking back what this apply did, newest first")
    ended = session.back(now, stuck=stuck, kept=kept)
    merged = merge_outcomes(outcomes, ended, {step for step, state in now.items() if state == "done"})
    if ended.at_once:
        return session.finish(merged, status=None, back=True)
    if ended.interrupted:
        return session.finish(merged, status="interrupted", back=True)
    late = [f"`{step}` had not answered when it was taken back; `herocloud state orphans` shows it if it came through." for step in stuck]
    if all(outcome.status is Status.UNDONE for outcome in ended.outcomes):
        return session.finish(merged, status="rolled back", notes=late, back=True)
    return session.finish(merged, status="partial", notes=late, back=True)


def merge_outcomes(forward: Sequence[Outcome], back: Ended, done: Collection[StepId]) -> list[Outcome]:
    """Tell each step once: why it failed counts more than that its half was taken back. `done` are the steps that were done before."""
    merged = {outcome.step: outcome for outcome in forward}
    for outcome in back.outcomes:
        before = merged.get(outcome.step)
        if outcome.status is Status.FAILED:
            why = f"{NOT_TAKEN_BACK}: {outcome.error}"
            error = f"{before.error}; {why}" if before is not None and before.error else why
            merged[outcome.step] = outcome._replace(error=error, back_failed=True, stays=outcome.step in done)
        elif outcome.status is Status.UNDONE and (before is None or before.status is not Status.FAILED):
            merged[outcome.step] = outcome
    return list(merged.values())


Facts = Callable[[Iterable[str]], Mapping[str, Fact]]
"""Looks at these facts again, as they are now."""


def resume(
    store: Store,
    drivers: Drivers,
    *,
    options: Options,
    tell: Callable[[Event], None],
    clock: Clock = steering.SYSTEM,
    interrupts: Interrupts | None = None,
    rollback: bool = False,
    facts: Facts | None = None,
    apply: int | None = None,
    records: Mapping[Address, Record] | None = None,
    kept: ListKept | None = None,
) -> Result:
    """Complete an unfinished apply, the newest or the one of this number, or take it back with `rollback`.

    A rollback that was cut off always goes on backwards.

    `facts` looks again at what the steps of changes that were never begun rely on; such steps fail when it has changed, and the rest
    of the apply is completed all the same. `kept` lists the deleted data of its stack that is still there.
    """
    unfinished = store.unfinished() if apply is None else store.unfinished(apply)
    if unfinished is None:
        raise Refused([_NOTHING])
    plan, states = unfinished.plan, unfinished.states
    opened = Opened(plan.steps, drivers)
    with interrupts or Interrupts() as stopping:
        faults.reached("resume.begin")
        chosen = options.settled_for(plan.operation)
        session = _go_on(unfinished, store, opened, records, options=chosen, tell=tell, clock=clock, interrupts=stopping)
        if rollback or entries.going_back(states) or entries.is_too_late(plan, states):
            return take_back(session, (), states, kept=kept)
        left = inspection.left_steps(plan, states)
        session.voice.note(f"resuming plan {plan.id}: {len(plan.steps) - len(left)} of {len(plan.steps)} steps are done")
        unknown = {step.id for step in left if states.get(step.id) in entries.IN_FLIGHT}
        ended = session.forward(left, unknown=unknown, broken=_broken(unfinished, left, facts))
        return conclude(session, ended, states, kept=kept)


def give_up(
    store: Store,
    drivers: Drivers,
    apply: int,
    *,
    keeps: bool,
    options: Options,
    tell: Callable[[Event], None],
    clock: Clock,
    interrupts: Interrupts,
) -> Result:
    """Close an unfinished apply, because everything that it has made goes next: nothing more of it is made.

    `keeps` says that the data of what goes next is kept.

    Where what is under way cannot be brought to an end, the apply stays unfinished, and somebody decides again what becomes of it.
    """
    unfinished = store.unfinished(apply)
    if unfinished is None:
        raise Refused([_NOTHING])
    opened = Opened(unfinished.plan.steps, drivers)
    with interrupts as stopping:
        session = _go_on(unfinished, store, opened, None, options=options, tell=tell, clock=clock, interrupts=stopping)
        name = f"{apply_id(apply)} of stack {unfinished.plan.stack}"
        session.voice.say(Event("closing", detail=f"{name} is being closed: nothing more of it is made"))
        ended = session.close_open_steps(unfinished.states, keeps=keeps)
        failed = any(outcome.status is Status.FAILED for outcome in ended.outcomes)
        status = None if ended.at_once else "interrupted" if ended.interrupted or failed else "partial"
        result = session.finish(ended.outcomes, status=status, back=entries.going_back(unfinished.states))
        if status == "partial":
            session.voice.say(Event("closed", detail=f"{name} is closed", seconds=result.seconds))
        return result


def _go_on(
    unfinished: Unfinished,
    store: Store,
    opened: Opened,
    records: Mapping[Address, Record] | None,
    *,
    options: Options,
    tell: Callable[[Event], None],
    clock: Clock,
    interrupts: Interrupts,
) -> Session:
    """Return the session of an apply that another process has begun."""
    plan, states = unfinished.plan, unfinished.states
    return Session(
        plan,
        store,
        unfinished.apply,
        opened,
        records=store.recorded().records.get(plan.stack, {}) if records is None else records,
        originals=lambda: _originals(store, unfinished),
        begun=[step for step in plan.steps if states.get(step.id) not in (None, "skipped")],
        earlier=(step for step, state in states.items() if state == "done"),
        options=options,
        tell=tell,
        clock=clock,
        interrupts=interrupts,
    )


def _broken(unfinished: Unfinished, left: Iterable[Step], facts: Facts | None) -> Mapping[StepId, str]:
    if facts is None:
        return {}
    free = {step.id for step in staleness.binding_steps(unfinished.plan, unfinished.states)}
    steps = [step for step in left if step.id in free]
    return staleness.broken_steps(unfinished.plan, steps, facts({key for step in steps for key in step.facts}))


def _originals(store: Store, unfinished: Unfinished) -> Mapping[Address, Record]:
    """Return the records from before the apply: it has a serial of its own, and of an apply that did not end everything is kept."""
    applied = next(applied_plan for applied_plan in store.load_plan(unfinished.plan.id) if applied_plan.apply == unfinished.apply)
    return store.records_around(applied.serial)[0].get(unfinished.plan.stack, {})


_NOTHING = Diagnostic(
    "nothing-unfinished", "There is nothing to resume", "The last apply came to its end. `herocloud plan` shows what is to do."
)
