"""The one processor that the threads of a daemon share, chosen again where somebody else keeps it busy.

On a host with several, a call costs a third less this way (`kits.processors` says why), and the guests have all the others. Which one is a
matter of load alone: a guest that is pinned to it, or a program that computes, would leave the daemon half of it, while others idle.
"""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import processors

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
WORTH_MOVING = 0.25
"""How much more of a processor somebody else has to use than of another one; where all are busy, nobody moves."""
_STATISTICS = Path("/proc/stat")
_IDLE = (3, 4)
"""Which figures of a processor count time without work: idle, and waiting for a disk."""
_FIGURES = 8
"""How many of them count; the rest, time of guests, is in the others already."""


class Reading(NamedTuple):
    """What was used until one moment, in seconds."""

    at: float
    """On a clock that only goes forward."""
    busy: Mapping[int, float]
    """Of each processor, by everybody."""
    own: float
    """By this process."""


def read() -> Reading:
    """Look at the processors that this process may use; raises OSError or ValueError where the kernel does not say."""
    allowed, ticks = processors.whole(), os.sysconf("SC_CLK_TCK")
    busy: dict[int, float] = {}
    for line in _STATISTICS.read_text().splitlines():
        name, *figures = line.split()
        number = name.removeprefix("cpu")
        if number.isdigit() and int(number) in allowed:
            busy[int(number)] = sum(int(text) for place, text in enumerate(figures[:_FIGURES]) if place not in _IDLE) / ticks
    times = os.times()
    return Reading(time.monotonic(), busy, times.user + times.system)


def choose(current: int | None, before: Reading, after: Reading) -> int | None:
    """Return the processor to use next, from two readings and the current processor, or None if there is only one to use."""
    seconds = after.at - before.at
    known = before.busy.keys() & after.busy.keys()
    if len(known) < 2 or seconds <= 0:
        return current if current in known else None
    used = {number: (after.busy[number] - before.busy[number]) / seconds for number in sorted(known)}
    best = min(used, key=lambda number: used[number])
    if current not in used:
        return best
    by_others = used[current] - (after.own - before.own) / seconds
    return best if by_others - used[best] > WORTH_MOVING else current


async def stay_on_one(seconds: float = LOOK_SECONDS) -> None:
    """Keep all threads of this process on one processor, for as long as it runs."""
    current: int | None = None
    try:
        before = read()
        while True:
            await asyncio.sleep(seconds)
            after = read()
            chosen = choose(current, before, after)
            if chosen is not None and chosen != current:
                processors.keep_together([chosen])
                log.debug("the threads of the daemon are on processor %d", chosen)
            current, before = chosen, after
    except (OSError, ValueError):
        log.warning("the threads of the daemon stay where the kernel puts them", exc_info=True)
