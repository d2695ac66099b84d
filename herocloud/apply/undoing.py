"""Taking back what an apply did, within that apply: the rollback.

It walks the same graph against its arrows and writes to the same journal, so it can itself be killed at any instant and resumed. When the
last step of an address is undone, its record is put back as it was before the apply, byte for byte, and not computed from the steps:
only so does a rollback end in exactly the records before.
"""

from collections.abc import Collection, Mapping, Sequence

from herocloud.apply.running import Ended
from herocloud.apply.sessions import Session
from herocloud.model.ids import StepId
from herocloud.model.outcomes import Outcome, Result
from herocloud.model.words import Status

_STATES = {Status.DONE: "done", Status.FAILED: "failed", Status.CANCELLED: "cancelled", Status.UNDONE: "undone"}


def take_back(session: Session, outcomes: Sequence[Outcome], states: Mapping[StepId, str], stuck: Collection[StepId] = ()) -> Result:
    """Undo every step that was begun, before this run (`states`) or in it (`outcomes`), and close the books.

    `stuck` steps had not answered when they were given up; one that comes through after its undoing leaves an orphan, so it is named.
    """
    now = dict(states)
    for outcome in outcomes:
        if outcome.status in _STATES:
            now[outcome.step] = _STATES[outcome.status]
    session.voice.note("taking back what this apply did, newest first")
    ended = session.back(now)
    merged = merge_outcomes(outcomes, ended)
    if ended.at_once:
        return session.finish(merged, status=None, back=True)
    if ended.interrupted:
        return session.finish(merged, status="interrupted", back=True)
    late = [f"`{step}` had not answered when it was taken back; `herocloud state orphans` shows it if it came through." for step in stuck]
    if all(outcome.status is Status.UNDONE for outcome in ended.outcomes):
        return session.finish(merged, status="rolled back", notes=late, back=True)
    return session.finish(merged, status="partial", notes=late, back=True)


def merge_outcomes(forward: Sequence[Outcome], back: Ended) -> list[Outcome]:
    """Tell each step once: why it failed counts more than that its half was taken back."""
    merged = {outcome.step: outcome for outcome in forward}
    for outcome in back.outcomes:
        before = merged.get(outcome.step)
        if outcome.status is Status.FAILED:
            why = f"could not be taken back: {outcome.error}"
            merged[outcome.step] = outcome._replace(error=f"{before.error}; {why}" if before is not None and before.error else why)
        elif outcome.status is Status.UNDONE and (before is None or before.status is not Status.FAILED):
            merged[outcome.step] = outcome
    return list(merged.values())
