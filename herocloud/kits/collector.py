"""Python's cyclic collector, kept from walking what is being made: fresh containers that all live on are walked again and again.

Threads may pause it at the same time. It comes back with the last of them, and only where it was on before the first.
"""

import _thread
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_turn = _thread.allocate_lock()
_pauses: list[bool] = []
"""One for each pause: whether the collector was on when the first of them began."""


@contextmanager
def paused() -> Iterator[None]:
    """Keep it from running while inside."""
    with _turn:
        _pauses.append(_pauses[0] if _pauses else gc.isenabled())
        gc.disable()
    try:
        yield
    finally:
        with _turn:
            was_on = _pauses.pop()
            if was_on and not _pauses:
                gc.enable()
