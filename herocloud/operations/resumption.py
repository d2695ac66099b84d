"""Resuming: an apply that did not end is finished or taken back, once somebody has approved what is left of it."""

from collections.abc import Collection
from pathlib import Path

from herocloud.apply.inspection import Rest
from herocloud.model.applies import Pending, Scope, apply_id
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Locked, Refused, Stale
from herocloud.model.words import Approval
from herocloud.operations import admission, execution, unfinished
from herocloud.operations.attempts import MOST_TRIES, OVERTAKEN, Recovered
from herocloud.operations.callers import Approver, Carrier, HandedRest, How, Ran


def resume(
    folder: Path, how: How, approver: Approver, *, rollback: bool = False, which: str | None = None, stack: str | None = None
) -> Recovered | None:
    """Go on with an unfinished apply once what is left is approved; nothing when there is none, and then nothing is written either."""
    pending = unfinished.choose(folder, which, stack)
    if pending is None:
        if rollback:
            raise nothing_to_take_back(last_failed(folder, stack))
        return None
    return go_on(folder, pending, how, approver, rollback=rollback)


def go_on(folder: Path, pending: Pending, how: How, approver: Approver, *, rollback: bool) -> Recovered | None:
    """Get what is left approved, then finish the apply or take it back; nothing when another process brought it to its end meanwhile."""
    decided = None
    approved: frozenset[Approval] = frozenset()
    if not pending.alive:
        decided = _describe(folder, pending, rollback=rollback)
        approved = approver.approve_rest(decided)
    if decided is not None and how.carrier is not None:
        carried = _hand_over(folder, decided, how.carrier, how, approver, approved)
        if carried is not None:
            return None if carried.result is None else Recovered(decided.plan, carried.result, pending.id)
    for _ in range(MOST_TRIES):
        with admission.working(folder, Scope(pending.stack), how.caller.command or "resume", pending.plan, how) as store:
            if store.unfinished(pending.number) is None:
                return None
            # Between the look and the lock somebody else may have gone on with it and been interrupted again.
            now = _describe(folder, pending, rollback=rollback)
            is_decided = decided is not None and now.left == decided.left
            if not is_decided and not approver.asks:
                approved, is_decided = approver.approve_rest(now), True
            if is_decided:
                ran = execution.go_on(store, pending, how, rollback=rollback, approved=approved)
                return Recovered(now.plan, ran.result, pending.id)
        decided, approved = now, approver.approve_rest(now)
    raise Locked([OVERTAKEN])


def _hand_over(folder: Path, rest: Rest, carrier: Carrier, how: How, approver: Approver, approved: frozenset[Approval]) -> Ran | None:
    """Have another process go on with it; nothing where nobody takes it."""
    for _ in range(MOST_TRIES):
        _, states = unfinished.load(folder, rest.pending)
        finished = [step for step, state in states.items() if state == "done"]
        try:
            return carrier.carry_rest(HandedRest(rest, finished, approved), how)
        except Stale:
            rest = _describe(folder, rest.pending, rollback=rest.rollback)
            approved = approver.approve_rest(rest)
    raise Locked([OVERTAKEN])


def _describe(folder: Path, pending: Pending, *, rollback: bool) -> Rest:
    """Return what is left; raises where that relies on deleted data that is gone, before anything is interrupted for it."""
    rest = unfinished.describe(folder, pending, rollback=rollback)
    if rest.gone:
        raise unfinished.data_gone(rest)
    return rest


def last_failed(folder: Path, stack: str | None, hidden: Collection[int] = ()) -> str:
    """Return the name of the newest apply where it did not succeed; nothing where it did. Nothing of either waits.

    `hidden` are the serials of applies that the caller may not know of.
    """
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return ""
    with opened:
        seen = (past for past in opened.undoable() if past.serial not in hidden)
        last = next((past for past in seen if stack in (None, past.stack) and not past.in_passing), None)
    return apply_id(last.apply) if last is not None and last.status == "partial" else ""


def say_nothing_to_resume(failed: str) -> str:
    """Say that no apply waits, and what leads on from the last one where it did not succeed."""
    ways = f"`herocloud apply` does what is left, `herocloud undo {failed}` takes back what it did"
    why = f"`{failed}` did not succeed, and nothing of it waits. {ways}" if failed else "the last apply came to its end"
    return f"There is nothing to resume: {why}."


def nothing_to_take_back(failed: str) -> Refused:
    """Refuse to take back what does not wait; `failed` names the last apply where it did not succeed."""
    return Refused([_over(failed) if failed else _NOTHING])


def _over(failed: str) -> Diagnostic:
    detail = f"`{failed}` did not succeed, and nothing of it waits: what it did is over."
    hint = f"`herocloud undo {failed}` takes back what it did, `herocloud apply` does what is left"
    return Diagnostic("nothing-unfinished", "No apply was interrupted", detail, hint=hint)


_NOTHING = Diagnostic(
    "nothing-unfinished",
    "There is nothing to take back",
    "The last apply came to its end.",
    hint="`herocloud undo` takes back a finished apply",
)
