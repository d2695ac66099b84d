"""The questions that an open database must answer before anything else is asked of it."""

import sqlite3
from pathlib import Path

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.state import failing, layout, migrating

SMALL = 1024 * 1024
"""Up to this size the whole database is looked through at every opening, which takes less than a millisecond."""


def check(connection: sqlite3.Connection, path: Path, newest: int, *, whole: bool) -> int:
    """Raise unless this is a state of ours, of a form that is known, and sound as far as a quick look tells; returns its form."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != migrating.APPLICATION_ID:
        raise failing.damaged(path, "it is the database of another program")
    version = migrating.version_of(connection)
    if version > newest:
        raise _newer(path, version, newest)
    if whole:
        (says,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if says != "ok":
            raise failing.damaged(path, str(says).replace("\n", " "))
    if lineage_of(connection, path) is None:
        raise failing.damaged(path, "it does not say whose state it is")
    return version


def require_lineage(connection: sqlite3.Connection, path: Path, expected: str) -> None:
    """Raise unless this is the state that the marker speaks of."""
    lineage = lineage_of(connection, path)
    if lineage != expected:
        fact = f"it is the state {lineage}, and `{layout.MARKER}` beside it names {expected}"
        raise failing.refusal("state-foreign", path, fact)


def lineage_of(connection: sqlite3.Connection, path: Path) -> str | None:
    """Return whose state it is."""
    try:
        row = connection.execute("SELECT lineage FROM world").fetchone()
    except sqlite3.OperationalError as error:
        if not str(error).startswith("no such"):
            raise
        raise failing.damaged(path, f"it has the mark of a state, but {error}") from error
    return None if row is None else str(row[0])


def _newer(path: Path, version: int, newest: int) -> Refused:
    return Refused(
        [
            Diagnostic(
                "state-newer",
                "The state was written by a newer herocloud",
                f"`{path}` has format {version}, and this program knows formats up to {newest}. Nothing was changed. "
                "Use the newer herocloud again, or put back the copy of the data folder from before the upgrade.",
            )
        ]
    )
