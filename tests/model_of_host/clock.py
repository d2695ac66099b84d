"""The time of the model: nothing waits for real, and the same seed gives the same order of everything.

Workers that call the model sleep here. When all of them sleep, the executor's own wait moves the time on to whatever comes first: the end
of a sleep, a deadline of the executor, or a blow from outside (an interrupt, a kill). One sleeper wakes at a time.
"""

import contextlib
import heapq
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from herocloud.apply import coordinator, workers


class Killed(BaseException):
    """The process that applied is gone at this instant."""


class Cut(BaseException):
    """The call of a worker ends here, because its process was killed."""


class _Sleeper:
    __slots__ = ("cut", "moment", "rank", "turn")

    def __init__(self, moment: float, rank: tuple[int, str]) -> None:
        self.moment, self.rank, self.turn, self.cut = moment, rank, threading.Event(), False

    def __lt__(self, other: "_Sleeper") -> bool:
        return (self.moment, self.rank) < (other.moment, other.rank)


_ASLEEP = object()
"""Wakes the executor's wait when one more worker sleeps; the executor itself takes no notice of it."""


class HostClock:
    """The clock of the model, and the executor's clock too."""

    def __init__(self) -> None:
        self.time = 0.0
        self.killed = False
        self._lock = threading.Lock()
        self._sleepers: list[_Sleeper] = []
        self._calls = 0
        self._messages: queue.SimpleQueue[Any] | None = None
        self._blows: list[tuple[float, int, Callable[[], None]]] = []

    # What the executor asks.

    def now(self) -> float:
        return 1_700_000_000.0 + self.time

    def elapsed(self) -> float:
        return self.time

    def wait(self, messages: "queue.SimpleQueue[Any]", timeout: float | None) -> Any:
        """Return the next message, or nothing when `timeout` seconds passed on this clock."""
        if self.killed:
            raise Killed
        self._messages = messages
        deadline = None if timeout is None else self.time + timeout
        while True:
            try:
                message = messages.get_nowait()
            except queue.Empty:
                if not self._all_asleep():
                    message = messages.get(timeout=20)
                elif self._move_on(deadline):
                    return None
                else:
                    continue
            if message is _ASLEEP:
                continue
            return message

    def _all_asleep(self) -> bool:
        with self._lock:
            return len(self._sleepers) >= self._calls

    def _move_on(self, deadline: float | None) -> bool:
        """Let the first thing happen that is due; tells whether that is the deadline of whoever waits."""
        with self._lock:
            first = self._sleepers[0].moment if self._sleepers else None
            if self._blows and (first is None or self._blows[0][0] <= first) and (deadline is None or self._blows[0][0] <= deadline):
                moment, _, blow = heapq.heappop(self._blows)
                self.time = max(self.time, moment)
            elif first is not None and (deadline is None or first <= deadline):
                self.time = max(self.time, first)
                heapq.heappop(self._sleepers).turn.set()
                return False
            else:
                assert deadline is not None, "everybody waits for ever"
                self.time = max(self.time, deadline)
                return True
        blow()
        return False

    # What the model asks.

    def sleep(self, seconds: float, rank: tuple[int, str]) -> None:
        """Let time pass in a worker; among those that end at the same moment the lowest rank wakes first.

        Even no time at all makes it wait for its turn, so that what is ready at once ends in an order that is always the same.
        """
        if not threading.current_thread().name.startswith("herocloud-step"):
            return
        with self._lock:
            if self.killed:
                raise Cut
            sleeper = _Sleeper(self.time + seconds, rank)
            heapq.heappush(self._sleepers, sleeper)
        if self._messages is not None:
            self._messages.put(_ASLEEP)
        sleeper.turn.wait()
        if sleeper.cut:
            raise Cut

    # Blows from outside.

    def at(self, moment: float, blow: Callable[[], None]) -> None:
        """Do this at a moment of the clock, while an apply waits for its workers."""
        heapq.heappush(self._blows, (moment, len(self._blows), blow))

    def kill(self) -> None:
        """End the process that applies."""
        self.killed = True
        raise Killed

    @contextlib.contextmanager
    def process(self) -> Iterator[None]:
        """Run one process: counts the calls that its executor makes, and ends them all when it dies or comes to its end."""
        original, take_in = workers.Crew.start, coordinator.Runner._take_in

        def start(crew: Any, key: object, task: Callable[[], object]) -> None:
            with self._lock:
                self._calls += 1
            self._messages = crew._messages
            original(crew, key, task)

        def taking_in(runner: Any, message: object) -> None:
            self._calls -= isinstance(message, workers.Finished)
            take_in(runner, message)

        workers.Crew.start = start  # type: ignore[method-assign, assignment]
        coordinator.Runner._take_in = taking_in  # type: ignore[method-assign]
        self.killed, self._calls, self._blows = False, 0, []
        try:
            yield
        finally:
            workers.Crew.start = original  # type: ignore[method-assign]
            coordinator.Runner._take_in = take_in  # type: ignore[method-assign]
            self.killed = True
            with self._lock:
                left, self._sleepers = self._sleepers, []
            for sleeper in sorted(left):
                sleeper.cut = True
                sleeper.turn.set()
                # One after the other, so that what each leaves behind does not hang on chance.
                while self._messages is not None and not isinstance(self._messages.get(timeout=20), workers.Finished):
                    continue
            self._messages = None
