"""Applies that did not end: what is left of each, who approves that, and the words for those who did not ask for it.

An interrupted apply is finished or taken back only by somebody who approves what is left of it. Until then nothing of it runs: the next
command asks the world how far its open steps came, says so, and stops.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.apply.inspection import Left, Rest
from herocloud.apply.rollback import Look
from herocloud.model.applies import Pending, Scope, apply_number
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Blocked, Refused
from herocloud.model.ids import Address, StackName, StepId
from herocloud.model.outcomes import Result
from herocloud.model.parts import SNAPSHOT
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import KINDS
from herocloud.model.words import Action, Approval, Severity, Status
from herocloud.operations import approval, inputs, kept_data
from herocloud.operations.inputs import Hosting

if TYPE_CHECKING:
    from herocloud.state.store import Store


def refusal(rest: Rest, why: str) -> Diagnostic:
    """Say what to write to finish an apply or to take it back."""
    pending = rest.pending
    detail = (
        f"`{pending.id}` (`{pending.operation}` of stack `{pending.stack}`, plan {pending.plan}) did not end. "
        f"Nobody approved that it is {'taken back' if rest.rollback else 'finished'}, and {why}. Nothing was changed."
    )
    # Not only what was lacking: a hint without what was given would lack that the next time.
    needed = rest.missing(())
    words = ",".join(kind.value for kind in Approval if kind in needed)
    if rest.rollback:
        hint = f"`herocloud resume {pending.id} --rollback --approve {words}` takes it back"
    else:
        hint = f"`herocloud resume {pending.id} --approve {words}` finishes it, `herocloud resume {pending.id} --rollback` takes it back"
    return Diagnostic("unfinished-apply", "An earlier apply is not finished", detail, hint=hint)


def list_unfinished(folder: Path) -> tuple[Pending, ...]:
    """Return every apply that runs or did not end, oldest first."""
    from herocloud.state import store

    return store.read_pending(folder)


def waiting(pending: Iterable[Pending], stack: StackName | None) -> list[Pending]:
    """Return the applies of a stack, or of all, that did not end and on which nobody works."""
    return [one for one in pending if not one.alive and stack in (None, one.stack)]


def in_the_way(folder: Path, pending: Iterable[Pending], scope: Scope) -> list[Pending]:
    """Return the applies that must end before anything else may happen in this scope, newest first."""
    found = [one for one in pending if not one.alive and one.stack == scope.stack]
    if found:
        # Read before its lock was looked at, one that came to its end in between looks like one that was cut off.
        still = {one.number for one in list_unfinished(folder) if not one.alive}
        found = [one for one in found if one.number in still]
    if scope.address is not None:
        found = [one for one in found if one.address in (None, scope.address) and scope.address in _addresses(folder, one)]
    return found[::-1]


def _addresses(folder: Path, pending: Pending) -> set[Address]:
    plan, _ = load(folder, pending)
    return {address for change in plan.changing for address in (change.address, change.previous_address) if address}


_OVER = "`herocloud state log` lists all; `herocloud undo` takes back one that is over, whether or not it succeeded"


def choose(folder: Path, which: str | None, stack: str | None) -> Pending | None:
    """Return the apply that is meant: by its name, by its plan, or the only one of the stack or of all; nothing when there is none."""
    every = list_unfinished(folder)
    if which is not None:
        return named(every, which)
    found = [pending for pending in every if stack in (None, pending.stack)]
    if not found:
        # With a stack file at hand, an apply of another stack is the next best guess, as long as there is only one.
        found = list(every) if len(every) == 1 else []
    stacks = {one.stack for one in found}
    if len(stacks) > 1:
        names = ", ".join(f"`{one.id}` of stack `{one.stack}`" for one in found)
        raise Refused([Diagnostic("which-apply", "Several applies are unfinished", f"There are {names}.", hint="name one of them")])
    return found[-1] if found else None


def named(every: Sequence[Pending], which: str) -> Pending:
    """Return the one of these applies that goes by this name, or is of this plan."""
    number = apply_number(which)
    found = [pending for pending in every if pending.number == number or (len(which) >= 4 and pending.plan.startswith(which))]
    if not found:
        names = ", ".join(f"`{pending.id}`" for pending in every) or "none"
        detail = f"No apply `{which}` waits to be resumed. Unfinished applies: {names}."
        raise Refused([Diagnostic("not-unfinished", "No such unfinished apply", detail, hint=_OVER)])
    return found[-1]


def to_undo(folder: Path, which: str | None, stack: StackName | None = None) -> Pending | None:
    """Return the unfinished apply that `undo` would take back: the newest of this stack (of all), or the one that is named."""
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return None
    with opened:
        applies, every = opened.applies(), opened.pending()
    if which is None:
        open_ones = {pending.number for pending in every}
        own = [past for past in applies if stack in (None, past.stack) and (past.apply in open_ones or not past.in_passing)]
        return next((pending for pending in every if own and pending.number == own[0].apply), None)
    serials = {past_apply.apply: str(past_apply.serial) for past_apply in applies}
    by_name = [pending for pending in every if which in (pending.id, serials.get(pending.number))]
    return next(iter(by_name or [pending for pending in every if len(which) >= 4 and pending.plan.startswith(which)]), None)


def describe(folder: Path, pending: Pending, *, rollback: bool = False) -> Rest:
    """Look at what is left of an apply; opens nothing for writing and changes nothing."""
    from herocloud.apply import entries, inspection
    from herocloud.apply import rollback as rollbacks
    from herocloud.apply.sessions import Opened
    from herocloud.providers.drivers import Drivers
    from herocloud.state import store

    plan, states = load(folder, pending)
    recorded = store.read_recorded(folder)
    turned = entries.going_back(states) or entries.is_too_late(plan, states)
    back = rollback or turned
    states = rollbacks.without_relied_on(plan, states, recorded) if back else states
    hosting = inputs.find_host(folder, recorded)
    drivers = Drivers(hosting.context)
    under_way = inspection.open_steps(plan, states)
    grown = rollbacks.grown_steps(plan, states) if back else []
    try:
        looks = inspection.look_at([*under_way, *grown], plan, lambda step: Opened([step], drivers).of(step), recorded.lineage or "")
    finally:
        drivers.close()
    left = _left_back(plan, pending.id, states, looks, hosting) if back else _left_forward(plan, states)
    done = sum(1 for state in states.values() if state == "done")
    gone = () if back else _gone_for_good(plan, states, looks, hosting)
    return Rest(pending, plan, back, left, inspection.say_seen(under_way, looks), done, turned, gone)


def _gone_for_good(plan: Plan, states: Mapping[StepId, str], looks: Mapping[StepId, Look], hosting: Hosting) -> tuple[Address, ...]:
    """Return whose deleted data the rest of an apply brings back although nobody keeps it any more."""
    from herocloud.plan import kept_facts
    from herocloud.providers.seam import Found

    # What has begun to come back may be out of its tombstone already.
    begun = {step for step, look in looks.items() if look.found is not Found.NOT_STARTED}
    wanted = [step for step in plan.steps if kept_facts.brings_back(step) and states.get(step.id) != "done" and step.id not in begun]
    kept = kept_data.list_kept(hosting, plan.stack) if wanted else []
    return tuple(dict.fromkeys(step.address for step in wanted if not kept_facts.facts_of(plan.stack, [step.tombstone], kept)))


def closing_takes_back(folder: Path, pending: Pending) -> set[Address]:
    """Return whose disk or volume an apply was still making: where the apply is closed, that is taken back, and nobody keeps it."""
    from herocloud.apply import inspection
    from herocloud.plan import kept_facts

    try:
        plan, states = load(folder, pending)
    except Refused:
        # It has ended since, and what it made is removed like everything else.
        return set()
    steps = inspection.making(inspection.open_steps(plan, states))
    # What was coming back out of a tombstone goes into one again.
    return {
        step.address
        for step in steps
        if KINDS[KINDS[step.kind].inverse].destroys_data and not KINDS[step.kind].places and not kept_facts.brings_back(step)
    }


def data_gone(rest: Rest) -> Refused:
    """Return what to raise where an apply cannot be finished because deleted data that it brings back is gone."""
    pending, whose = rest.pending, ", ".join(f"`{address}`" for address in rest.gone)
    detail = (
        f"`{pending.id}` (`{pending.operation}` of stack `{pending.stack}`, plan {pending.plan}) did not end. What is left of it brings "
        f"back the data of {whose}, which is not kept any more. It cannot be finished. Nothing was changed."
    )
    hint = f"`herocloud resume {pending.id} --rollback` takes back what it did"
    address = rest.gone[0] if len(rest.gone) == 1 else None
    return Refused([Diagnostic("undo-data-gone", "Deleted data is gone", detail, address=address, hint=hint)])


def _left_forward(plan: Plan, states: Mapping[StepId, str]) -> tuple[Left, ...]:
    """Return what is still to be done."""
    from herocloud.apply import inspection

    begun = {step.address for step in plan.steps if states.get(step.id) not in (None, "skipped")}
    counts = Counter(step.address for step in inspection.left_steps(plan, states))
    return tuple(
        Left(change, approval.classes_of(change), counts[change.address], change.address in begun)
        for change in plan.changing
        if counts[change.address]
    )


def _left_back(plan: Plan, apply: str, states: Mapping[StepId, str], looks: Mapping[StepId, Look], hosting: Hosting) -> tuple[Left, ...]:
    """Return what a rollback takes back, and what it cannot: the same walk as the rollback's own."""
    from herocloud.apply import rollback as rollbacks

    lost = rollbacks.find_lost(plan, apply, states, looks, purged=plan.purge, kept=lambda: kept_data.list_kept(hosting, plan.stack))
    walk = rollbacks.walk(plan, states, looks, lost)
    counts = Counter(step.address for step in walk.taken_back())
    begun = {step.address for step in walk.steps}
    gone = {step.address for step in walk.steps if step.id in walk.lost and rollbacks.carries(step)}
    snapshots: dict[Address, list[str]] = {}
    for step in reversed(walk.steps):
        if step.id in walk.lost and not rollbacks.carries(step):
            snapshots.setdefault(step.address, []).append(step.part.removeprefix(SNAPSHOT))
    owners = {step.id: step.address for step in walk.steps}
    because: dict[Address, dict[Address, None]] = {}
    for step in walk.steps:
        cause = walk.stays.get(step.id) or (step.id if step.id in walk.broken and step.id not in walk.grown else None)
        if cause is not None and not (cause in walk.lost and owners[cause] == step.address):
            because.setdefault(step.address, {})[owners[cause]] = None
    return tuple(
        Left(
            change,
            _classes_back(change, lost=change.address in gone),
            counts[change.address],
            begun=True,
            lost=change.address in gone,
            because=tuple(because.get(change.address, ())),
            snapshots=tuple(snapshots.get(change.address, ())),
            size_stays=next((walk.broken[step.id] for step in walk.steps if step.id in walk.grown and step.address == change.address), ""),
        )
        for change in plan.changing
        if change.address in begun
    )


