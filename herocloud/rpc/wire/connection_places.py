"""How many connections a daemon has at a time: of all callers together and of each, so that one who opens many keeps nobody out.

A connection without a whole request costs its owner nothing, and a place here. So where all places are taken the oldest of those goes,
first among the caller's own. Only where every one of them has a request at work is a new connection refused.
"""

import resource
from collections.abc import Hashable, Iterator
from typing import Protocol

_MOST = 4096
_FEWEST = 64


class Connection(Protocol):
    """One that can be given up."""

    @property
    def is_at_work(self) -> bool:
        """Whether a request has arrived whole and is not answered yet."""
        ...

    def give_up(self) -> None:
        """Close it."""
        ...


class Places:
    """The places of one daemon; used by its loop alone."""

    def __init__(self, most: int, most_each: int) -> None:
        """Have so many for all, and so many for each caller."""
        self._most, self._most_each = most, most_each
        self._taken: dict[Hashable, dict[Connection, None]] = {}
        """By caller, the oldest first."""

    def enter(self, who: Hashable, connection: Connection) -> bool:
        """Take a place, closing an idle connection if none is free; returns whether there was one."""
        own = self._taken.setdefault(who, {})
        while len(own) >= self._most_each or self._count() >= self._most:
            holders = [own] if len(own) >= self._most_each else sorted(self._taken.values(), key=len, reverse=True)
            idle = next(_idle(holders), None)
            if idle is None:
                self._forget_if_empty(who)
                return False
            holder, oldest = idle
            del holder[oldest]
            oldest.give_up()
        own[connection] = None
        return True

    def leave(self, who: Hashable, connection: Connection) -> None:
        """Give a place back; one that was taken away is not there any more."""
        self._taken.get(who, {}).pop(connection, None)
        self._forget_if_empty(who)

    def _count(self) -> int:
        return sum(map(len, self._taken.values()))

    def _forget_if_empty(self, who: Hashable) -> None:
        if not self._taken.get(who, True):
            del self._taken[who]


def _idle(holders: list[dict[Connection, None]]) -> Iterator[tuple[dict[Connection, None], Connection]]:
    return ((holder, one) for holder in holders for one in holder if not one.is_at_work)


def of_this_process() -> Places:
    """Return as many places as leave half of the files that this process may open for its work."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(_FEWEST, min(_MOST, files // 2) if files != resource.RLIM_INFINITY else _MOST)
    return Places(most, most // 2)
