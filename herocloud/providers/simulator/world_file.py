"""The file that holds the simulated world.

One SQLite file, because several processes and many threads use the world at once and a `kill -9` must leave it consistent: every
change is one transaction that starts with the write lock. `synchronous=OFF` is enough, since a world that exists nowhere else has
nothing to lose in a power cut. The rejected alternative, one JSON file replaced at each step, costs time in proportion to its size.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused, Temporary

FILE = "simulator.db"
VERSION = 1
BUSY_SECONDS = 60.0

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- One row for an address: an observation then reads each thing once, however many parts it has.
CREATE TABLE things (
    stack TEXT NOT NULL, address TEXT NOT NULL, lineage TEXT, provider TEXT NOT NULL,
    parts TEXT NOT NULL, halves TEXT NOT NULL, contents TEXT NOT NULL, PRIMARY KEY (stack, address)
) STRICT;
-- What can exist only once on a host: a path, a MAC address, a tap, a bridge. `whole` is 0 while its owner is half made.
CREATE TABLE claims (
    key TEXT PRIMARY KEY, stack TEXT NOT NULL, address TEXT NOT NULL, part TEXT NOT NULL, whole INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_by_owner ON claims (stack, address, part);
-- Who holds on to what: a machine to its disks and taps, a tap to its network.
CREATE TABLE uses (
    target TEXT NOT NULL, stack TEXT NOT NULL, address TEXT NOT NULL, part TEXT NOT NULL, mode TEXT NOT NULL,
    PRIMARY KEY (target, stack, address, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX uses_by_owner ON uses (stack, address, part);
CREATE TABLE totals (name TEXT PRIMARY KEY, amount INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tombstones (
    key TEXT PRIMARY KEY, stack TEXT NOT NULL, address TEXT NOT NULL, part TEXT NOT NULL,
    body TEXT NOT NULL, content TEXT, bytes INTEGER NOT NULL, deleted REAL NOT NULL
) STRICT;
CREATE TABLE rule_uses (rule TEXT PRIMARY KEY, used INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO totals VALUES ('memory', 0), ('disk', 0);
"""


class World:
    """One open world; threads share its one connection behind a lock, which SQLite would take anyway."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, follows: bool = True) -> None:
        """Wrap an open connection; `open_world` makes them. One that does not follow never sees what others write."""
        self._connection = connection
        self._lock = threading.RLock()
        self.path = path
        self.follows = follows
        self._looked_at: int | None = None
        """What `look_for_changes` returned last: until it returns another number, the file has the same version."""

    @contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock of the world; everything inside happens as a whole or not at all."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise Temporary(f"the simulated world `{self.path}` is busy: {error}", delay=0.5) from error
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # The next one who uses this connection must not find it in the middle of something.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """See one moment of the world."""
        with self._lock:
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("COMMIT")

    def look_for_changes(self) -> int:
        """Return a number that differs once another connection has written; a file of a newer version is refused as when it is opened."""
        with self._lock:
            version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
            if version != self._looked_at:
                _check_version(self._connection, self.path)
                self._looked_at = version
            return version

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def identify(folder: Path) -> tuple[int, int] | None:
    """Return what tells the world of a folder from another that was put in its place; nothing where there is none."""
    try:
        status = (folder / FILE).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def open_world(folder: Path, *, name: str = "") -> World:
    """Open the world of a data folder for changing and create it when there is none; `name` of the host gives it its node key."""
    path = folder / FILE
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # SQLite would make it readable to everybody; the side files take the mode of this one.
    path.touch(mode=0o600)
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous=OFF")
        if _version(connection) == 0:
            _create(connection, name)
        _check_version(connection, path)
    except sqlite3.DatabaseError as error:
        raise Refused([damaged(path, error)]) from error
    return World(connection, path)


def open_for_reading(folder: Path) -> World | None:
    """Open the world without changing anything in it; nothing when there is none yet."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        connection, follows = _connect_for_reading(path)
        if _version(connection) == 0:
            # Another process is creating it this very moment: to us there is no world yet.
            connection.close()
            return None
        _check_version(connection, path)
    except sqlite3.DatabaseError as error:
        raise Refused([damaged(path, error)]) from error
    return World(connection, path, follows=follows)


def _connect_for_reading(path: Path) -> tuple[sqlite3.Connection, bool]:
    # Not `mode=ro`: such a connection makes the two side files of WAL and may not remove them, so a plan would leave them behind.
    uri = path.absolute().as_uri()
    connection = sqlite3.connect(f"{uri}?mode=rw", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
    try:
        connection.execute("PRAGMA query_only=ON")
        _version(connection)
    except sqlite3.OperationalError:
        # Somebody else's folder, in which the side files cannot be made; then nobody writes there now either, or they would exist.
        connection.close()
        return sqlite3.connect(f"{uri}?immutable=1", isolation_level=None, check_same_thread=False, uri=True), False
    return connection, True


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _create(connection: sqlite3.Connection, name: str) -> None:
    _switch_to_wal(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have created it while this one waited for the lock.
        if _version(connection) == 0:
            # executescript() would commit first, and a second process would then see half of a world.
            for statement in _SCHEMA.split(";\n"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('name', ?)", (name,))
            connection.execute(f"PRAGMA user_version={VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for its busy time-out here: two processes that switch a new file at the same time would both fail at once.
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection)
    if version <= VERSION:
        return
    connection.close()
    detail = f"`{path}` has version {version} and this program knows up to {VERSION}; use the newer program, or remove the file"
    raise Refused([Diagnostic("world-newer", "The simulated world was made by a newer version", detail)])


def damaged(path: Path, error: sqlite3.DatabaseError) -> Diagnostic:
    """Say that the file holds something else."""
    detail = f"`{path}` cannot be read ({error}); remove it to start a new, empty world"
    return Diagnostic("world-damaged", "The simulated world cannot be opened", detail)
