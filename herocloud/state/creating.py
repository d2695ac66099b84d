"""The first write to a data folder: a new database and its marker.

The order makes every instant of a crash harmless. The database is made under another name and gets its own only when it is whole and
on disk: killed before that, the next start begins anew. The marker comes last, and a database without one is valid: killed between
the two, the next write adds it. Marker first would turn the same crash into a missing state.
"""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from herocloud.kits import faults, files
from herocloud.state import examining, excluding, layout, migrating


def create(folder: Path) -> None:
    """Make the folder and its database, unless another process just did."""
    faults.reached("state.create.folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with excluding.alone(folder):
        if examining.examine(folder).present:
            return
        draft = folder / layout.DRAFT
        faults.reached("state.create.draft")
        for suffix in ("", "-journal", "-wal", "-shm"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)
        _draw_up(draft)
        faults.reached("state.create.sync")
        _sync(draft)
        faults.reached("state.create.rename")
        draft.rename(layout.database(folder))
        files.sync_folder(folder)
        faults.reached("state.create.renamed")


def mark(folder: Path, lineage: str) -> None:
    """Leave the marker that makes a later loss of the database visible."""
    faults.reached("state.create.marker")
    with excluding.alone(folder):
        for leftover in folder.glob(f".{layout.MARKER}.*.new"):
            leftover.unlink(missing_ok=True)
        files.write_durably(layout.marker(folder), f"{lineage}\n".encode())
    faults.reached("state.create.marked")


def _draw_up(draft: Path) -> None:
    # Mode 0600 from the first byte: SQLite itself would create the file with the umask of whoever runs us.
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        # A draft that a crash interrupts is thrown away, so nothing here needs to be durable before `_sync`.
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA application_id = {migrating.APPLICATION_ID}")
        migrating.migrate(connection)
        connection.execute("INSERT INTO serials VALUES (0, ?, 'created', NULL, NULL)", (time.time(),))
        connection.execute("INSERT INTO world VALUES (1, ?, 0, 0)", (os.urandom(16).hex(),))
        # Closing empties the log again; from here on the header says that there is one.
        connection.execute("PRAGMA journal_mode = WAL")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
