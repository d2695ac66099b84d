"""What is left of an apply that did not end, before somebody approves it."""

from herocloud.apply.inspection import Left, Rest, Seen
from herocloud.kits.jsons import Json
from herocloud.model.applies import Pending
from herocloud.model.words import GLYPHS, Action, Impact
from herocloud.views import phrases, values, writer


def status_of(pending: Pending) -> str:
    """Return whether somebody works on an apply, in a word."""
    return "running" if pending.alive else "interrupted"


def pending_document(pending: Pending) -> dict[str, Json]:
    """Return one entry of `unfinished` in a plan."""
    return {
        "apply_id": pending.id,
        "plan_id": pending.plan,
        "stack": pending.stack,
        "operation": pending.operation,
        "status": status_of(pending),
        "started": pending.started,
        "user": pending.caller.user,
        "command": pending.caller.command,
        "approved": [approval.value for approval in pending.approved],
    }


def document(rest: Rest) -> dict[str, Json]:
    """Return what is left as JSON."""
    return {
        **pending_document(rest.pending),
        "direction": "back" if rest.rollback else "forward",
        "steps_done": rest.done,
        **({"nothing_comes_back": rest.all_lost} if rest.rollback else {}),
        "left": [
            {
                "address": left.change.address,
                "action": left.change.action.value,
                "classes": [needed.value for needed in left.classes],
                "steps": left.steps,
                "begun": left.begun,
                **({"comes_back": left.comes_back, "lost_snapshots": [*left.snapshots]} if rest.rollback else {}),
            }
            for left in rest.left
        ],
        "in_flight": [
            {
                "step": seen_step.step.id,
                "address": seen_step.step.address,
                "kind": seen_step.step.kind,
                "found": seen_step.found,
                "detail": seen_step.detail,
            }
            for seen_step in rest.seen
        ],
    }


def render(rest: Rest, *, color: bool = False) -> str:
    """Write what is left, as a person approves it."""
    palette = writer.choose(color=color)
    pending = rest.pending
    by = f" by {pending.caller.user}" if pending.caller.user else ""
    asked = f"{pending.caller.command or pending.operation}, plan {pending.plan}, begun {values.show_moment(pending.started)}{by}"
    lines = [
        f"{palette.bold}{pending.id} of stack {pending.stack} is not finished{palette.off}: {asked}.",
        f"{rest.done} of {len(rest.plan.steps)} steps are done. " + ("To be taken back:" if rest.rollback else "Left to do:"),
        "",
    ]
    wide = max((len(left.change.address) for left in rest.left), default=0)
    lines += [_line(left, wide, palette, back=rest.rollback) for left in rest.left] or ["  nothing but to close the books"]
    lost = [
        left.change.address if left.lost else f"{left.change.address} ({_snapshots(left)})"
        for left in rest.left
        if left.lost or left.snapshots
    ]
    if rest.all_lost:
        way_out = "" if rest.turned else f" `herocloud resume {pending.id}` finishes it instead."
        lines += ["", f"Nothing can be taken back: all of the data is gone for good.{way_out}"]
    elif lost:
        lines += ["", f"Cannot come back, because the data is gone for good: {', '.join(lost)}."]
    if rest.seen:
        lines += ["", "Of what was under way when it stopped, the host shows:"]
        lines += [f"  {seen_step.step.address}: {seen_step.step.kind} {_found(seen_step)}" for seen_step in rest.seen]
    return "\n".join(lines)


def _line(left: Left, wide: int, palette: writer.Palette, *, back: bool) -> str:
    change = left.change
    sign = f"{writer.of_action(palette, change.action)}{GLYPHS[change.action].rjust(3)}{palette.off}"
    state = "begun, " if left.begun and not back else ""
    steps = f"{state}{left.steps} step{'' if left.steps == 1 else 's'} {'to take back' if back else 'left'}" if left.steps else ""
    # Taking back what took a VM down takes it down again, and what stays down comes up by it.
    down = phrases.down_words(change) if left.steps and not (back and change.downtime is None) else ""
    words = (phrases.action_words(change), steps, down, _note_back(left) if back else change.note)
    return f"  {sign} {change.address.ljust(wide)}   {' · '.join(filter(None, words))}"


def _note_back(left: Left) -> str:
    """Say what taking a change back does to data; the note of the plan says what doing it does."""
    if left.lost:
        classes = ", ".join(f"`{needed.value}`" for needed in left.classes)
        replaced = " and what took its place is removed" if left.change.action is Action.REPLACE and left.steps else ""
        return f"cannot come back: its data is gone for good{replaced} (needs {classes})"
    if left.because:
        others = ", ".join(f"`{address}`" for address in left.because if address != left.change.address)
        why = f"{others} cannot come back" if others else "the host matches neither the state before nor after a step of it"
        without = f", and {_snapshots(left)} {'are' if len(left.snapshots) > 1 else 'is'} gone for good" if left.snapshots else ""
        return f"{'not as a whole' if left.steps else 'not taken back'}: {why}{without}"
    if left.size_stays:
        return f"not as a whole: {left.size_stays.rstrip('.')}"
    if left.snapshots:
        return f"without {_snapshots(left)}, which {'are' if len(left.snapshots) > 1 else 'is'} gone for good"
    if left.change.action is Action.CREATE and left.change.impact < Impact.DATA and left.change.kind in ("vm", "volume"):
        return "removed with whatever was written to it since"
    return ""


def _snapshots(left: Left) -> str:
    """Name the snapshots that a rollback cannot bring back."""
    return f"snapshot{'s' if len(left.snapshots) > 1 else ''} {', '.join(f'`{name}`' for name in left.snapshots)}"


def _found(seen_step: Seen) -> str:
    words = {"done": "is done", "not started": "has not started", "half done": "is half done", "unknown": "could not be looked at"}
    said = words.get(seen_step.found, "matches neither the state before nor after this step")
    return f"{said}: {seen_step.detail}" if seen_step.detail else said
