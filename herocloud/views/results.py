"""How an apply ended: what is done, each failure once with what it held back, and how to go on.

People want the cause, so what a failed step holds back is listed under it and nowhere else, with what has become of each thing.
"""

from collections.abc import Mapping
from typing import NamedTuple

from herocloud.kits import sizes
from herocloud.kits.jsons import Json
from herocloud.model.ids import Address, StepId, sort_key
from herocloud.model.outcomes import NOT_TAKEN_BACK, Outcome, Result
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import KINDS
from herocloud.model.words import Action, Status
from herocloud.views import fates, writer
from herocloud.views.fates import Fate

_WORST = (Status.FAILED, Status.CANCELLED, Status.SKIPPED, Status.UNDONE, Status.DONE)
_PAST = {
    Action.CREATE: "added",
    Action.UPDATE: "changed",
    Action.STOP: "stopped",
    Action.REBOOT: "rebooted",
    Action.REPLACE: "replaced",
    Action.DELETE: "destroyed",
    Action.ADOPT: "adopted",
    Action.MOVE: "moved",
    Action.FORGET: "forgotten",
}
_MOST = 8


class Failure(NamedTuple):
    """One step that failed, and the addresses that wait because of it."""

    outcome: Outcome
    held_back: tuple[Address, ...]


_AGAIN = ("Remove the cause, then the same command rehearses again.", "The same command rehearses again from the start.")
"""How to go on with a rehearsal that failed, and with one that was interrupted."""


def status_word(result: Result) -> str:
    """Name the end: `already`, `rolled back`, `interrupted`, `partial` or `done`."""
    if result.already:
        return "already"
    if result.rolled_back:
        return "rolled back"
    if result.interrupted:
        return "interrupted"
    return "partial" if result.failed else "done"


def endings(plan: Plan, result: Result) -> dict[Address, Status | None]:
    """Return how each change ended; nothing for those that were not begun. A change is as good as the worst of its steps."""
    worst: dict[Address, Status] = {}
    for outcome in result.outcomes:
        known = worst.get(outcome.address)
        if known is None or _WORST.index(outcome.status) < _WORST.index(known):
            worst[outcome.address] = outcome.status
    told = {outcome.step for outcome in result.outcomes} | result.earlier
    # Steps of which nothing is known were not reached when the apply was cut short, or never begun when it was taken back.
    unreached = {step.address for step in plan.steps if step.id not in told} if result.interrupted or result.went_back else set()
    statuses: dict[Address, Status | None] = {}
    for change in plan.changing:
        status = worst.get(change.address)
        if change.address in unreached and status in (None, Status.DONE):
            statuses[change.address] = None
        else:
            statuses[change.address] = status or Status.DONE
    return statuses


def fates_of(plan: Plan, result: Result) -> dict[Address, Fate]:
    """Return what has become of each change."""
    return fates.of_result(plan, result, endings(plan, result))


def failures(result: Result) -> list[Failure]:
    """Return every failed step once, with all the addresses that are skipped because they need it, directly or not."""
    by_step: dict[StepId, Outcome] = {outcome.step: outcome for outcome in result.outcomes}
    held: dict[StepId, dict[Address, None]] = {outcome.step: {} for outcome in result.outcomes if outcome.status is Status.FAILED}
    for outcome in result.outcomes:
        # Once all is taken back as far as it goes, what waited in vain is shown with its own outcome.
        if outcome.status is Status.SKIPPED and not result.went_back:
            cause = _cause(outcome, by_step)
            if cause in held and by_step[cause].address != outcome.address:
                held[cause][outcome.address] = None
    return [Failure(by_step[step], tuple(sorted(addresses, key=sort_key))) for step, addresses in held.items()]


def headline(plan: Plan, result: Result) -> str:
    """Write the one line that says it all."""
    took = sizes.show_duration(result.seconds if result.seconds < 10 else round(result.seconds))
    word = status_word(result)
    if word == "already":
        return "This plan was applied before; nothing was done."
    if word == "rolled back":
        return f"Rolled back: everything this apply did is taken back, after {took}."
    counted = _counted(plan.changing, endings(plan, result))
    if word == "done":
        return f"Done: {counted or 'nothing to do'}, in {took}."
    if result.went_back:
        return f"{'Interrupted while taking back' if word == 'interrupted' else 'Partly taken back'}, after {took}."
    applied = "Rehearsed in part" if result.rehearsed else "Partly applied"
    lead = "Interrupted" if word == "interrupted" else applied if result.has_effect else "Failed"
    return f"{lead} after {took}: {counted or 'no change is complete'}."


