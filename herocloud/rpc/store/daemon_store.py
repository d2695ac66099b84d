"""What the daemon remembers beside the state: its jobs, and the log of events with their sequence numbers.

A file of its own, because it has another writer and another rhythm than the state: two hundred small events a second must not wait for
the journal of an apply, nor the journal for them. What machines exist and what was done to them stands in the state alone; losing this
file loses the history of jobs and events and nothing else.

One connection writes, for one queue. `synchronous=FULL` for jobs, because an answered `deploy_vm` must be known after a power cut; events,
and what is noted of a job on its way, share the transactions of what somebody waits for.
"""

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, cast

from herocloud.kits.jsons import Json
from herocloud.model.errors import Refused
from herocloud.rpc.store import daemon_file
from herocloud.rpc.store.daemon_file import FILE, DaemonFile
from herocloud.state.write_queue import WriteQueue

_JOB = (
    "number, method, status, stack, address, sid, secret, caller, uid, key, asked, params, created, started, ended, plan, apply,"
    " steps_total, steps_done, note, result, error"
)


class StoredJob(NamedTuple):
    """One row of `jobs`, as it is in the file."""

    number: int
    method: str
    status: str
    """`queued`, `running`, `cancelling`, `done`, `failed` or `cancelled`."""
    stack: str | None
    address: str | None
    sid: str | None
    secret: str | None
    """The digest of the secret of the VM that it is about."""
    caller: str
    uid: int | None
    key: str | None
    asked: str
    """A digest of what was asked with a key, to tell a repetition from another request with the same key."""
    params: str | None
    """What is needed to begin again after a restart; nothing when it held content that is not kept."""
    created: float
    started: float | None
    ended: float | None
    plan: str | None
    apply: int | None
    steps_total: int
    steps_done: int
    note: str
    result: str | None
    error: str | None


class StoredEvent(NamedTuple):
    """One event of the log."""

    seq: int
    at: float
    type: str
    stack: str | None
    address: str | None
    job: int | None
    secret: str | None
    body: str


class NewEvent(NamedTuple):
    """An event that has no number yet."""

    type: str
    stack: str | None = None
    address: str | None = None
    job: int | None = None
    secret: str | None = None
    data: Json = None


class StoredSchedule(NamedTuple):
    """How far the snapshot schedule of a VM is."""

    sid: str
    slot: float
    """The moment for which the last snapshot was taken, or when the schedule began: the next one is due one interval later."""
    failures: int = 0
    """How often it failed in a row."""
    again: float = 0.0
    """Not tried before this moment."""
    reason: str = ""
    """Why it failed last."""


