"""Connections to the database, for one writer and any number of readers, and the questions that it must answer first.

Readers never create a file and never write to one that matters. In write-ahead mode SQLite deletes the log and its index when the last
connection closes, and a read-only connection then has to create both again. So the writer keeps them: it closes while a second, read-only
connection is open (see `close`). Where they are missing all the same (a backup was restored, another tool closed the file), a reader works
on a copy. The alternative, SQLite's `immutable`, reads nonsense when a writer starts meanwhile.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

from herocloud.kits import faults
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.state import creation, failures, folder_trust, migrating, state_files
from herocloud.state.state_files import Seen

SMALL = 1024 * 1024
"""Up to this size the whole database is looked through at every opening, which takes less than a millisecond."""


def check(connection: sqlite3.Connection, path: Path, newest: int, *, whole: bool) -> int:
    """Raise unless this is a state of ours, of a form that is known, and sound as far as a quick look tells; returns its form."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != migrating.APPLICATION_ID:
        raise failures.damaged(path, "it is the database of another program")
    version = migrating.version_of(connection)
    if version > newest:
        raise _newer(path, version, newest)
    if version < 1:
        raise failures.damaged(path, f"its `user_version` is {version}, and no state has such a format")
    if whole:
        (says,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if says != "ok":
            raise failures.damaged(path, str(says).replace("\n", " "))
    if lineage_of(connection, path) is None:
        raise failures.damaged(path, "it does not say whose state it is")
    return version


def require_lineage(connection: sqlite3.Connection, path: Path, expected: str) -> None:
    """Raise unless this is the state that the marker speaks of."""
    lineage = lineage_of(connection, path)
    if lineage != expected:
        fact = f"it is the state {lineage}, and `{state_files.MARKER}` beside it names {expected}"
        raise failures.refusal("state-foreign", path, fact)


def lineage_of(connection: sqlite3.Connection, path: Path) -> str | None:
    """Return whose state it is."""
    try:
        row = connection.execute("SELECT lineage FROM world").fetchone()
    except sqlite3.OperationalError as error:
        if not str(error).startswith("no such"):
            raise
        raise failures.damaged(path, f"it has the mark of a state, but {error}") from error
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


_BUSY_SECONDS = 10.0
"""How long SQLite waits for another transaction. Ours last milliseconds; only a foreign tool keeps one open for longer."""

_KEPT_KIB = 512
"""SQLite's own limit is 2 MB for each connection. A process that stays has half a dozen, and would grow until all of them are full."""

_IN_MEMORY = "/dev/shm"  # noqa: S108  (a folder of our own in it, for our eyes only)
"""Where copies go when it is there: the disk may be full, which can be the very reason for the copy."""

Migrations = Sequence[Sequence[str]]


def open_for_reading(folder: Path, migrations: Migrations = migrating.MIGRATIONS) -> sqlite3.Connection | None:
    """Return a connection that cannot write; nothing when no state was ever made here."""
    seen = state_files.examine(folder)
    if not seen.present:
        return None
    path = state_files.database(folder)
    with failures.Guarded(path):
        connection = _connect_reader(folder, seen)
        try:
            version = check(connection, path, len(migrations), whole=seen.size <= SMALL)
            if seen.lineage:
                require_lineage(connection, path, seen.lineage)
            if version < len(migrations):
                connection = _migrated_copy(connection, migrations)
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    return connection


def open_for_writing(folder: Path, migrations: Migrations = migrating.MIGRATIONS) -> sqlite3.Connection:
    """Return a connection that writes durably; makes folder and database when there are none."""
    path = state_files.database(folder)
    with failures.Guarded(path):
        folder_trust.require(folder)
        seen = state_files.examine(folder)
        if not seen.present:
            creation.create(folder)
            seen = state_files.examine(folder)
        # SQLite opens what it may not write read-only, and says so only at the first write: after the first step of an apply.
        state_files.require_access(path, os.W_OK)
        with ExitStack() as stack:
            # Where a log is, the doubts are cleared through a reader: a writer that finds the state bad has emptied the log by opening and
            # closing it. The reader stays until the writer is up, so that a failure on the way cannot remove the log either.
            if seen.log_bytes is not None:
                _check_for_writing(stack.enter_context(closing(_connect_reader(folder, seen))), path, seen, len(migrations))
            connection = _connect(path, "rw")
            try:
                if seen.log_bytes is None:
                    _check_for_writing(connection, path, seen, len(migrations))
                _become_writer(connection, path)
                migrating.migrate(connection, migrations)
                if not seen.lineage:
                    creation.mark(folder, lineage_of(connection, path) or "")
            except BaseException:
                connection.close()
                raise
    return connection


def keep_little(connection: sqlite3.Connection) -> None:
    """Limit what a connection keeps of its file in memory; what it needs for the next operation is a fraction of that."""
    connection.execute(f"PRAGMA cache_size = -{_KEPT_KIB}")


def is_of(connection: sqlite3.Connection, path: Path) -> bool:
    """Return whether a connection has this file open, and not a copy of it."""
    (_, _, file) = connection.execute("PRAGMA database_list").fetchone()
    return bool(file) and os.path.realpath(file) == os.path.realpath(path)


def close(connection: sqlite3.Connection, folder: Path) -> None:
    """Let go of a writing connection: the log is emptied into the database, and stays with its index for readers to come."""
    faults.reached("state.close.before")
    # Readers may keep the log from being emptied. That is no reason to wait: the next writer empties it.
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    faults.reached("state.close.checkpointed")
    with closing(_connect(state_files.database(folder), "ro")) as keeper:
        keeper.execute("SELECT 1 FROM world").fetchall()
        connection.close()
    # The first to open the state creates the index again. Done here, it exists already, and a look at the state leaves every byte of the
    # folder alone.
    with closing(_connect(state_files.database(folder), "ro")) as first:
        first.execute("SELECT 1 FROM world").fetchall()
    faults.reached("state.close.after")


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    name = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(f"file:{name}?mode={mode}", uri=True, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
    # A text that is not UTF-8 spoils its own row, and not every question about the table.
    connection.text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
    return connection


def _connect_reader(folder: Path, seen: Seen) -> sqlite3.Connection:
    if not seen.indexed or seen.log_bytes is None:
        return _open_copy(folder)
    connection = _connect(state_files.database(folder), "ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if not error.sqlite_errorname.startswith("SQLITE_IOERR_SHM"):
            raise
        # The first to open the file creates the index again, and on a full disk there is no room for it. A plan needs none.
        return _open_copy(folder)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_for_writing(connection: sqlite3.Connection, path: Path, seen: Seen, newest: int) -> None:
    # A log that is not empty was left by a crash: the one time when a long look is worth its while.
    check(connection, path, newest, whole=seen.size <= SMALL or bool(seen.log_bytes))
    if seen.lineage:
        require_lineage(connection, path, seen.lineage)


def _become_writer(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise failures.refusal("state-unusable", path, "its file system cannot hold a write-ahead log; use one on a local disk")
    # FULL makes every commit wait for the disk. NORMAL would be ten times faster and lose the last steps with the power.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _open_copy(folder: Path) -> sqlite3.Connection:
    """Copy database and log to where SQLite may do what it likes, and read there."""
    import shutil
    import tempfile

    for _ in range(5):
        before = _signs(folder)
        copies = Path(tempfile.mkdtemp(prefix="herocloud-", dir=_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None))
        try:
            shutil.copyfile(state_files.database(folder), copies / state_files.DATABASE)
            if (folder / state_files.LOG).exists():
                shutil.copyfile(folder / state_files.LOG, copies / state_files.LOG)
            connection = _connect(copies / state_files.DATABASE, "rw")
            # The first look opens the log as well; after it the names are not needed any more.
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        finally:
            shutil.rmtree(copies)
        if _signs(folder) == before:
            return connection
        connection.close()
        if (folder / state_files.LOG_INDEX).exists() and (folder / state_files.LOG).exists():
            return _connect(state_files.database(folder), "ro")
    raise failures.refusal("state-busy", state_files.database(folder), "it kept changing while it was copied")


def _signs(folder: Path) -> list[tuple[int, int, int] | None]:
    """Return what changes when a writer comes by."""
    signs: list[tuple[int, int, int] | None] = []
    for name in (state_files.DATABASE, state_files.LOG, state_files.LOG_INDEX):
        try:
            status = (folder / name).stat()
            signs.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except FileNotFoundError:
            signs.append(None)
    return signs


def _migrated_copy(connection: sqlite3.Connection, migrations: Migrations) -> sqlite3.Connection:
    """Bring an older state to the present form in memory, because a reader may not do so on disk."""
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    connection.backup(memory)
    connection.close()
    migrating.migrate(memory, migrations)
    return memory
