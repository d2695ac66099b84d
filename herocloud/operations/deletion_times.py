"""When deleted data was really deleted, where the clock of the host was wrong at that moment.

A host whose clock begins in 1970 until the network sets it writes deletions down as decades old, and what is kept for a week would be gone
with the next apply. The serials of the state only go forward, so a serial with an earlier time than one before it shows such a period;
what was deleted in it was deleted, at the latest, when the next serial with a time that fits was written.
"""

from collections.abc import Sequence
from pathlib import Path

from herocloud.providers.seam import Tombstone

_SLACK = 3600.0
"""Seconds that an apply may take between its serial and a deletion."""


def correct(folder: Path, tombstones: Sequence[Tombstone], now: float) -> list[Tombstone]:
    """Return the tombstones with the latest moment at which each can have been made."""
    if not tombstones:
        return []
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return list(tombstones)
    with opened:
        wrong = _wrong_periods([version.at for version in reversed(opened.history())], now)
    return [stone._replace(deleted=_moment_of(stone.deleted, wrong)) for stone in tombstones]


def _wrong_periods(times: Sequence[float], now: float) -> list[tuple[float, float, float]]:
    """Return for each serial that was written with the clock set back: its time, the one that it should not be before, and the real one."""
    found: list[tuple[float, float, float]] = []
    highest = float("-inf")
    for place, at in enumerate(times):
        if at < highest:
            real = next((later for later in times[place + 1 :] if later >= highest), now)
            found.append((at, highest, real))
        highest = max(highest, at)
    return found


def _moment_of(deleted: float, wrong: Sequence[tuple[float, float, float]]) -> float:
    return max([deleted, *(real for at, limit, real in wrong if at - 1 <= deleted < min(limit, at + _SLACK))])