class DaemonStore:
    """The open file."""

    def __init__(self, folder: Path) -> None:
        """Open it, and make it when it is not there."""
        self._file = DaemonFile(folder)
        self._writes = WriteQueue(self._file.connect, self._file.path, explain=daemon_file.explain)

    def __enter__(self) -> Self:
        """Allow `with DaemonStore(…) as store`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close at the end of the block."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._writes.close(self._file.close)

    def flush(self) -> None:
        """Write what was put in so far and nobody waited for."""
        self._writes.flush()

    def find_failure(self) -> Refused | None:
        """Return why the file takes nothing: it did not take what was written last, or is not what it was; then it is tried again."""
        if self._writes.failure is None and self._file.is_as_it_was:
            return None
        try:
            self._writes.write(daemon_file.touch)
        except Refused as refused:
            return refused
        return None

    # Jobs

    def add_job(self, job: StoredJob, *, frees: bool = True) -> StoredJob:
        """Keep a new job; its number is given here. `frees` says whether there may be more room after it."""
        names = StoredJob._fields[1:]
        marks = ", ".join("?" * len(names))
        statement = f"INSERT INTO jobs ({', '.join(names)}) VALUES ({marks})"  # noqa: S608  (ours)
        number = self._writes.write(lambda connection: connection.execute(statement, job[1:]).lastrowid, frees=frees)
        return job._replace(number=int(number or 0))

    def change_job(self, number: int, **values: Json) -> bool:
        """Change fields of a job that has not ended; tells whether it had not."""
        return self._writes.write(_change(number, values))

    def note_job(self, number: int, **values: Json) -> None:
        """Change fields of a job that has not ended, with the next write: for what a restart finds out without."""
        self._writes.put(_change(number, values))

    def end_job(self, job: StoredJob, event: NewEvent, then: Callable[[], None]) -> None:
        """Write how a job ended and the event of that, both or neither; `then` is called before anybody hears of the event."""
        self._writes.write(_end(job, event), tells=True, then=then)

    def note_end(self, job: StoredJob, event: NewEvent) -> None:
        """Write how a job ended and the event of that with the next write."""
        self._writes.put(_end(job, event), tells=True)

    def drop_job(self, number: int) -> None:
        """Forget a job that was refused before it began."""
        self._writes.write(lambda connection: connection.execute("DELETE FROM jobs WHERE number = ?", (number,)))

    def find_job(self, number: int) -> StoredJob | None:
        """Return one job."""
        return next(iter(self._jobs("number = ?", (number,))), None)

    def list_jobs(self, limit: int, secret: str | None = None, *, open_only: bool = False) -> list[StoredJob]:
        """Return the newest jobs that a caller with this secret may know of, newest first."""
        condition = "(secret IS NULL OR secret = ?)" + " AND ended IS NULL" * open_only
        return self._jobs(f"{condition} ORDER BY number DESC LIMIT ?", (secret, limit))

    def open_jobs(self) -> list[StoredJob]:
        """Return the jobs that did not end, oldest first."""
        return self._jobs("ended IS NULL ORDER BY number", ())

    def find_key(self, key: str, since: float) -> StoredJob | None:
        """Return the newest job with this idempotency key that was asked for after a moment."""
        return next(iter(self._jobs("key = ? AND created >= ? ORDER BY number DESC", (key, since))), None)

    def jobs_of_plans(self) -> dict[str, StoredJob]:
        """Return the jobs that ran a plan, by plan."""
        return {job.plan: job for job in self._jobs("plan IS NOT NULL ORDER BY number", ()) if job.plan is not None}

    def _jobs(self, condition: str, values: tuple[Json, ...]) -> list[StoredJob]:
        with self._file.read() as connection:
            rows = connection.execute(f"SELECT {_JOB} FROM jobs WHERE {condition}", values)  # noqa: S608  (ours)
            return [StoredJob(*row) for row in rows]

    # Events

    def put_event(self, event: NewEvent, at: float) -> None:
        """Append an event, with the next write or `flush`; the listener of `hear_events` gets it after that."""
        self._writes.put(_append(event, at), tells=True)

    def hear_events(self, hear: Callable[[Sequence[StoredEvent]], None]) -> None:
        """Tell of events once they are on disk, in their order, from the thread that wrote them."""
        # What tells is what `put_event` has put in.
        self._writes.heard = lambda answers: hear(cast("list[StoredEvent]", answers))

    def events_from(self, first: int, limit: int) -> list[StoredEvent]:
        """Return events from a number on, oldest first."""
        with self._file.read() as connection:
            rows = connection.execute(
                "SELECT seq, at, type, stack, address, job, secret, body FROM events WHERE seq >= ? ORDER BY seq LIMIT ?", (first, limit)
            )
            return [StoredEvent(*row) for row in rows]

    def last_event(self) -> int:
        """Return the number of the newest event; 0 when there never was one."""
        with self._file.read() as connection:
            row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
            return 0 if row is None else int(row[0])

    # Snapshot schedules

    def schedules(self) -> dict[str, StoredSchedule]:
        """Return how far each schedule is, by the sid of its VM."""
        with self._file.read() as connection:
            rows = connection.execute("SELECT sid, slot, failures, again, reason FROM schedules")
            return {row[0]: StoredSchedule(*row) for row in rows}

    def keep_schedule(self, schedule: StoredSchedule) -> None:
        """Write down how far a schedule is."""
        statement = "INSERT OR REPLACE INTO schedules (sid, slot, failures, again, reason) VALUES (?, ?, ?, ?, ?)"
        self._writes.write(lambda connection: connection.execute(statement, schedule))

    def drop_schedule(self, sid: str) -> None:
        """Forget a schedule that a VM does not have any more."""
        self._writes.write(lambda connection: connection.execute("DELETE FROM schedules WHERE sid = ?", (sid,)))

    # Secrets and age

    def change_secret(self, before: str, after: str) -> None:
        """Give everything that belongs to one secret to another."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE jobs SET secret = ? WHERE secret = ?", (after, before))
            connection.execute("UPDATE events SET secret = ? WHERE secret = ?", (after, before))
            # A call that comes again under the new secret is the same one, as `repetitions` names calls.
            connection.execute(
                "UPDATE jobs SET key = substr(key, 1, length(key) - length(?1)) || ?2"
                " WHERE key IS NOT NULL AND substr(key, -length(?1)) = ?1",
                (before, after),
            )

        self._writes.write(write)

    def prune(self, keep_seconds: float, keep_events: int, now: float | None = None) -> None:
        """Forget jobs that ended long ago, and events beyond a number."""
        ended = (time.time() if now is None else now) - keep_seconds

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM jobs WHERE ended < ?", (ended,))
            connection.execute("DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?", (keep_events,))

        self._writes.write(write)


def _change(number: int, values: Mapping[str, Json]) -> Callable[[sqlite3.Connection], bool]:
    if not values.keys() <= set(StoredJob._fields):
        msg = f"a job has no such field: {sorted(values)}"
        raise ValueError(msg)
    statement = f"UPDATE jobs SET {', '.join(f'{name} = ?' for name in values)} WHERE number = ? AND ended IS NULL"  # noqa: S608  (ours)
    return lambda connection: connection.execute(statement, (*values.values(), number)).rowcount == 1


def _append(event: NewEvent, at: float) -> Callable[[sqlite3.Connection], StoredEvent]:
    row = (at, event.type, event.stack, event.address, event.job, event.secret, json.dumps(event.data, separators=(",", ":")))
    statement = "INSERT INTO events (at, type, stack, address, job, secret, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
    return lambda connection: StoredEvent(int(connection.execute(statement, row).lastrowid or 0), *row)


def _end(job: StoredJob, event: NewEvent) -> Callable[[sqlite3.Connection], StoredEvent | None]:
    """Return what writes the end of a job with its event; a job that has ended before gets no event."""
    names = ("status", "ended", "result", "error", "note", "steps_done", "params")
    change = _change(job.number, {name: getattr(job, name) for name in names})
    append = _append(event, job.ended or 0.0)
    return lambda connection: append(connection) if change(connection) else None


def has_key(folder: Path, key: str) -> bool:
    """Return whether the file of a daemon that need not run holds a job with this idempotency key."""
    try:
        with contextlib.closing(sqlite3.connect(f"{(folder / FILE).absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)) as connection:
            return connection.execute("SELECT 1 FROM jobs WHERE key = ?", (key,)).fetchone() is not None
    except sqlite3.Error:
        # Nobody knows, so it is not handed to somebody else.
        return (folder / FILE).exists()