def load(folder: Path, pending: Pending) -> tuple[Plan, Mapping[StepId, str]]:
    """Return the plan of an apply that did not end, with how far its steps came; raises Refused where it has ended."""
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    found = None
    if opened is not None:
        with opened:
            found = opened.unfinished(pending.number)
    if found is None:
        raise Refused([ended_meanwhile(pending)])
    return found.plan, found.states


def plan_of(store: "Store", pending: Pending) -> Plan:
    """Return the plan of an apply, which need not be the only one with its id."""
    return next(applied.plan for applied in store.load_plan(pending.plan) if applied.apply == pending.number)


def ended_meanwhile(pending: Pending) -> Diagnostic:
    """Say that another process finished the apply first."""
    return Diagnostic("not-unfinished", "The apply has ended meanwhile", f"Another process brought `{pending.id}` to its end.")


def _classes_back(change: Change, *, lost: bool = False) -> tuple[Approval, ...]:
    """Return the classes that taking a change back needs: what was made goes, with whatever was written to it since.

    Where the data from before is lost, nothing comes in the place of what goes: that is a destruction, whatever the change was.
    """
    if lost and change.action is Action.DELETE:
        return (Approval.DESTROY,)
    classes = {Action.CREATE: (Approval.DESTROY,), Action.DELETE: (Approval.CREATE,)}.get(change.action)
    needed = classes or approval.classes_of(change)
    return tuple(dict.fromkeys((*needed, Approval.DESTROY))) if lost else needed


