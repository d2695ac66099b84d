"""What callers asked for, in numbers: calls, errors and durations of each method, and of nothing that a caller can make up."""

import bisect
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

BOUNDS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
"""In seconds; most reads take one millisecond, and a call that waits for its job takes as long as that."""
UNKNOWN = ""
"""Stands for all methods that do not exist."""


class MethodCount(NamedTuple):
    """One method as it is now."""

    method: str
    errors: dict[int, int]
    """How many calls were answered with each error code."""
    within: list[int]
    """How many calls took no longer than each bound."""
    calls: int
    seconds: float


class CallCounts:
    """The counts of one daemon since it started."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Start with nothing."""
        self.clock = clock
        self._turn = threading.Lock()
        self._slots: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self._errors: Counter[tuple[str, int]] = Counter()

    def add(self, method: str, began: float, error: int | None) -> None:
        """Count a call that has been answered."""
        seconds = self.clock() - began
        with self._turn:
            slots = self._slots.setdefault(method, [0] * (len(BOUNDS) + 1))
            slots[bisect.bisect_left(BOUNDS, seconds)] += 1
            self._seconds[method] = self._seconds.get(method, 0.0) + seconds
            if error is not None:
                self._errors[method, error] += 1

    def all(self) -> Iterable[MethodCount]:
        """Return all methods that were called, by name."""
        with self._turn:
            slots = {method: list(found) for method, found in self._slots.items()}
            seconds, errors = dict(self._seconds), dict(self._errors)
        for method in sorted(slots):
            within = [sum(slots[method][: place + 1]) for place in range(len(BOUNDS))]
            own = {code: count for (name, code), count in sorted(errors.items()) if name == method}
            yield MethodCount(method, own, within, sum(slots[method]), seconds[method])
