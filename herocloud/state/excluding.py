"""One creator at a time, for the moments in which a file is made for the first time.

The lock of `locking` is not enough: it is held by the very command that creates, and not by everybody who may. This one is on the
file of the holder's record and lasts some milliseconds.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits import files
from herocloud.state import failing, layout

_PATIENCE = 10.0
"""Seconds that a second process waits before it gives up; the first needs a hundredth of that on a slow disk."""


@contextmanager
def alone(folder: Path, *, pause: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Keep every other creator out while inside."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        with files.flock(layout.holder(folder), blocking=False) as got:
            if got:
                yield
                return
        if time.monotonic() >= deadline:
            raise failing.refusal("state-busy", folder, "another process has been creating files here for too long")
        pause(0.02)