def say_closed(pending: Pending, result: Result) -> str:
    """Say what closing an apply took back: it is gone by now, and no plan removes it any more."""
    addresses = dict.fromkeys(outcome.address for outcome in result.outcomes if outcome.status is Status.UNDONE)
    back = f", and what it was making is taken back: {', '.join(f'`{address}`' for address in addresses)}" if addresses else ""
    return f"`{pending.id}` is closed{back}"


def not_closed(pending: Pending, result: Result) -> Refused:
    """Return what to raise where an apply cannot be closed before everything of its stack is removed."""
    failed = ", ".join(f"`{outcome.step}`: {outcome.error}" for outcome in result.outcomes if outcome.status is Status.FAILED)
    detail = f"What `{pending.id}` had under way could not be brought to an end ({failed}). What it had done stays as it is."
    on = f"`herocloud resume {pending.id}` finishes the apply, `herocloud resume {pending.id} --rollback` takes it back"
    hint = f"remove the cause and try again; or {on}"
    return Refused([Diagnostic("not-closed", "An earlier apply could not be closed", detail, hint=hint)])


def refuse(pending: Iterable[Pending]) -> Blocked:
    """Return what to raise for a command that cannot finish an apply in passing."""
    return Blocked([_in_the_way(one) for one in pending])


def _in_the_way(pending: Pending) -> Diagnostic:
    return Diagnostic(
        "unfinished-apply",
        "An earlier apply is not finished",
        f"`{pending.id}` (`{pending.operation}` of stack `{pending.stack}`, plan {pending.plan}) did not end, and this needs what it works "
        "on. Nothing was changed.",
        severity=Severity.ERROR,
        hint=f"`herocloud resume {pending.id}` finishes it, `herocloud resume {pending.id} --rollback` takes it back",
    )
