"""What the caller of an operation hands in: how to run, whom to tell, when to stop, and what is approved.

The command line, the daemon and the tests each make their own. Nothing below reads the environment, installs signal handlers or cares
which thread it runs in.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol

from herocloud.apply.inspection import Rest
from herocloud.apply.steering import SYSTEM, Clock, Interrupts, Options
from herocloud.model.applies import NOBODY, Begun, Caller
from herocloud.model.errors import Blocked
from herocloud.model.ids import Address, PlanId, StepId
from herocloud.model.outcomes import Event, Result
from herocloud.model.plans import Plan
from herocloud.model.words import Approval
from herocloud.operations import approval, unfinished
from herocloud.operations.stack_plans import Planned

if TYPE_CHECKING:
    from herocloud.state.kept_store import KeptStore

Tell = Callable[[Event], None]

Watch = Callable[[Plan, Collection[StepId], Begun], AbstractContextManager[Tell]]
"""Opened for each apply that runs, with the steps that an earlier run finished; gives the listener of its events."""


class Handed(NamedTuple):
    """A plan that is approved and on its way to execution."""

    plan: Plan
    approved: frozenset[Approval]
    address: Address | None = None
    """The one VM that it is about."""
    undoes: PlanId | None = None
    saved: bool = False
    """Whether it comes from a file: then a repetition finds that it was applied."""


class HandedRest(NamedTuple):
    """What is left of an apply that did not end, approved and on its way to execution."""

    rest: Rest
    finished: Collection[StepId]
    """The steps that are done."""
    approved: frozenset[Approval]


class Ran(NamedTuple):
    """An apply that ran."""

    apply: str | None
    """Its name; nothing when there was nothing to run."""
    result: Result | None


class Carrier(Protocol):
    """Has plans run by another process: a daemon of the same data folder, which goes on when the caller is gone."""

    def carry(self, handed: Handed, how: "How") -> Ran | None:
        """Have a plan run, telling of it as if it ran here; nothing where nobody takes it. Raises what running it would raise."""
        ...

    def carry_rest(self, handed: HandedRest, how: "How") -> Ran | None:
        """Have an apply gone on with; as `carry`, and raises Stale where something else is left of it by now."""
        ...


class How(NamedTuple):
    """How to run: the executor's options, and how to wait, talk and stop."""

    options: Options
    watch: Watch
    lock_timeout: float = 30.0
    note: Callable[[str], None] = lambda _text: None
    caller: Caller = NOBODY
    interrupts: Interrupts = Interrupts()
    clock: Clock = SYSTEM
    environment: Mapping[str, str] = {}
    """The variables that a stack may name with `env:`: the caller's, never those of a daemon."""
    carrier: Carrier | None = None
    """Who is asked to run plans first; nothing runs them here."""
    accelerator: str | None = None
    """What guests that are booted run on, `kvm`, `tcg` or `auto`; nothing leaves it to the host file."""

    tidies: bool = True
    """Whether deleted data whose time has passed is destroyed at the end of an apply; a daemon does that by its clock."""
    kept: "KeptStore | None" = None
    """Where a process that stays has its state open; any other opens it for one operation."""

    def is_cancelled(self) -> bool:
        """Return whether the caller has asked to stop."""
        return self.interrupts.requests > 0


class Approver(Protocol):
    """Gets plans approved. Each method shows what it is given, returns the approved classes, or raises Blocked."""

    @property
    def asks(self) -> bool:
        """Whether a person may be asked, who thinks: never under a lock."""
        ...

    def approve(self, planned: Planned) -> frozenset[Approval]:
        """Approve a plan; one that cannot be applied or changes nothing is only shown.

        Called again when another plan has to run than the one that was approved.
        """
        ...

    def approve_rest(self, rest: Rest) -> frozenset[Approval]:
        """Approve what is left of an apply that did not end."""
        ...


class Granted:
    """An approver that never asks: what was granted is approved, and anything else is refused."""

    asks = False

    def __init__(self, classes: Collection[Approval]) -> None:
        """Grant these classes."""
        self._classes = frozenset(classes)

    def approve(self, planned: Planned) -> frozenset[Approval]:
        """Return the classes, or refuse with what is missing."""
        lacking = approval.missing(planned.plan, self._classes)
        if lacking and not planned.plan.errored and not planned.plan.blocked:
            raise Blocked([approval.refusal(planned.plan, self._classes, "these classes were not granted")])
        return self._classes

    def approve_rest(self, rest: Rest) -> frozenset[Approval]:
        """Return the classes, or refuse with what is missing."""
        lacking = rest.missing(self._classes)
        if lacking:
            raise Blocked([unfinished.refusal(rest, "these classes were not granted")])
        return self._classes
