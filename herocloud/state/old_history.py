"""Old history, thrown away: what operations did long ago, their plans, their journals, and records as they were then.

Everything from one serial on stays whole, so that it can be shown, compared and undone. What is older stays only where something still
needs it: applies that did not end, the newest apply of each stack that `undo` can take back, the head of the plan that names the files of
a stack, and the last records of what still lies on the host without one.
"""

import sqlite3
from collections.abc import Collection, Iterable, Sequence

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.ids import Address, StackName
from herocloud.state import journal

ALWAYS_KEPT = 100
"""Operations that stay however old they are: a clock that jumped ahead must not empty the history."""
AT_ONCE = 5000
"""Operations that one transaction throws away at most: others wait for it."""
_SLACK = 3600.0
_KEPT_FROM = "SELECT kept_from FROM world"
_FILES = "address = '' AND operation = 'apply' AND status IN ('done', 'partial')"


class Limits(NamedTuple):
    """How much history is kept."""

    seconds: float
    operations: int
    at_least: float
    """Nothing younger goes, whatever the other limits say: what is in tombstones can be undone only with it."""


class Pruned(NamedTuple):
    """What was thrown away."""

    operations: int
    kept_from: int
    """The first serial of which everything is still known."""


def kept_from(connection: sqlite3.Connection) -> int:
    """Return the first serial of which everything is known; 0 when nothing was ever thrown away."""
    return int(connection.execute(_KEPT_FROM).fetchone()[0])


def find_cut(connection: sqlite3.Connection, limits: Limits, now: float) -> int:
    """Return the first serial that stays; what is kept already when there is nothing to do."""
    before = kept_from(connection)
    rows = connection.execute("SELECT serial, at FROM serials WHERE serial > 0 AND serial >= ? ORDER BY serial", (before,)).fetchall()
    if not rows or rows[-1][1] > now + _SLACK:
        # The clock is behind what was written last, so nobody knows how old anything is.
        return before
    times = _rising([at for _, at in rows], now)
    by_age, young = (_first_since(times, now - seconds) for seconds in (limits.seconds, limits.at_least))
    by_count = len(rows) - limits.operations
    place = min(max(by_age, by_count), young, len(rows) - ALWAYS_KEPT, AT_ONCE)
    return int(rows[place][0]) if place > 0 else before


def _rising(times: Sequence[float], now: float) -> list[float]:
    """Return times that never fall: an operation is as young as the youngest before it, whatever the clock said meanwhile."""
    found, highest = [], float("-inf")
    for at in times:
        highest = max(highest, at if at <= now + _SLACK else highest)
        found.append(highest)
    return found


def _first_since(times: Sequence[float], moment: float) -> int:
    return next((place for place, at in enumerate(times) if at >= moment), len(times))


def prune(connection: sqlite3.Connection, cut: int, spared: Collection[tuple[StackName, Address]]) -> Pruned:
    """Throw away what is older than `cut` and needed by nothing; of `spared` addresses the last past record stays."""
    before = kept_from(connection)
    if cut <= before:
        return Pruned(0, before)
    floors = {stack: _floor(connection, stack, cut) for stack in _stacks(connection)}
    old = [apply for stack, floor in floors.items() for apply in _applies(connection, stack, floor)]
    heads = {serial for stack in floors if (serial := _last_with_files(connection, stack)) is not None}
    kept = {version for owner in spared if (version := _last_version(connection, *owner)) is not None}
    _drop_applies(connection, old, heads)
    for stack, floor in floors.items():
        ended = connection.execute("SELECT id FROM records WHERE stack = ? AND until < ?", (stack, floor)).fetchall()
        connection.executemany("DELETE FROM records WHERE id = ?", [row for row in ended if row[0] not in kept])
        # For all that is still known it was always there.
        connection.execute("UPDATE records SET since = 0 WHERE stack = ? AND since < ?", (stack, floor))
    gone = connection.execute(
        "DELETE FROM serials WHERE serial > 0 AND serial < ? AND serial NOT IN (SELECT serial FROM applies)"
        " AND serial NOT IN (SELECT since FROM records) AND serial NOT IN (SELECT until FROM records WHERE until IS NOT NULL)",
        (cut,),
    ).rowcount
    connection.execute("UPDATE world SET kept_from = ?", (cut,))
    return Pruned(int(gone), cut)


def _stacks(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT stack FROM applies UNION SELECT stack FROM records")
    return [stack for (stack,) in rows]


def _floor(connection: sqlite3.Connection, stack: str, cut: int) -> int:
    """Return the first serial of which everything about a stack has to stay."""
    rows = connection.execute(
        f"SELECT max(serial) FROM applies WHERE stack = ?1 AND status IN ('done', 'partial') AND {journal.WHOLE}"  # noqa: S608  (ours)
        f" UNION ALL SELECT min(serial) FROM applies WHERE stack = ?1 AND {journal.UNFINISHED}",
        (stack,),
    )
    return min([cut, *(int(serial) for (serial,) in rows if serial is not None)])


def _applies(connection: sqlite3.Connection, stack: str, floor: int) -> list[int]:
    return [apply for (apply,) in connection.execute("SELECT apply FROM applies WHERE stack = ? AND serial < ?", (stack, floor))]


def _last_with_files(connection: sqlite3.Connection, stack: str) -> int | None:
    row = connection.execute(f"SELECT max(apply) FROM applies WHERE stack = ? AND {_FILES}", (stack,)).fetchone()  # noqa: S608  (ours)
    return None if row[0] is None else int(row[0])


def _last_version(connection: sqlite3.Connection, stack: str, address: str) -> int | None:
    question = "SELECT id FROM records WHERE stack = ? AND address = ? AND until IS NOT NULL ORDER BY until DESC LIMIT 1"
    row = connection.execute(question, (stack, address)).fetchone()
    return None if row is None else int(row[0])


def _drop_applies(connection: sqlite3.Connection, old: Iterable[int], heads: Collection[int]) -> None:
    every = [(apply,) for apply in old]
    connection.executemany("DELETE FROM journal WHERE apply = ?", every)
    connection.executemany("DELETE FROM pieces WHERE apply = ? AND part <> 'head'", [piece for piece in every if piece[0] in heads])
    whole = [piece for piece in every if piece[0] not in heads]
    connection.executemany("DELETE FROM pieces WHERE apply = ?", whole)
    connection.executemany("DELETE FROM applies WHERE apply = ?", whole)
