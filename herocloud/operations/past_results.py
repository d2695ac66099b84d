"""How an apply went, for those who were not there when it ended: the result that its executor returned, read back from the journal.

The journal keeps what became of each step. What an executor says in passing, its notes, is not in it.
"""

from collections.abc import Collection, Sequence
from pathlib import Path

from herocloud.model.applies import apply_id
from herocloud.model.ids import StepId
from herocloud.model.outcomes import NOT_TAKEN_BACK, Outcome, Result
from herocloud.model.plans import Plan
from herocloud.model.steps import Step
from herocloud.model.words import Status
from herocloud.operations import way_back
from herocloud.state.history import Line, PastRun

_BACK = ("undoing", "undone")
_NOT_ENDED = ("running", "interrupted")


def read(folder: Path, number: int) -> Result | None:
    """Return how far an apply came, or how it ended; nothing where the state does not know it any more."""
    past = _find(folder, number)
    return None if past is None else way_back.ask(folder, number, _result(past))


def count_left(folder: Path, number: int) -> int | None:
    """Return how many steps of an apply are not done; nothing where the state does not know it any more."""
    past = _find(folder, number)
    return None if past is None else len(past.plan.steps) - sum(one.status is Status.DONE for one in _result(past).outcomes)


def _find(folder: Path, number: int) -> PastRun | None:
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return None
    with opened:
        return opened.past_run(number)


def _result(past: PastRun) -> Result:
    applied, lines = past.applied, past.lines
    last = applied.ended or max((line.at for line in lines), default=applied.started)
    went_back = any(line.event in _BACK for line in lines)
    by_step: dict[StepId, list[Line]] = {}
    for line in lines:
        by_step.setdefault(line.step, []).append(line)
    return Result(
        plan=past.plan.id,
        outcomes=tuple(_outcomes(past.plan, by_step, applied.started)),
        seconds=max(0.0, last - applied.started),
        interrupted=applied.status in _NOT_ENDED,
        # One that an undo took back later ended well itself.
        rolled_back=went_back and applied.status == "rolled back",
        went_back=went_back,
        apply=apply_id(applied.apply),
    )


def _outcomes(plan: Plan, by_step: dict[StepId, list[Line]], began: float) -> list[Outcome]:
    """Return what became of each step that began, or that was left because of another."""
    known = frozenset(step.id for step in plan.steps)
    return [_outcome(step, by_step[step.id], known, began) for step in plan.steps if step.id in by_step]


def _outcome(step: Step, lines: Sequence[Line], known: Collection[StepId], began: float) -> Outcome:
    forward = [line for line in lines if line.event not in _BACK]
    back = [line for line in lines if line.event in _BACK]
    last = (back or forward)[-1]
    ended = max(0.0, last.at - began)
    outcome = Outcome(step.id, step.address, step.kind, Status.CANCELLED, max(0.0, ended - last.seconds), ended)
    if forward:
        outcome = _of_forward(outcome, forward[-1], known)
    if not back:
        return outcome
    if last.event == "undone":
        # Why it failed counts more than that its half was taken back.
        return outcome if outcome.status is Status.FAILED else outcome._replace(status=Status.UNDONE, error=None)
    why = f"{NOT_TAKEN_BACK}: {last.detail}" if last.detail else NOT_TAKEN_BACK
    error = f"{outcome.error}; {why}" if outcome.error else why
    stays = outcome.status is Status.DONE
    return outcome._replace(status=Status.FAILED if last.detail else Status.CANCELLED, error=error, back_failed=True, stays=stays)


def _of_forward(outcome: Outcome, line: Line, known: Collection[StepId]) -> Outcome:
    if line.event == "done":
        return outcome._replace(status=Status.DONE)
    if line.event == "failed":
        return outcome._replace(status=Status.FAILED, error=line.detail)
    if line.event == "skipped":
        # Its detail names the step that it waited for, or says in words why else it was left.
        return outcome._replace(status=Status.SKIPPED, skipped_because=StepId(line.detail) if line.detail in known else None)
    return outcome._replace(error=line.detail or "it was cut off")
