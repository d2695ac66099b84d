"""What steers an apply from outside: options, the clock and requests to stop.

Time and waiting for the next message live behind one small object, because tests need both: a clock that jumps to the next deadline when
nothing arrives makes an hour's time-out take milliseconds, without a sleep.

Requests to stop only count and wake the coordinator. Its loop decides what they mean, between two transactions, so an interrupt never
tears one. Where they come from is up to the caller: signals, a method of the daemon, a test.
"""

import queue
import time
from types import TracebackType
from typing import NamedTuple, Protocol, Self, TypeVar

from herocloud.model.steps import PARALLELISM


class Options(NamedTuple):
    """The choices of the caller who starts an apply."""

    parallelism: int = PARALLELISM
    """How many steps run at once at most; `model.steps.LANES` bounds each resource class below that."""
    on_failure: str | None = None
    """What a failed step means; nothing where nobody said so, see `settled_for`.
    `stop`: changes that have begun are carried to their end, as far as they do not need the failed step, and no other begins.
    `continue`: everything that does not need the failed step still runs. `rollback`: nothing new starts, and then everything that this
    apply did is taken back, newest first."""
    step_timeout: float | None = None
    """Seconds after which any step counts as failed, in place of the time-out of its kind."""
    shutdown: float | None = None
    """Seconds that guests have to shut down before their power is cut; 0 cuts it at once, nothing leaves it to the hypervisor."""
    grace: float = 30.0
    """Seconds that running steps have to finish after the first interrupt."""

    def settled_for(self, operation: str) -> "Options":
        """Return these choices with what a failed step means where nobody said so, at the beginning of an operation and when it resumes.

        Half a copy is of no use, and in the way of the next try.
        """
        return self if self.on_failure is not None else self._replace(on_failure="rollback" if operation in _COPYING else "stop")

    def gives_up(self, operation: str) -> bool:
        """Return whether an interrupt takes an operation back as a failure does, rather than leave it for later."""
        return self.on_failure == "rollback" and operation in _COPYING


_COPYING = frozenset({"vm snapshot create", "vm clone", "vm import"})
_GUEST_SECONDS = 60.0
"""What a step that stops a guest can give it within its own time-out."""


def limit_for(shutdown: float | None) -> float | None:
    """Return the time-out of steps when guests have so long to shut down: one that was given longer has it."""
    return None if shutdown is None or shutdown <= _GUEST_SECONDS else shutdown + _GUEST_SECONDS


Item = TypeVar("Item")


class Clock(Protocol):
    """Wall-clock time for the journal, monotonic time for deadlines, and waiting."""

    def now(self) -> float:
        """Seconds since 1970, for people and the journal; may be set back, so nothing is ever measured with it."""
        ...

    def elapsed(self) -> float:
        """Seconds that only go forward."""
        ...

    def wait(self, messages: "queue.SimpleQueue[Item]", timeout: float | None) -> Item | None:
        """Return the next message, or nothing when `timeout` seconds passed without one."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def elapsed(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()

    def wait(self, messages: "queue.SimpleQueue[Item]", timeout: float | None) -> Item | None:
        """Wait in one piece: signals interrupt it, because their handler puts a message."""
        try:
            return messages.get(timeout=timeout)
        except queue.Empty:
            return None


SYSTEM = SystemClock()


class Wake:
    """The message that makes the coordinator look at its interrupts."""


WAKE = Wake()


class Interrupts:
    """Counts the requests to stop: one is polite, two mean now. The caller of an apply calls `stop`, from any thread."""

    def __init__(self) -> None:
        """Start without any request."""
        self.requests = 0
        self._heeded = 0
        self._queues: list[queue.SimpleQueue[object]] = []

    def stop(self) -> None:
        """Ask to stop; the second time, to stop at once. Safe in a signal handler and from any thread."""
        self.requests += 1
        for messages in self._queues:
            messages.put(WAKE)

    @property
    def unheeded(self) -> int:
        """How many requests nothing was done about yet."""
        return self.requests - self._heeded

    def heed(self) -> None:
        """Take the requests so far as answered: what runs next runs because of them, and stops at the next one."""
        self._heeded = self.requests

    def attach(self, messages: "queue.SimpleQueue[object]") -> None:
        """Wake the thread that waits on `messages` at each request."""
        self._queues.append(messages)
        if self.requests:
            messages.put(WAKE)

    def detach(self, messages: "queue.SimpleQueue[object]") -> None:
        """Wake them no more."""
        self._queues.remove(messages)

    def __enter__(self) -> Self:
        """Begin to listen, where requests come from outside: the command line listens to signals."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Listen no more."""