def render(plan: Plan, result: Result, *, color: bool = False) -> str:
    """Write the whole summary."""
    palette = writer.choose(color=color)
    good = status_word(result) in ("done", "already")
    blocks = [f"{palette.green if good else palette.red}{palette.bold}{headline(plan, result)}{palette.off}"]
    fate = fates_of(plan, result)
    blocks += ["\n".join(_failure_lines(failure, palette, fate)) for failure in failures(result)]
    blocks += [f"{words}: {left_names(changes, fate)}" for words, changes in left_lines(plan, result)]
    if result.notes:
        blocks.append("\n".join(f"note: {note}" for note in result.notes))
    outputs = outputs_text(plan.outputs) if good and not result.already else ""
    if outputs:
        blocks.append(outputs)
    way_on = next_step(plan, result)
    if way_on:
        blocks.append(way_on)
    return "\n\n".join(blocks)


def next_step(plan: Plan, result: Result) -> str:
    """Say how to go on; nothing when there is nothing left."""
    word = status_word(result)
    if result.rehearsed:
        return "" if word == "done" else f"This was a rehearsal on a simulated copy of the world. {_AGAIN[word == 'interrupted']}"
    if result.went_back and word == "interrupted":
        return "What is taken back is recorded. `herocloud resume` goes on taking it back."
    if result.went_back and word == "partial":
        return _after_a_rollback(plan, result)
    if word == "interrupted":
        return "What is done is recorded. `herocloud resume` goes on, `herocloud resume --rollback` takes it back."
    if word == "partial" and result.undo_refused:
        return _without_undo(plan, result)
    if word == "partial" and result.undo_idle:
        on = "the same undo can be tried again by the apply's name" if plan.operation == "undo" else f"{_again(plan)} tries again"
        return f"What is done is recorded. Remove the cause, then {on}. There is nothing that `herocloud undo` would take back."
    if word == "partial":
        back = f"`herocloud undo {result.apply or plan.id}` takes it back"
        if plan.operation == "undo":
            # Nothing goes on with half an undo: the stack file at hand asks for the opposite, and what was undone has changed since.
            # Without a name, `undo` would take back this undo.
            return f"What is done is recorded. Remove the cause; {back}, and then the same undo can be tried again by the apply's name."
        return f"What is done is recorded. Remove the cause, then {_again(plan)} does the rest; {back}."
    if word == "rolled back" and result.failed:
        return f"Remove the cause, then {_again(plan)} tries again."
    again = [change.address for change in plan.changing if not change.complete] if plan.operation == "undo" and word == "done" else []
    if again:
        named = f"{', '.join(again[:_MOST])}{f' and {len(again) - _MOST} more' if len(again) > _MOST else ''}"
        return f"Not finished, as before: {named}. `herocloud plan` shows what would complete or remove what is left."
    return ""


def _after_a_rollback(plan: Plan, result: Result) -> str:
    """Say how to go on where an apply was taken back in part."""
    undo = f"`herocloud undo {result.apply or plan.id}`"
    rest = "" if result.undo_idle else f"; {undo} takes back the rest"
    if result.undo_refused:
        rest = f". {undo} would be refused ({result.undo_refused})"
    return f"What is left is recorded: `herocloud plan` shows how it differs from the stack{rest}."


def _without_undo(plan: Plan, result: Result) -> str:
    """Say how to go on where `undo` would be refused."""
    refused = f"`herocloud undo {result.apply}` would be refused ({result.undo_refused})"
    if plan.operation == "undo":
        return f"What is done is recorded: `herocloud plan` shows how it differs from the stack. {refused}."
    on = f"What is done is recorded. Remove the cause, then {_again(plan)} does the rest. {refused}"
    back = "to go back, leave that as it is now in the stack file, put the rest back as it was, and apply"
    return f"{on}; {back}." if plan.operation == "apply" else f"{on}."


def _again(plan: Plan) -> str:
    """Name the command that plans the same another time."""
    return f"`herocloud {plan.operation}`" if plan.operation in ("apply", "destroy", "undo") else "the same command"


def kept_outputs(plan: Plan, result: Result) -> Mapping[str, Json]:
    """Return the outputs that the state holds after this: those of the plan count once all of it is done."""
    word = status_word(result)
    return plan.outputs if word == "already" or (word == "done" and plan.complete) else plan.outputs_before


def left_lines(plan: Plan, result: Result) -> list[tuple[str, list[Change]]]:
    """Sort what is left by why it is: never started, begun and not ended, or not yet taken back; what failures hold back is shown there."""
    left = _left(plan, result)
    if result.went_back:
        found = [("Not taken back", left)]
    elif result.interrupted:
        found = [("Not done", left)]
    else:
        fate = fates_of(plan, result)
        why = "because the apply begins no change after a failure"
        found = [
            (f"Not started, {why}", [change for change in left if fate[change.address].untouched]),
            ("Begun and not finished", [change for change in left if not fate[change.address].untouched]),
        ]
    return [(words, changes) for words, changes in found if changes]


def outputs_text(outputs: Mapping[str, Json]) -> str:
    """Write the outputs, aligned."""
    from herocloud.views import values

    wide = max((len(name) for name in outputs), default=0)
    return "\n".join(f"{name.ljust(wide)} = {values.show('', value)}" for name, value in sorted(outputs.items()))


