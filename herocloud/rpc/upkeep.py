"""What the daemon does without being asked: brings VMs back after a reboot of the host, looks for drift, restarts by policy, throws away.

A VM is restarted only where the records want it running and nobody works on it: whoever stops a VM records that first, so a stop is never
taken for a failure. A VM of which the process is gone has failed; one that is off has powered itself off, which is a failure only for
`restart: always`. Each restart is a job like any other, journalled, and visible in the state log.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from herocloud.model.errors import HerocloudError
from herocloud.model.worlds import Record, Thing
from herocloud.rpc import boot_run
from herocloud.rpc.daemon_store import NewEvent
from herocloud.rpc.desk import Desk, secret_of
from herocloud.rpc.error_codes import RpcError
from herocloud.rpc.methods import vm_methods
from herocloud.rpc.peer_identity import Caller

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
DRIFT_SECONDS = 60.0
PRUNE_SECONDS = 3600.0
KEEP_JOBS_SECONDS = 7 * 24 * 3600.0
KEEP_EVENTS = 1_000_000
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
CALM_SECONDS = 600.0
"""A VM that has run for so long has recovered, and its next failure is a first one again."""
_DAEMON = Caller(None, None, "daemon")


class Trouble(NamedTuple):
    """How often a VM failed lately."""

    failures: int
    since: float
    """When it was last started again."""


class Upkeep:
    """The thread that looks after the VMs of one daemon."""

    def __init__(self, desk: Desk, clock: Callable[[], float] = time.monotonic, look_seconds: float = LOOK_SECONDS) -> None:
        """Start nothing yet."""
        self._desk = desk._replace(caller=_DAEMON)
        self._clock = clock
        self._interval = look_seconds
        self._ends = threading.Event()
        self._chance = random.Random()  # noqa: S311  (guards nothing)
        self._trouble: dict[str, Trouble] = {}
        self.restarts: dict[str, int] = {}
        self._seen: dict[tuple[str, str], str] = {}
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
        next_prune = self._clock()
        while not self._ends.is_set():
            self._safely(self.look)
            if self._clock() >= next_prune:
                self._safely(lambda: self._desk.store.prune(KEEP_JOBS_SECONDS, KEEP_EVENTS))
                next_prune = self._clock() + PRUNE_SECONDS
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
        """Look at every VM once: say what changed, and start what its policy wants started."""
        things = self._desk.sight.look_now()
        busy = {(job.stack, job.address) for job in self._desk.jobs.open()}
        recorded = self._desk.recorded
        stacks_busy = {one.stack for one in recorded.unfinished}
        for records in recorded.records.values():
            for record in records.values():
                if record.kind != "vm" or not record.complete or (record.stack, record.address) in busy or record.stack in stacks_busy:
                    continue
                self._look_at(record, things.get((record.stack, record.address)))

    def _look_at(self, record: Record, thing: Thing | None) -> None:
        power = "gone" if thing is None else str(thing.parts.get("power", "gone"))
        key = (record.stack, record.address)
        before = self._seen.get(key)
        self._seen[key] = power
        wanted = str(record.spec.get("state") or "running")
        if before is not None and before != power:
            data = {"before": before, "now": power, "expected": wanted}
            self._desk.events.add(NewEvent("vm_state", record.stack, record.address, None, secret_of(record), data))
        if wanted == "running" and power in ("stopped", "gone") and self._is_restarted(record, power):
            self._restart(record, power)

    def _is_restarted(self, record: Record, power: str) -> bool:
        policy = str(record.spec.get("restart") or "no")
        return policy == "always" or (policy == "on-failure" and power == "gone")

    def _restart(self, record: Record, power: str) -> None:
        sid, now = record.sid or "", self._clock()
        trouble = self._trouble.get(sid, Trouble(0, float("-inf")))
        if now - trouble.since > CALM_SECONDS:
            trouble = Trouble(0, trouble.since)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (trouble.failures - 1)) if trouble.failures else 0.0
        if now - trouble.since < pause:
            return
        self._trouble[sid] = Trouble(trouble.failures + 1, now)
        try:
            self._desk.jobs.submit(vm_methods.reviving(self._desk, record), self._desk.caller)
        except RpcError as error:
            log.warning("restart of %s: %s", record.address, error.data)
            return
        self.restarts[sid] = self.restarts.get(sid, 0) + 1
        data = {"was": power, "failures": trouble.failures + 1}
        self._desk.events.add(NewEvent("vm_restarted", record.stack, record.address, None, secret_of(record), data))
