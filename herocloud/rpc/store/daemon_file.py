"""The file of the daemon beside the state, kept open: its form, and that it stays the one that was opened.

SQLite goes on writing to a file that was removed, replaced or cut short under it, and all of that would be lost with the next start,
without a word. So it is looked at before each transaction. A copy of what is open takes the place of one that was removed; one that
somebody put in its place, or wrote to, is left as it is, and nothing is written until somebody decides.
"""

import itertools
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from herocloud.kits import durable_files
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.state import connections, failures, state_files
from herocloud.state.state_files import Sign

log = logging.getLogger(__name__)

FILE = "daemon.db"
_LOG_BYTES = 4 * 1024 * 1024
"""Up to this size the write-ahead log grows before it is moved into the database."""


_TABLES = (
    """CREATE TABLE jobs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        method TEXT NOT NULL,
        status TEXT NOT NULL,
        stack TEXT,
        address TEXT,
        sid TEXT,
        secret TEXT,
        caller TEXT NOT NULL,
        uid INTEGER,
        key TEXT,
        asked TEXT NOT NULL,
        params TEXT,
        created REAL NOT NULL,
        started REAL,
        ended REAL,
        plan TEXT,
        apply INTEGER,
        steps_total INTEGER NOT NULL DEFAULT 0,
        steps_done INTEGER NOT NULL DEFAULT 0,
        note TEXT NOT NULL DEFAULT '',
        result TEXT,
        error TEXT
    ) STRICT""",
    "CREATE INDEX jobs_open ON jobs (number) WHERE ended IS NULL",
    "CREATE INDEX jobs_key ON jobs (key) WHERE key IS NOT NULL",
    "CREATE INDEX jobs_plan ON jobs (plan) WHERE plan IS NOT NULL",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        type TEXT NOT NULL,
        stack TEXT,
        address TEXT,
        job INTEGER,
        secret TEXT,
        body TEXT NOT NULL
    ) STRICT""",
)
_SCHEDULES = (
    """CREATE TABLE schedules (
        sid TEXT PRIMARY KEY,
        slot REAL NOT NULL,
        failures INTEGER NOT NULL,
        again REAL NOT NULL,
        reason TEXT NOT NULL
    ) STRICT""",
)
_FORMATS = (_TABLES, _SCHEDULES)
"""What each format adds to the one before."""


class DaemonFile:
    """The open file: a connection that writes, and one for reads, which therefore never wait for a disk that writes."""

    def __init__(self, folder: Path) -> None:
        """Open it, and make it when it is not there."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / FILE
        self._logs = tuple(self.path.with_name(FILE + suffix) for suffix in ("-wal", "-shm"))
        self._reading = threading.Lock()
        self._open()

    def _open(self) -> None:
        self._connection = _connect(self.path)
        self.path.chmod(0o600)
        try:
            _prepare(self._connection, self.path)
            self._reader = _connect(self.path)
            self._reader.execute("PRAGMA query_only = ON")
            connections.keep_little(self._connection)
            connections.keep_little(self._reader)
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise _damaged(error, self.path) from error
        self._note()

    def _note(self) -> None:
        """Remember what the files look like: nobody but us writes to them, and we look before each time."""
        self._sign = state_files.sign_of(self.path)
        self._seen_logs = self._find_logs()

    def _find_logs(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(state_files.identify(path) for path in self._logs)

    @property
    def is_as_it_was(self) -> bool:
        """Return whether the files are those that were opened, as we left them."""
        return state_files.sign_of(self.path) == self._sign and self._find_logs() == self._seen_logs

    def connect(self) -> sqlite3.Connection:
        """Return the connection to write through; nobody may be writing. Raises Refused where the file is another one now."""
        with failures.Guarded(self.path):
            found = state_files.sign_of(self.path)
            if found is None:
                self._put_back()
            elif self._sign is None or found.file != self._sign.file:
                raise _replaced(self.path, "another file was put in its place while it was in use")
            elif found != self._sign and not self._holds_what_is_open(found):
                raise _replaced(self.path, "somebody else wrote to it, or cut it short, while it was in use")
            elif self._find_logs() != self._seen_logs:
                log.warning("the log of %s was removed while it was in use; what was in it is in the file now", self.path)
                self._reopen()
            elif self._logs[0].stat().st_size > _LOG_BYTES:
                # By ourselves alone: what changes the file at any other time is not us.
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._note()
        return self._connection

    def _holds_what_is_open(self, found: Sign) -> bool:
        """Return whether a file that was touched still holds the newest of what we know."""
        assert self._sign is not None  # noqa: S101  (looked at before)
        if found.size < self._sign.size:
            return False
        try:
            with closing(_connect(self.path)) as fresh:
                whole = fresh.execute("PRAGMA quick_check(1)").fetchone() == ("ok",) and _newest(fresh) == _newest(self._connection)
        except sqlite3.DatabaseError:
            return False
        if whole:
            self._note()
        return whole

    def _put_back(self) -> None:
        """Put a copy of what is open where the file was removed."""
        draft = self.path.with_name(FILE + ".new")
        _remove(draft)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(_connect(draft)) as copy:
            self._connection.backup(copy)
            if copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise _replaced(self.path, "it was removed while it was in use, and was damaged before")
        self._reopen(draft)
        log.warning("%s was removed while it was in use; a copy of what it held is there now", self.path)

    def _reopen(self, draft: Path | None = None) -> None:
        """Open the file again, which holds all that its removed log held; or the draft of one in its place."""
        with self._reading:
            if draft is None and self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise failures.refusal("state-busy", self.path, "somebody reads it, and its log was removed")
            # Closed first: SQLite removes the logs of a file by their names.
            self._reader.close()
            self._connection.close()
            _remove(*self._logs)
            if draft is not None:
                draft.rename(self.path)
                durable_files.sync_folder(self.path.parent)
            self._open()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Have the connection for reads while inside."""
        with self._reading:
            yield self._reader

    def close(self) -> None:
        """Close the file; nobody may be writing."""
        self._connection.close()
        with self._reading:
            self._reader.close()


def touch(connection: sqlite3.Connection) -> None:
    """Write what is there already, to see whether the file takes anything."""
    connection.execute(f"PRAGMA user_version = {len(_FORMATS)}")


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    # What is moved out of the log is moved in `connect`, and the log is cut after that.
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA journal_size_limit = 0")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_FORMATS):
        detail = f"`{path}` has format {version}, and this program knows formats up to {len(_FORMATS)}."
        raise Refused([Diagnostic("state-newer", "The daemon's file was written by a newer herocloud", detail)])
    if version < len(_FORMATS):
        connection.execute("BEGIN IMMEDIATE")
        for statement in itertools.chain.from_iterable(_FORMATS[version:]):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_FORMATS)}")
        connection.execute("COMMIT")


def _newest(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    return connection.execute("SELECT name, seq FROM sqlite_sequence ORDER BY name").fetchall()


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def explain(error: sqlite3.Error, path: Path) -> Refused | None:
    """Return what to raise for a failure of the disk or of the file; nothing for a mistake of ours."""
    refused = failures.explain(error, path)
    return _damaged(error, path) if refused is not None and refused.diagnostics[0].code == "state-damaged" else refused


def _damaged(error: sqlite3.Error, path: Path) -> Refused:
    """Say that the file cannot be used any more; what machines exist is in another one."""
    detail = f"`{path}`: {error}. It holds jobs and events only."
    return Refused([Diagnostic("daemon-file-damaged", "The daemon's file is damaged", detail, hint="move it away; the state is not in it")])


def _replaced(path: Path, fact: str) -> Refused:
    """Say that what is at the path is not what is open, so that nothing can be kept."""
    detail = f"`{path}`: {fact}. It holds jobs and events, so no job is begun until that is settled. The state is not in it."
    hint = "remove it, and the daemon puts its own copy there; or start the daemon again to go on with what is there"
    return Refused([Diagnostic("daemon-file-replaced", "The daemon's file was replaced", detail, hint=hint)])
