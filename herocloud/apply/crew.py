"""The threads that call providers.

A pool of our own: `concurrent.futures` joins its threads when the interpreter ends, so that one hung provider would keep the process
alive for ever. These are daemon threads; one that is stuck is left behind and a fresh one takes its place. Threads are made when work
finds none idle, never per step.
"""

import queue
import threading
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

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
            threading.Thread(target=self._work, name=f"herocloud-step-{self._threads}", daemon=True).start()
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
