"""How steps and applies ended, and the events that tell of them while they run."""

from typing import NamedTuple

from herocloud.kits.jsons import Json
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


class Event(NamedTuple):
    """Something that happened during an apply, for whoever shows it."""

    type: str
    """`apply_start`, `apply_progress`, `apply_complete`, `apply_errored`, `apply_skipped`, `retry`, `note`, `summary`."""
    address: Address | None = None
    step: StepId | None = None
    kind: str | None = None
    seconds: float = 0.0
    """Elapsed since the step (or the apply) began."""
    detail: str = ""
    data: Json = None
    back: bool = False
    """True when it is about taking the step back: a completion then says that the step is undone, and not that it is made."""


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

    def tally(self, status: Status) -> int:
        """Count the steps that ended so."""
        return sum(1 for outcome in self.outcomes if outcome.status is status)

    @property
    def failed(self) -> bool:
        """Tell whether any step failed."""
        return any(outcome.status is Status.FAILED for outcome in self.outcomes)
