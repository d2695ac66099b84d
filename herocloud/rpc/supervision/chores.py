"""What has to be done now and then on a host that runs for months: logs cut, old data thrown away, memory given back, drift looked for."""

import logging
import random
import time
from collections.abc import Callable
from typing import NamedTuple

from herocloud.kits import unused_memory
from herocloud.model.ids import Address
from herocloud.model.worlds import Record
from herocloud.operations import leftovers, lookups, state_history
from herocloud.rpc.jobs import stale_uploads, work
from herocloud.rpc.jobs.desk import Desk, secret_of
from herocloud.rpc.store.daemon_store import NewEvent
from herocloud.rpc.supervision.restarts import restarter_of
from herocloud.rpc.supervision.snapshot_schedules import SnapshotSchedules

log = logging.getLogger(__name__)

LOG_SECONDS = 30.0
DRIFT_SECONDS = 60.0
PRUNE_SECONDS = 3600.0
UPLOAD_SECONDS = 60.0
SNAPSHOT_SECONDS = 15.0
HISTORY_SECONDS = 24 * 3600.0
MEMORY_SECONDS = 30.0
KEEP_JOBS_SECONDS = 7 * 24 * 3600.0
KEEP_EVENTS = 1_000_000
JITTER = 0.1
"""Share by which intervals vary, so that many hosts do not look at once."""


class Intervals(NamedTuple):
    """How often each of it is done, in seconds."""

    logs: float = LOG_SECONDS
    drift: float = DRIFT_SECONDS
    prune: float = PRUNE_SECONDS
    snapshots: float = SNAPSHOT_SECONDS
    history: float = HISTORY_SECONDS
    uploads: float = UPLOAD_SECONDS
    memory: float = MEMORY_SECONDS


class Chores:
    """The chores of one daemon, done by the caller of `due`."""

    def __init__(self, desk: Desk, clock: Callable[[], float], intervals: Intervals = Intervals()) -> None:  # noqa: B008  (never changes)
        """Be due for everything but drift, for which there is no news yet."""
        self._desk = desk
        self._clock = clock
        # A file system writes times down in steps of some milliseconds.
        self._began = time.time() - 1.0
        self._chance = random.Random()  # noqa: S311  (guards nothing)
        self.schedules = SnapshotSchedules(desk)
        self._intervals = {
            "cut_logs": intervals.logs,
            "look_for_drift": intervals.drift,
            "throw_away": intervals.prune,
            "take_snapshots": intervals.snapshots,
            "prune_history": intervals.history,
            "remove_stale_uploads": intervals.uploads,
            "give_back_memory": intervals.memory,
        }
        self._next = dict.fromkeys(self._intervals, clock())
        self._drifted: dict[tuple[str, Address], tuple[str, ...]] = {}
        self._secrets: dict[tuple[str, Address], str | None] = {}
        """Of what has no record, from which to tell."""

    @property
    def drifted(self) -> int:
        """Return how many resources differed from their records at the last look."""
        return len(self._drifted)

    def due(self) -> list[Callable[[], None]]:
        """Return what is to be done now, and count it as done: a chore that fails waits for its next time like any other."""
        now = self._clock()
        names = [name for name, at in self._next.items() if at <= now]
        for name in names:
            self._next[name] = now + self._intervals[name] * self._chance.uniform(1 - JITTER, 1 + JITTER)
        return [getattr(self, name) for name in names]

    def cut_logs(self) -> None:
        """Cut serial logs that have grown beyond their limit; guests write them, and know none."""
        for record in self._vms():
            restarter = restarter_of(self._desk, record)
            if restarter is not None and restarter.cut_log():
                log.info("the serial log of %s was cut", record.address)

    def throw_away(self) -> None:
        """Destroy deleted data whose time has passed, and forget old jobs and events."""
        self._desk.store.prune(KEEP_JOBS_SECONDS, KEEP_EVENTS)
        how = work.how_for_edit(self._desk, "expire")._replace(note=lambda text: log.info("%s", text))
        leftovers.forget_expired(self._desk.sight.hosting(), how)

    def remove_stale_uploads(self) -> None:
        """Remove what callers sent with plans that cannot be applied any more."""
        stale_uploads.sweep(self._desk, self._began)

    def prune_history(self) -> None:
        """Throw away history of the state beyond its limits."""
        pruned = state_history.prune(self._desk.sight.hosting(), work.how_for_edit(self._desk, "history"))
        if pruned.operations:
            log.info("%d operations of the history were thrown away; it begins with serial %d", pruned.operations, pruned.kept_from)
            self._desk.events.add(NewEvent("history_pruned", data=pruned._asdict()))

    def give_back_memory(self) -> None:
        """Give the host the memory that many jobs at once have used, and nobody uses now."""
        unused_memory.give_back()

    def take_snapshots(self) -> None:
        """Begin the snapshots that are due by their schedules, and delete those that they do not keep any more."""
        self.schedules.look()

    def look_for_drift(self) -> None:
        """Compare the world with the records, and say what has come to differ and what does not any more."""
        seen: dict[tuple[str, Address], list[str]] = {}
        for drifted_stack in lookups.find_drift(self._desk.folder, None):
            for item in drifted_stack.drift:
                seen.setdefault((drifted_stack.stack, item.address), []).append(item.part)
            for address, thing in drifted_stack.orphans.items():
                self._secrets[drifted_stack.stack, address] = self._desk.sight.last_unrecorded().secret_of(thing)
        now = {key: tuple(sorted(parts)) for key, parts in seen.items()}
        before, self._drifted = self._drifted, now
        for key, parts in now.items():
            if before.get(key) != parts:
                self._tell("drift_found", key, {"parts": list(parts)})
        for key in before.keys() - now.keys():
            self._tell("drift_gone", key, {})
        self._secrets = {key: secret for key, secret in self._secrets.items() if key in now}

    def _tell(self, kind: str, key: tuple[str, Address], data: dict[str, object]) -> None:
        stack, address = key
        record = self._desk.recorded.records.get(stack, {}).get(address)  # type: ignore[call-overload]
        secret = self._secrets.get(key) if record is None else secret_of(record)
        self._desk.events.add(NewEvent(kind, stack, address, None, secret, data))

    def _vms(self) -> list[Record]:
        return [record for records in self._desk.recorded.records.values() for record in records.values() if record.kind == "vm"]
