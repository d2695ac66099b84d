"""The past: what each serial changed, the records as they were, and what differs between two serials.

Records carry the serials between which they were the present, so nothing has to be replayed: the world at a serial is one condition.
"""

import sqlite3

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.state import recording
from herocloud.state.entries import Difference, Version

_AT = "since <= ?1 AND (until IS NULL OR until > ?1)"

_LOG = """
WITH began AS (SELECT since AS serial, count(*) AS n FROM records GROUP BY since),
     ended AS (SELECT until AS serial, count(*) AS n FROM records WHERE until IS NOT NULL GROUP BY until),
     followed AS (SELECT now.since AS serial, count(*) AS n, sum(now.body <> old.body) AS different FROM records now JOIN records old
                  ON old.stack = now.stack AND old.address = now.address AND old.until = now.since GROUP BY now.since)
SELECT serials.serial, at, operation, plan, stack,
       coalesce(began.n, 0) - coalesce(followed.n, 0), coalesce(followed.different, 0), coalesce(ended.n, 0) - coalesce(followed.n, 0)
FROM serials LEFT JOIN began USING (serial) LEFT JOIN ended USING (serial) LEFT JOIN followed USING (serial)
WHERE serials.serial > 0 ORDER BY serials.serial DESC
"""


def log(connection: sqlite3.Connection) -> list[Version]:
    """Return every operation that raised the serial, newest first."""
    return [Version(*row) for row in connection.execute(_LOG)]


def records_at(connection: sqlite3.Connection, serial: int) -> recording.Records:
    """Return the records as they were once the operation of `serial` had run."""
    _require(connection, serial)
    return recording.load(connection, _AT, (serial,))


def diff(connection: sqlite3.Connection, before: int, after: int) -> list[Difference]:
    """Return what differs between two serials, in either direction of time."""
    _require(connection, before)
    _require(connection, after)
    low, high = sorted((before, after))
    # Only versions that began or ended in between can differ; the rest is never read.
    changed = f"({_AT}) AND ((since > ?2 AND since <= ?3) OR (until > ?2 AND until <= ?3))"
    sides = [recording.load(connection, changed, (serial, low, high)) for serial in (before, after)]
    old, new = ({(stack, address): record for stack, inside in side.items() for address, record in inside.items()} for side in sides)
    differing = (key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key))
    return [Difference(*key, old.get(key), new.get(key)) for key in differing]


def _require(connection: sqlite3.Connection, serial: int) -> None:
    if connection.execute("SELECT 1 FROM serials WHERE serial = ?", (serial,)).fetchone() is None:
        (last,) = connection.execute("SELECT serial FROM world").fetchone()
        raise Refused(
            [
                Diagnostic(
                    "unknown-serial",
                    "There is no such serial",
                    f"serial {serial} was asked for, and this state has serials 0 to {last}. `herocloud state log` lists them.",
                )
            ]
        )
