"""One job of this daemon at a time is on its way from plan to admission.

Each plan is made for the state as it is, and each admission in between makes the others plan again. With two at once nearly every job
planned twice, which took a quarter of its CPU time. The way through is short; a job that has to wait on it for a lock that a command holds
makes room at once, and one that is held up by anything else after a while. Not after a moment: on a busy machine all would be held up so
long, go through together, and keep it busy with planning again.
"""

import threading
import time
from collections.abc import Callable

AT_ONCE = 1
SECONDS = 3.0


class AdmissionGate:
    """Lets as many through at a time as there are places."""

    def __init__(self, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
        """Start open."""
        self._at_once = at_once
        self._seconds = seconds
        self._changed = threading.Condition()
        self._inside: dict[object, float] = {}
        """Until when each of those inside keeps its place. Who waits looks at the clock, so that no job needs a timer of its own."""

    def enter(self) -> Callable[[], None]:
        """Wait for a place; returns how to give it back, which also happens by itself after a while."""
        place = object()
        with self._changed:
            while (wait := self._seconds_until_free()) > 0:
                self._changed.wait(wait)
            self._inside[place] = time.monotonic() + self._seconds

        def leave() -> None:
            with self._changed:
                if self._inside.pop(place, None) is not None:
                    self._changed.notify()

        return leave

    def _seconds_until_free(self) -> float:
        """Return how long to wait for a place at most; those whose time is over have given theirs back."""
        now = time.monotonic()
        self._inside = {place: until for place, until in self._inside.items() if until > now}
        return min(self._inside.values()) - now if len(self._inside) >= self._at_once else 0.0