def document(plan: Plan, result: Result) -> dict[str, Json]:
    """Return the summary as JSON: the body of the last line of the event stream, and of `apply`'s own document."""
    statuses = endings(plan, result)
    done = [change for change in plan.changing if statuses[change.address] is Status.DONE]
    return {
        "plan_id": plan.id,
        "stack": plan.stack,
        "operation": plan.operation,
        "status": status_word(result),
        "elapsed_seconds": round(result.seconds, 3),
        "changes": {action.value: sum(1 for change in done if change.action is action) for action in _PAST},
        "steps": {status.value: result.tally(status) for status in Status},
        "failures": [
            {
                "address": failure.outcome.address,
                "step": failure.outcome.step,
                "kind": failure.outcome.kind,
                "error": failure.outcome.error or "",
                "held_back": list(failure.held_back),
            }
            for failure in failures(result)
        ],
        "not_done": [change.address for change in _left(plan, result)],
        "fates": [{"address": address, "state": fate.word, "now": fate.now or None} for address, fate in fates_of(plan, result).items()],
        "notes": list(result.notes),
        "next_step": next_step(plan, result),
        "outputs": dict(kept_outputs(plan, result)),
    }


def _cause(outcome: Outcome, by_step: Mapping[StepId, Outcome]) -> StepId:
    """Follow what a skipped step waits for back to the step that failed."""
    step = outcome.step
    seen: set[StepId] = set()
    while step not in seen and (known := by_step.get(step)) is not None and known.skipped_because is not None:
        seen.add(step)
        step = known.skipped_because
    return step


def _left(plan: Plan, result: Result) -> list[Change]:
    if result.already or result.rolled_back:
        return []
    failed = {failure.outcome.address for failure in failures(result)}
    held = {address for failure in failures(result) for address in failure.held_back}
    if result.went_back:
        told = {outcome.step: outcome.status for outcome in result.outcomes}
        there = {outcome.address for outcome in result.outcomes if outcome.status in (Status.DONE, Status.CANCELLED)}
        there |= {step.address for step in plan.steps if step.id in result.earlier and step.id not in told}
        return [change for change in plan.changing if change.address in there - failed]
    statuses = endings(plan, result)
    return [change for change in plan.changing if statuses[change.address] is not Status.DONE and change.address not in failed | held]


def _failure_lines(failure: Failure, palette: writer.Palette, fate: Mapping[Address, Fate]) -> list[str]:
    outcome = failure.outcome
    took = sizes.show_duration(outcome.ended - outcome.started)
    now = fate[outcome.address].now if outcome.address in fate else ""
    error, what = outcome.error or "", f"{outcome.kind} failed after {took}"
    if outcome.stays:
        # It was done, and its taking back is what failed.
        error, what = error.removeprefix(f"{NOT_TAKEN_BACK}: "), f"{outcome.kind} {NOT_TAKEN_BACK}, after {took}"
    lines = [f"{palette.red}error{palette.off}: {palette.bold}{outcome.address}{palette.off}: {what}"]
    lines += [f"  {line}" for line in error.splitlines()]
    if now:
        lines.append(f"  `{outcome.address}` is {now}")
    elif outcome.unclear and KINDS[outcome.kind].power:
        lines.append(f"  nobody has looked at `{outcome.address}` since: `herocloud vm list` shows its state")
    if failure.held_back:
        lines.append(f"  {held_back_line(failure, fate)}")
    return lines


def held_back_line(failure: Failure, fate: Mapping[Address, Fate]) -> str:
    """Say what needs a failed step, and what has become of each."""
    shown = ", ".join(f"{address} ({fate[address].words})" for address in failure.held_back[:_MOST])
    more = len(failure.held_back) - _MOST
    return f"left because they need it: {shown}{f' and {more} more' if more > 0 else ''}"


def left_names(changes: list[Change], fate: Mapping[Address, Fate]) -> str:
    """Name what is left, each with what it is now."""
    shown = ", ".join(name_left(change, fate) for change in changes[:_MOST])
    return f"{shown} and {len(changes) - _MOST} more" if len(changes) > _MOST else shown


def name_left(change: Change, fate: Mapping[Address, Fate]) -> str:
    """Name a change that is left, with what its thing is now."""
    now = _now(fate[change.address])
    return f"{change.address} ({now})" if now else change.address


def _now(fate: Fate) -> str:
    if fate.word == fates.PREPARED:
        return "prepared"
    return fate.now if fate.word in (fates.BEGUN, fates.FAILED, fates.NOT_TAKEN_BACK) else ""


def _counted(changes: tuple[Change, ...], statuses: Mapping[Address, Status | None]) -> str:
    counts = {action: sum(1 for c in changes if c.action is action and statuses[c.address] is Status.DONE) for action in _PAST}
    return ", ".join(f"{number} {_PAST[action]}" for action, number in counts.items() if number)
