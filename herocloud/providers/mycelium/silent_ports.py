"""Asking on a port that somebody else may hold: with little patience where that turns out not to be a daemon, and never twice in a row.

One command asks several times, and a program that holds the port without answering would cost it that patience each time.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from herocloud.kits import listeners
from herocloud.kits.listeners import Holder
from herocloud.model.errors import Temporary
from herocloud.providers.mycelium import api

PATIENCE = 3.0
"""Seconds for a port that is not ours."""
PROGRAM = "mycelium"
_REMEMBERED = 10.0
_Answer = TypeVar("_Answer")
_known: dict[int, tuple[Holder, Temporary, float]] = {}
"""Who kept silent on a port, what that means, and until when it is believed."""


def ask(port: int, asking: Callable[[int, float], _Answer]) -> _Answer:
    """Ask there; raises Temporary that names who keeps silent."""
    known = _known.get(port)
    if known is not None and time.monotonic() < known[2] and listeners.find_holder(port) == known[0]:
        raise known[1]
    _known.pop(port, None)
    try:
        return asking(port, PATIENCE)
    except api.NotThere:
        raise
    except Temporary as error:
        holder = listeners.find_holder(port)
        if holder is None:
            raise
        dropped = isinstance(error, api.Dropped)
        if holder.program == PROGRAM and not dropped:
            # A daemon that is kept busy by a program that waits for messages.
            return asking(port, api.PATIENCE)
        found = error if dropped else _explain(port, holder)
        _known[port] = (holder, found, time.monotonic() + _REMEMBERED)
        raise found from error


def _explain(port: int, holder: Holder) -> Temporary:
    if holder.pid is None:
        who = "a program that cannot be looked up"
        way = "stop it, or wait if it is a daemon that a program which waits for messages keeps busy"
    else:
        who, way = f"`{holder.program}` (process {holder.pid})", "stop it"
    return Temporary(f"the port {port} of the overlay daemon is held by {who}, which does not answer; {way}", 2.0)
