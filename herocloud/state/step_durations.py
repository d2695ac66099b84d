"""How long steps took: the last few durations of each kind of step and provider, from which plans estimate."""

import sqlite3
from collections.abc import Iterator, Mapping

from herocloud.model import steps
from herocloud.model.ids import StepId

KEPT = 50
"""Durations kept per kind of step and provider: a few, so that a new disk shows after a day and not after a year."""

Key = tuple[str, str]
"""A kind of step and its provider."""


class Medians:
    """The medians for a reader that stays: only what steps have added to since the last question is sorted again."""

    def __init__(self) -> None:
        """Start without anything read."""
        self._known: dict[Key, tuple[int, float]] = {}
        """By key: the number of the newest duration, and the median with it."""

    def read(self, connection: sqlite3.Connection) -> dict[Key, float]:
        """Return the median of the last durations by kind of step and provider."""
        self._known = dict(self._read(connection))
        return {key: median for key, (_, median) in self._known.items()}

    def _read(self, connection: sqlite3.Connection) -> Iterator[tuple[Key, tuple[int, float]]]:
        newest = connection.execute("SELECT kind, provider, max(number), count(*) FROM durations GROUP BY kind, provider").fetchall()
        for kind, provider, number, count in newest:
            key = (kind, provider)
            known = self._known.get(key)
            # Numbers only rise, and what goes makes room for a higher one.
            yield key, known if known is not None and known[0] == number else (number, _median(connection, key, count))


def _median(connection: sqlite3.Connection, key: Key, count: int) -> float:
    """Return the median of so many durations. The database finds it: around each row that comes out, other threads have their turn."""
    row = connection.execute(
        "SELECT avg(seconds) FROM (SELECT seconds FROM durations WHERE (kind, provider) = (?, ?) ORDER BY seconds LIMIT ? OFFSET ?)",
        (*key, 2 - count % 2, (count - 1) // 2),
    ).fetchone()
    return float(row[0])


def read(connection: sqlite3.Connection) -> dict[Key, float]:
    """Return the median of the last durations by kind of step and provider."""
    return Medians().read(connection)


def learn(connection: sqlite3.Connection, apply: int, providers: Mapping[StepId, str], own: float) -> None:
    """Remember how long the steps of an apply took, a few of each kind and provider, and how long each kept the executor itself busy."""
    found: dict[Key, list[float]] = {steps.EXECUTOR: [own]} if own > 0 else {}
    rows = connection.execute(
        "SELECT step, seconds FROM journal WHERE apply = ? AND event = 'done' AND seconds > 0 ORDER BY number DESC", (apply,)
    )
    for step, seconds in rows:
        # `vm.web[0]/disk.create` and, when a change has several, `…/tap.create#2`: the kind begins what is behind the last slash.
        kind, provider = step.rpartition("/")[2].partition("#")[0], providers.get(step)
        if provider is not None and kind in steps.KINDS and len(known := found.setdefault((kind, provider), [])) < KEPT:
            known.append(seconds)
    # Two statements and not four of each kind: whatever waits to be admitted waits for these.
    connection.executemany(
        "INSERT INTO durations SELECT ?1, ?2, coalesce(max(number), 0) + 1, ?3 FROM durations WHERE (kind, provider) = (?1, ?2)",
        [(*key, seconds) for key, known in found.items() for seconds in reversed(known)],
    )
    connection.executemany(
        "DELETE FROM durations WHERE (kind, provider) = (?1, ?2) "
        "AND number <= (SELECT max(number) FROM durations WHERE (kind, provider) = (?1, ?2)) - ?3",
        [(*key, KEPT) for key in found],
    )
