"""Applies as the state knows them: who asked for one, what it may touch while it runs, and those that did not end."""

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.ids import Address, PlanId, StackName
from herocloud.model.words import Approval


class Caller(NamedTuple):
    """Who asked for an operation; the state log keeps it."""

    user: str = ""
    command: str = ""
    """`apply`, `vm stop`, `rpc apply`: what that person or program called."""
    job: str = ""
    """The daemon's own name for the work; empty for the command line."""


NOBODY = Caller()


class Scope(NamedTuple):
    """What is locked while something runs: the host, one stack, or one VM of a stack."""

    stack: StackName | None = None
    address: Address | None = None

    @property
    def kind(self) -> str:
        """Return the scope in a word."""
        if self.stack is None:
            return "host"
        return "stack" if self.address is None else "vm"

    def covers(self, other: "Scope") -> bool:
        """Return whether two works cannot run at once, because one of the two locks is inside of the other."""
        if self.stack is None or other.stack is None:
            return True
        return self.stack == other.stack and (self.address is None or other.address is None or self.address == other.address)


HOST = Scope()


class Pending(NamedTuple):
    """An apply that runs, or that did not end."""

    number: int
    plan: PlanId
    stack: StackName
    operation: str
    status: str
    """`running`, or `interrupted` by somebody who asked it to stop. One that is `running` while nobody works on it was cut off."""
    started: float
    caller: Caller = NOBODY
    approved: tuple[Approval, ...] = ()
    """The classes that were approved when it began."""
    address: Address | None = None
    """The one VM that it is about; nothing for an apply of a whole stack."""
    alive: bool = False
    """Whether a process works on it at this moment."""

    @property
    def id(self) -> str:
        """Return the name of the apply, which no other run of the same plan has."""
        return apply_id(self.number)

    @property
    def scope(self) -> Scope:
        """Return what is locked while it runs."""
        return Scope(self.stack, self.address)


class Begun(NamedTuple):
    """What is known of an apply when it begins to run, beside its plan."""

    apply: int | None
    """Its number; nothing where another process runs it, and for a rehearsal."""
    closes: bool = False
    """Whether it is only closed: another plan, which has not begun yet, removes what it has made."""


_PREFIX = "apply-"


def apply_id(number: int) -> str:
    """Return the name of an apply."""
    return f"{_PREFIX}{number}"


def apply_number(text: str) -> int | None:
    """Return the number in the name of an apply; nothing when the text is not such a name."""
    number = text.removeprefix(_PREFIX)
    return int(number) if number != text and number.isdecimal() else None


ENDED = (None, "done", "skipped", "undone")
"""States of steps of which the journal knows how they ended."""
