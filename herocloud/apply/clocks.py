"""Time for the executor: what it is, and waiting for the next message.

Both live behind one small object because they belong together in tests: a clock that jumps to the next deadline whenever nothing
arrives makes an hour's time-out a matter of milliseconds, without a sleep anywhere.
"""

import queue
import time
from typing import Protocol, TypeVar

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
