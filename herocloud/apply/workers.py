"""One step while it runs: its tries, its deadline, and the thread that calls its provider.

The provider knows best how long its trouble lasts, so its own delay is the first wait before another try; each further one doubles, up to
a bound. There is no jitter: jitter keeps many clients of one server apart, and here one executor speaks to one host.

Providers are called in a pool of our own: `concurrent.futures` joins its threads when the interpreter ends, so that one hung provider would
keep the process alive forever. These are daemon threads; one that is stuck is left behind and a fresh one takes its place. Threads are
made when work finds none idle, never per step, and a daemon, which runs one apply after the other, has them work for the next one too.
"""

import collections
import os
import queue
import threading
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from herocloud.apply.steering import Clock
from herocloud.model.steps import Step
from herocloud.providers.seam import Driver, Work

ATTEMPTS = 8
"""How often a step is tried at most. With a first delay of one second that is about two minutes of patience."""

LONGEST = 30.0
"""Seconds that a single wait never exceeds."""

SHORTEST = 0.01
"""Seconds that a single wait is at least, so that a provider that asks for no delay cannot make the executor spin."""


def next_delay(failures: int, asked: float, left: float) -> float | None:
    """Return the seconds to wait after this many failures, or nothing when trying again is over.

    `asked` is the delay that the provider named, `left` the time that the step still has before its time-out.
    """
    if failures >= ATTEMPTS:
        return None
    delay = min(max(asked, SHORTEST) * 2 ** (failures - 1), LONGEST)
    return delay if delay < left else None


PROGRESS_EVERY = 0.1
"""Seconds between two tidings of one step; a provider may report every block that it copies."""


class Progress(NamedTuple):
    """A tiding of a step that runs."""

    attempt: "Attempt"
    text: str
    share: float | None


class Attempt:
    """A running step. Worker threads use `stopped` and `progress` only; everything else is the coordinator's."""

    __slots__ = ("_clock", "_put", "_said", "deadline", "driver", "due", "failures", "heard", "started", "step", "stopped", "work")

    def __init__(self, step: Step, driver: Driver, timeout: float, clock: Clock, put: Callable[["Progress"], None]) -> None:
        """Begin now; tidings go to `put`."""
        self.step = step
        self.driver = driver
        self.work: Work | None = None
        """What its provider is given. Taken away at the end: it tells this attempt in turn, and neither would go without a collector."""
        self.started = clock.elapsed()
        self.deadline = self.started + timeout
        self.heard = self.started
        """When anything was last told about it."""
        self.failures = 0
        self.due: float | None = None
        """When it is to be tried again; nothing while a worker has it."""
        self.stopped = False
        self._clock = clock
        self._put = put
        self._said = 0.0

    def is_stopped(self) -> bool:
        """Tell a provider whether it should give up."""
        return self.stopped

    def progress(self, text: str, share: float | None) -> None:
        """Pass on a tiding of a provider."""
        now = self._clock.elapsed()
        if now - self._said >= PROGRESS_EVERY or share == 1.0:
            self._said = now
            self._put(Progress(self, text, share))


Key = TypeVar("Key")


class Finished(NamedTuple):
    """A task that ended: with a value, or with whatever it raised."""

    key: object
    value: object
    error: BaseException | None


class Crew(Generic[Key]):
    """Daemon threads that run tasks and put a `Finished` for each into one queue."""

    def __init__(self, messages: "queue.SimpleQueue[object]") -> None:
        """Start with nobody; `messages` is where results go."""
        self._messages = messages
        self._tasks: queue.SimpleQueue[tuple[object, Callable[[], object]] | None] = queue.SimpleQueue()
        self._threads = 0
        self._busy = 0

    def start(self, key: Key, task: Callable[[], object]) -> None:
        """Run `task` in some thread."""
        self._busy += 1
        if self._busy > self._threads:
            self._threads += 1
            _hire(self._work)
        self._tasks.put((key, task))

    def took_back(self) -> None:
        """Note that a `Finished` was received, so that its thread is idle again."""
        self._busy -= 1

    def lost(self) -> None:
        """Note that a thread is stuck: it no longer counts, and its late result is nobody's.

        If it comes back after all it takes tasks again, so one thread more than needed may exist; that does no harm.
        """
        self._busy -= 1
        self._threads -= 1

    def dismiss(self) -> None:
        """Send the idle threads home; stuck ones end with the process."""
        for _ in range(self._threads):
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            key, call = task
            try:
                finished = Finished(key, call(), None)
            except BaseException as error:  # noqa: BLE001  (whatever a provider raises must end as an outcome, never as a silent thread)
                finished = Finished(key, None, error)
            self._messages.put(finished)
            # Holding on to the last result would keep its part alive for as long as this thread is idle.
            del task, call, finished


IDLE_SECONDS = 5.0
"""For how long a thread waits for the next apply."""
_idle: collections.deque["queue.SimpleQueue[Callable[[], None]]"] = collections.deque()
"""Where threads that nobody needs wait for something to do."""
# A child has none of the threads of its parent.
os.register_at_fork(after_in_child=_idle.clear)


def _hire(work: Callable[[], None]) -> None:
    """Do this in a thread that has nothing to do, or in a new one."""
    try:
        inbox = _idle.pop()
    except IndexError:
        threading.Thread(target=_serve, args=(work,), name="herocloud-step", daemon=True).start()
    else:
        inbox.put(work)


def _serve(work: Callable[[], None]) -> None:
    inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    while True:
        work()
        # Holding on to it would keep an apply that has ended.
        del work
        _idle.append(inbox)
        try:
            work = inbox.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            try:
                _idle.remove(inbox)
            except ValueError:
                # Somebody has taken it at this very moment.
                work = inbox.get()
            else:
                return
