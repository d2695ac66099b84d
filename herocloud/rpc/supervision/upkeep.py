"""What the daemon does without being asked: brings VMs back after a reboot of the host, sees to restarts, does its chores.

A VM is restarted only where the records want it running and nobody works on it: a stop is recorded first, so a stop is never
taken for a failure. Each restart is a job like any other, journalled, and visible in the state log.
"""

import logging
import random
import threading
import time
from collections.abc import Callable

from herocloud.model.errors import HerocloudError
from herocloud.model.worlds import Record, Thing
from herocloud.rpc.jobs.desk import Desk, secret_of
from herocloud.rpc.store.daemon_store import NewEvent
from herocloud.rpc.supervision import boot_run
from herocloud.rpc.supervision.chores import Chores, Intervals
from herocloud.rpc.supervision.restarts import Restarts
from herocloud.rpc.wire.peer_identity import Caller

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
_DAEMON = Caller(None, None, "daemon")


class Upkeep:
    """The thread that looks after the VMs of one daemon."""

    def __init__(
        self,
        desk: Desk,
        clock: Callable[[], float] = time.monotonic,
        look_seconds: float = LOOK_SECONDS,
        intervals: Intervals = Intervals(),  # noqa: B008  (a named tuple never changes)
    ) -> None:
        """Start nothing yet."""
        self._desk = desk._replace(caller=_DAEMON)
        self._interval = look_seconds
        self._ends = threading.Event()
        self._chance = random.Random()  # noqa: S311  (guards nothing)
        self._seen: dict[tuple[str, str], str] = {}
        self.restarts = Restarts(self._desk, clock)
        self.chores = Chores(self._desk, clock, intervals)
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End, after what is being done."""
        self._ends.set()
        if self._thread.is_alive():
            self._thread.join(30.0)

    def _run(self) -> None:
        self._safely(self._bring_back)
        while not self._ends.is_set():
            for work in (self.look, *self.chores.due()):
                self._safely(work)
            # Some jitter, so that many hosts do not look at once.
            self._ends.wait(self._interval * self._chance.uniform(0.9, 1.1))

    def _safely(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (HerocloudError, OSError) as error:
            log.warning("upkeep: %s", error)
        except Exception:
            log.exception("upkeep failed, and goes on")

    def _bring_back(self) -> None:
        boot_run.bring_back(self._desk.folder, lambda text: log.info("boot: %s", text))
        self._desk.sight.forget()

    def look(self) -> None:
        """Look at every VM once: say what changed, and see to what ended."""
        before = self._desk.recorded
        things = self._desk.sight.look_now()
        recorded = self._desk.recorded
        busy = {(job.stack, job.address) for job in self._desk.jobs.open()}
        stacks_busy = {pending.stack for pending in recorded.unfinished}
        for records in recorded.records.values():
            for record in records.values():
                if record.kind != "vm" or (record.stack, record.address) in busy or record.stack in stacks_busy:
                    continue
                if not record.complete and not self.restarts.has_left(record):
                    continue
                if before.records.get(record.stack, {}).get(record.address) != record:
                    # Deployed, stopped or started during the look, which may have seen the VM before or after that.
                    continue
                self._safely(lambda: self._look_at(record, things.get((record.stack, record.address))))  # noqa: B023  (called at once)

        self._forget_others([record for records in recorded.records.values() for record in records.values()])

    def _forget_others(self, there: list[Record]) -> None:
        """Drop what is remembered of VMs that are gone: a host may have thousands of them in a year."""
        addresses = {(record.stack, record.address) for record in there}
        self._seen = {key: power for key, power in self._seen.items() if key in addresses}
        self.restarts.forget_others({record.sid for record in there})

    def _look_at(self, record: Record, thing: Thing | None) -> None:
        power = "gone" if thing is None else str(thing.parts.get("power", "gone"))
        key = (record.stack, record.address)
        before = self._seen.get(key)
        self._seen[key] = power
        if before is not None and before != power:
            data = {"before": before, "now": power, "expected": str(record.spec.get("state") or "running")}
            self._desk.events.add(NewEvent("vm_state", record.stack, record.address, None, secret_of(record), data))
        self.restarts.look_at(record, power)
