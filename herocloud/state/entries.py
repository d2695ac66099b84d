"""What goes into the state and what comes out of it, as plain data."""

from collections.abc import Mapping
from typing import NamedTuple

from herocloud.model.ids import Address, PlanId, StackName, StepId
from herocloud.model.plans import Plan
from herocloud.model.worlds import Record


class Entry(NamedTuple):
    """One line of the journal, with what it changes in the records."""

    step: StepId
    event: str
    """`intent`, `done`, `failed`, `skipped`, `cancelled`, `undoing` or `undone`."""
    at: float
    detail: str = ""
    seconds: float = 0.0
    record: Record | None = None
    """Takes the place of what is recorded at its address."""
    remove: tuple[StackName, Address] | None = None
    rename: tuple[StackName, Address, Address] | None = None
    """Stack, old address, new address. One entry removes first, then renames, then records."""


class Unfinished(NamedTuple):
    """An apply that did not end."""

    apply: int
    plan: Plan
    states: Mapping[StepId, str]
    """The last event of each step in the journal; a step that is not here was never started."""


class Applied(NamedTuple):
    """An apply, without its plan."""

    apply: int
    plan: PlanId
    stack: StackName
    operation: str
    status: str
    """`running`, `interrupted`, `done`, `partial` or `rolled back`."""
    started: float
    ended: float | None
    serial: int
    rollback_of: PlanId | None


class AppliedPlan(NamedTuple):
    """An apply with its plan and how far each step got."""

    apply: int
    plan: Plan
    status: str
    started: float
    ended: float | None
    states: Mapping[StepId, str]
    serial: int


class Version(NamedTuple):
    """One serial: an operation and how many records it changed."""

    serial: int
    at: float
    operation: str
    plan: PlanId | None
    stack: StackName | None
    added: int
    changed: int
    removed: int


class Difference(NamedTuple):
    """What differs at one address between two serials."""

    stack: StackName
    address: Address
    before: Record | None
    after: Record | None

    @property
    def what(self) -> str:
        """Say it in a word."""
        if self.before is None:
            return "added"
        return "removed" if self.after is None else "changed"
