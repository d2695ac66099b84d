"""How many jobs of this daemon are on their way from plan to admission at once.

Each plan is made for the state as it is, and each admission in between makes the others plan again. Many at once would mostly plan
in vain. The way through is short; a job that is held up on it, by a lock that a command holds, makes room after a moment.
"""

import threading
from collections.abc import Callable

AT_ONCE = 2
SECONDS = 1.0


class AdmissionGate:
    """Lets a few through at a time."""

    def __init__(self, at_once: int = AT_ONCE, seconds: float = SECONDS) -> None:
        """Start open."""
        self._places = threading.Semaphore(at_once)
        self._seconds = seconds

    def enter(self) -> Callable[[], None]:
        """Wait for a place; returns how to give it back, which also happens by itself after a moment."""
        self._places.acquire()
        turn = threading.Lock()
        left = False

        def leave() -> None:
            nonlocal left
            with turn:
                if left:
                    return
                left = True
            timer.cancel()
            self._places.release()

        timer = threading.Timer(self._seconds, leave)
        timer.daemon = True
        timer.start()
        return leave
