"""Files of the state that are made for the first time: the database, its marker, and the key for secrets.

There is one creator at a time, for the moments in which a file is made for the first time. The lock of `locking` is not enough: it is held
by the very command that creates, and not by everybody who may. This one is on the file of the holder's record and lasts some milliseconds.

The order of the first write to a data folder makes every instant of a crash harmless. The database is made under another name and gets its
own only when it is whole and on disk: killed before that, the next run starts over. The marker comes last, and a database without one is
valid: killed between the two, the next write adds it. Marker first would turn the same crash into a missing state.

State and plans hold a name of each secret and a digest with the key, so a change is seen and nothing leaks. Without a key of its own, a
digest of a weak password could be guessed from a plan file. The key never leaves the data folder.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from herocloud.kits import durable_files, faults, plain_files
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.state import failures, migrating, state_files

_PATIENCE = 10.0
"""Seconds that a second process waits before it gives up; the first needs a hundredth of that on a slow disk."""


@contextmanager
def alone(folder: Path, *, pause: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Keep every other creator out while inside."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        with durable_files.flock(state_files.holder(folder), blocking=False) as got:
            if got:
                yield
                return
        if time.monotonic() >= deadline:
            raise failures.refusal("state-busy", folder, "another process has been creating files here for too long")
        pause(0.02)


def create(folder: Path) -> None:
    """Make the folder and its database, unless another process just did."""
    faults.reached("state.create.folder")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with alone(folder):
        if state_files.examine(folder).present:
            return
        draft = folder / state_files.DRAFT
        faults.reached("state.create.draft")
        for suffix in ("", "-journal", "-wal", "-shm"):
            draft.with_name(draft.name + suffix).unlink(missing_ok=True)
        _draw_up(draft)
        faults.reached("state.create.sync")
        _sync(draft)
        faults.reached("state.create.rename")
        draft.rename(state_files.database(folder))
        durable_files.sync_folder(folder)
        faults.reached("state.create.renamed")


def mark(folder: Path, lineage: str) -> None:
    """Leave the marker that makes a later loss of the database visible."""
    faults.reached("state.create.marker")
    with alone(folder):
        for leftover in folder.glob(f".{state_files.MARKER}.*.new"):
            leftover.unlink(missing_ok=True)
        durable_files.write_durably(state_files.marker(folder), f"{lineage}\n".encode())
    faults.reached("state.create.marked")


def _draw_up(draft: Path) -> None:
    # Mode 0600 from the first byte: SQLite itself would create the file with the umask of the calling process.
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        # A draft that a crash interrupts is thrown away, so nothing here needs to be durable before `_sync`.
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA application_id = {migrating.APPLICATION_ID}")
        migrating.migrate(connection)
        connection.execute("INSERT INTO serials (serial, at, operation) VALUES (0, ?, 'created')", (time.time(),))
        connection.execute(
            "INSERT INTO world (only_row, lineage, serial, slices, host) VALUES (1, ?, 0, 0, ?)",
            (os.urandom(16).hex(), os.urandom(8).hex()),
        )
        # Closing empties the log again; from here on the header says that there is one.
        connection.execute("PRAGMA journal_mode = WAL")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


_LENGTH = 32
_MOST_BYTES = 64 * 1024


def load_key(folder: Path, *, create: bool) -> bytes | None:
    """Return the key; where there is none, make it, or return nothing when `create` is false."""
    path = folder / state_files.KEY
    with failures.Guarded(path):
        key = _read(path)
        if key is None and create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with alone(folder):
                key = _read(path) or _make(path)
    return key


def _read(path: Path) -> bytes | None:
    try:
        key = plain_files.read(path, _MOST_BYTES)
    except FileNotFoundError:
        return None
    if len(key) != _LENGTH:
        detail = (
            f"`{path}` holds {len(key)} bytes and not {_LENGTH}. Put it back from a backup; or remove it, and every secret will be taken "
            "for changed once."
        )
        raise Refused([Diagnostic("key-damaged", "The key for secrets is damaged", detail)])
    return key


def _make(path: Path) -> bytes:
    """Write a new key under another name first: half a key would be a damaged one."""
    key = os.urandom(_LENGTH)
    draft = path.with_name(path.name + ".new")
    faults.reached("state.key.before")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(key)
        stream.flush()
        os.fsync(stream.fileno())
    faults.reached("state.key.written")
    draft.rename(path)
    durable_files.sync_folder(path.parent)
    return key
