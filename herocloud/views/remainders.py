"""What is left of an apply that did not end, before somebody approves it."""

from herocloud.apply.inspection import Left, Rest, Seen
from herocloud.kits.jsons import Json
from herocloud.model.applies import Pending
from herocloud.model.words import GLYPHS, Action
from herocloud.views import phrases, values, writer


def pending_document(pending: Pending) -> dict[str, Json]:
    """Return one entry of `unfinished` in a plan."""
    return {
        "apply_id": pending.id,
        "plan_id": pending.plan,
        "stack": pending.stack,
        "operation": pending.operation,
        "status": "running" if pending.alive else "interrupted",
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
        "left": [
            {
                "address": one.change.address,
                "action": one.change.action.value,
                "classes": [needed.value for needed in one.classes],
                "steps": one.steps,
                "begun": one.begun,
            }
            for one in rest.left
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
    wide = max((len(one.change.address) for one in rest.left), default=0)
    lines += [_line(one, wide, palette, back=rest.rollback) for one in rest.left] or ["  nothing but to close the books"]
    if rest.seen:
        lines += ["", "Of what was under way when it stopped, the host shows:"]
        lines += [f"  {seen_step.step.address}: {seen_step.step.kind} {_found(seen_step)}" for seen_step in rest.seen]
    return "\n".join(lines)


def _line(one: Left, wide: int, palette: writer.Palette, *, back: bool) -> str:
    change = one.change
    sign = f"{writer.of_action(palette, change.action)}{GLYPHS[change.action].rjust(3)}{palette.off}"
    state = "begun, " if one.begun and not back else ""
    steps = f"{one.steps} step{'' if one.steps == 1 else 's'} {'to take back' if back else 'left'}"
    note = f" · {change.note}" if change.note and (not back or change.action is not Action.DELETE) else ""
    return f"  {sign} {change.address.ljust(wide)}   {phrases.action_words(change)} · {state}{steps}{note}"


def _found(seen_step: Seen) -> str:
    words = {"done": "is done", "not started": "has not started", "half done": "is half done", "unknown": "could not be looked at"}
    said = words.get(seen_step.found, "matches neither the state before nor after this step")
    return f"{said}: {seen_step.detail}" if seen_step.detail else said
