"""What the guest does: nothing, or what its kernel's command line (or the first bytes of what it boots) asks for."""

import re
from collections.abc import Callable
from typing import Any

DELAY = 0.05
"""Seconds that a lively guest takes to react."""
LATE = 1.5
"""Seconds that a late one takes to let go of a device."""
_LATER = 0.5


def behavior_of(payload: dict[str, Any]) -> str:
    """Find `guest=WORD` in the command line, or in the first bytes of the kernel or firmware."""
    said = payload.get("cmdline") or ""
    path = payload.get("kernel") or payload.get("firmware")
    with open(path, "rb") as stream:
        said += " " + stream.read(256).decode(errors="replace")
    found = re.search(r"\bguest=([a-z]+)", said)
    return found.group(1) if found else "silent"


class Clock:
    """What is to happen later: called from the one loop of the program, so nothing needs a lock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._due: list[tuple[float, Callable[[], None]]] = []

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self._due.append((self._now() + seconds, act))

    def run(self) -> None:
        """Do everything that is due."""
        for entry in sorted(self._due, key=lambda one: one[0]):
            if entry[0] <= self._now() and entry in self._due:
                self._due.remove(entry)
                entry[1]()

    def wait(self) -> float | None:
        """Return the seconds until something is due."""
        return max(0.0, min(at for at, _act in self._due) - self._now()) if self._due else None

    def forget(self) -> None:
        """Let nothing of it happen: the guest is gone."""
        self._due.clear()


def begin(behavior: str, clock: Clock, *, power_off: Callable[[], None], reboot: Callable[[], None], panic: Callable[[], None]) -> None:
    """Let a guest that does something by itself begin."""
    act = {"off": power_off, "reboot": reboot, "panic": panic}.get(behavior)
    if act is not None:
        clock.after(_LATER, act)
