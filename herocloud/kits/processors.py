"""Which processors the threads of this process run on, and all that it starts.

Only one thread of Python computes at a time. A process with many threads that hand this right to one another thousands of times a second
does a third less work for the same result when they share a processor: on several, each time another one has to wake up, with nothing in
its caches. What such a process starts is not meant to share that processor: a VMM would inherit it, and its guest with it.
"""

import contextlib
import os
from _thread import allocate_lock, get_native_id
from collections.abc import Collection, Iterator

_lock = allocate_lock()
_apart: set[int] = set()
"""Threads that run everywhere for now."""


class _Places:
    """Where threads run: `given` is known once they are kept together."""

    given: frozenset[int] | None = None
    together: frozenset[int] = frozenset()


places = _Places()


def whole() -> set[int]:
    """Return the processors that this process was given, whether its threads are kept together or not."""
    return os.sched_getaffinity(os.getpid()) if places.given is None else set(places.given)


def keep_together(processors: Collection[int]) -> None:
    """Have all threads run on these processors, and those that they begin; what is `everywhere` comes when it is done there."""
    with _lock:
        if places.given is None:
            places.given = frozenset(os.sched_getaffinity(os.getpid()))
        places.together = frozenset(processors)
        for thread in map(int, os.listdir("/proc/self/task")):  # noqa: PTH208  (numbers, no paths)
            if thread not in _apart:
                _place(thread, places.together)


@contextlib.contextmanager
def everywhere() -> Iterator[None]:
    """Have this thread run on all processors of the process inside, and the programs that it starts for good."""
    thread = get_native_id()
    if places.given is None or thread in _apart:
        yield
        return
    with _lock:
        _apart.add(thread)
        _place(thread, places.given)
    try:
        yield
    finally:
        with _lock:
            _apart.discard(thread)
            _place(thread, places.together)


def _place(thread: int, processors: Collection[int]) -> None:
    # The thread may have ended, and a processor been taken away.
    with contextlib.suppress(OSError):
        os.sched_setaffinity(thread, processors)
