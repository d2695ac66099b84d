"""How steps and applies ended, and the events that tell of them while they run."""

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.ids import Address, PlanId, StepId
from herocloud.model.words import Status


class Outcome(NamedTuple):
    """How one step ended."""

    step: StepId
    address: Address
    kind: str
    status: Status
    started: float
    """Seconds since the apply began."""
    ended: float
    error: str | None = None
    skipped_because: StepId | None = None
    """What a skipped step needs and did not get; nothing when it was not started because the apply stopped at the first failure."""
    back_failed: bool = False
    """True when it could not be taken back: what it did, or a part of it, may still be there."""
    stays: bool = False
    """True when it could not be taken back and was done before: what it did may still be there."""

    @property
    def unclear(self) -> bool:
        """Return whether it began and did not say what came of it: what it failed at may have come about all the same."""
        return self.back_failed or self.status is Status.FAILED or (self.status is Status.CANCELLED and self.error is not None)


NOT_TAKEN_BACK = "could not be taken back"
"""How the error of such a step begins, or goes on."""


EventType = Literal[
    "apply_start", "apply_progress", "apply_complete", "apply_errored", "apply_skipped", "retry", "note", "closing", "closed", "summary"
]
"""`closing` and `closed` are about an apply that did not end, before and after what is under way of it is brought to an end."""


class ProgressData(TypedDict):
    """With `apply_progress`."""

    share: float | None
    """From 0 to 1; nothing where nobody can tell."""


class TakenBackData(TypedDict):
    """With `apply_complete` of a step that was taken back."""

    left: int
    """How many steps of the same address are still to be taken back."""


class SkippedData(TypedDict):
    """With `apply_skipped`."""

    because: StepId | None
    """What the step needs and did not get; nothing when it was not started because the apply stopped at the first failure."""
    stopped_by: NotRequired[StepId]
    """The step whose failure stopped the apply."""


RetryData = TypedDict("RetryData", {"delay": float, "try": int})
"""With `retry`: in how many seconds, and which attempt it will be."""


class SummaryData(TypedDict):
    """With `summary`: how many steps ended in which way, and how the apply did."""

    done: int
    failed: int
    skipped: int
    cancelled: int
    undone: int
    status: str
    plan: PlanId


EventData = ProgressData | SkippedData | TakenBackData | RetryData | SummaryData


class Event(NamedTuple):
    """Something that happened during an apply, for any view that shows it."""

    type: EventType
    address: Address | None = None
    step: StepId | None = None
    kind: str | None = None
    seconds: float = 0.0
    """Elapsed since the step (or the apply) began."""
    detail: str = ""
    data: EventData | None = None
    back: bool = False
    """True when it is about taking the step back: a completion then says that the step is undone, and not that it is made."""
    apply: str = ""
    """The name of the apply, such as `apply-12`: one command may run several, and close one that did not end."""


class Result(NamedTuple):
    """How a whole apply ended."""

    plan: PlanId
    outcomes: tuple[Outcome, ...]
    seconds: float
    interrupted: bool = False
    rolled_back: bool = False
    already: bool = False
    """True when this plan had been applied before and the world is as it left it."""
    notes: tuple[str, ...] = ()
    went_back: bool = False
    """True when the apply was being taken back, whether or not that came to its end."""
    earlier: frozenset[StepId] = frozenset()
    """Steps that an earlier run of this apply had done: they have no outcome in this one."""
    apply: str = ""
    """The name of the apply, which is unique while the id of a plan may recur; empty where nothing ran."""
    undo_refused: str = ""
    """What stands against an undo of what is done; empty where nothing does, or where nobody asked."""
    undo_idle: bool = False
    """True where nothing has come about that an undo would take back."""
    seen: Mapping[Address, str] = {}
    """What VMs were found to be after it (`gone`, `stopped`, `paused`, `running`) where steps that failed do not tell."""
    rehearsed: bool = False
    """True where it ran on a copy: nothing is there to go on with or to take back, and an apply of this name is another one."""

    def tally(self, status: Status) -> int:
        """Count the steps that ended so."""
        return sum(1 for outcome in self.outcomes if outcome.status is status)

    @property
    def has_effect(self) -> bool:
        """Return whether something was done: by an earlier run as well, and also what a rollback took back before it came to a halt."""
        return bool(self.earlier) or any(outcome.status in (Status.DONE, Status.UNDONE) for outcome in self.outcomes)

    @property
    def failed(self) -> bool:
        """Return whether any step failed."""
        return any(outcome.status is Status.FAILED for outcome in self.outcomes)
