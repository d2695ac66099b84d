"""Snapshots that VMs take by themselves: `snapshots: {keep, every, memory}` of a stack file.

A snapshot is due one interval after the one before, on a grid that begins when the schedule is first seen, so that those of a day do not
creep through it. Of those that were missed while nobody was awake, one is taken. What was taken stands in the records; beside them the
daemon keeps for which moment of the grid that was, and how often it failed.

Each is a job in the lane of its VM, and is not begun while somebody else works on the VM. The oldest ones beyond `keep` are destroyed
once there is a new one; where the host has no room for one more, the oldest goes first. Those that a person asked for are never touched.
"""

import hashlib
import logging
import time
from typing import Literal, NamedTuple

from herocloud.kits.jsons import Json
from herocloud.model import specs
from herocloud.model.applies import Scope
from herocloud.model.errors import HerocloudError
from herocloud.model.parts import SNAPSHOT
from herocloud.model.specs import SnapshotPolicy
from herocloud.model.worlds import Record, Recorded
from herocloud.operations import snapshot_requests as snapshots
from herocloud.operations.snapshot_requests import Wanted
from herocloud.rpc.calls import error_answers
from herocloud.rpc.calls.error_codes import RpcError
from herocloud.rpc.jobs import work
from herocloud.rpc.jobs.desk import Desk, secret_of
from herocloud.rpc.jobs.job_runs import Request, Run, Subject
from herocloud.rpc.store.daemon_store import NewEvent, StoredSchedule

log = logging.getLogger(__name__)

METHOD = "snapshot_schedule"
AT_ONCE = 2
"""How many VMs have their disks copied at the same time."""
FIRST_PAUSE = 60.0
LONGEST_PAUSE = 3600.0
_JITTER = 0.05
_MOST_JITTER = 600.0
"""Many VMs with one interval are spread over a twentieth of it, and over ten minutes at most."""

Outcome = Literal["taken", "deleted", "failed"]


class Known(NamedTuple):
    """A VM that has a schedule, and what is known of it."""

    record: Record
    policy: SnapshotPolicy
    schedule: StoredSchedule
    taken: tuple[tuple[float, str], ...]
    """Those that the schedule took, oldest first: when, and what each is called."""

    @property
    def beyond(self) -> list[str]:
        """Return those that are more than what is kept."""
        return [name for _, name in self.taken[: max(0, len(self.taken) - self.policy["keep"])]]


class SnapshotSchedules:
    """The schedules of one daemon; `look` is called now and then."""

    def __init__(self, desk: Desk) -> None:
        """Go on where the file ends."""
        self._desk = desk
        self._clock = desk.clock
        self._kept = desk.store.schedules()
        self.counts: dict[Outcome, int] = {"taken": 0, "deleted": 0, "failed": 0}
        """What was done since this daemon began."""

    def known(self) -> list[Known]:
        """Return the VMs that have a schedule, in the order of their addresses."""
        now = self._clock()
        return [
            Known(record, policy, self._kept.get(record.sid or "", StoredSchedule(record.sid or "", now)), self._taken(record))
            for _, records in sorted(self._desk.recorded.records.items())
            for _, record in sorted(records.items())
            if record.kind == "vm" and record.sid and (policy := _policy(record)) is not None
        ]

    def failing(self) -> list[Known]:
        """Return those of which the last try failed."""
        return [known_vm for known_vm in self.known() if known_vm.schedule.failures]

    def look(self) -> None:
        """Begin what is due and may begin now."""
        now = self._clock()
        known_vms = self.known()
        for sid in self._kept.keys() - {vm.schedule.sid for vm in known_vms}:
            del self._kept[sid]
            self._desk.store.drop_schedule(sid)
        due = []
        for known_vm in known_vms:
            schedule = self._caught_up(known_vm, now)
            if known_vm.beyond and now >= schedule.again:
                due.append((schedule.slot, known_vm))
            elif now >= max(due_at(schedule, known_vm.policy["every"]), schedule.again) and self._runs(known_vm.record):
                due.append((due_at(schedule, known_vm.policy["every"]), known_vm))
        recorded = self._desk.recorded
        under_way = [job for job in self._desk.jobs.open() if job.method == METHOD]
        free = AT_ONCE - len(under_way)
        for _, known_vm in sorted(due, key=lambda item: item[0]):
            if free <= 0:
                return
            if self._is_free(known_vm.record, recorded):
                free -= 1
                self._begin(known_vm)

    def _caught_up(self, known_vm: Known, now: float) -> StoredSchedule:
        """Return where a schedule stands: a snapshot in the records counts also where a killed daemon could not say that it was taken."""
        schedule = known_vm.schedule
        newest = max((at for at, _ in known_vm.taken if at <= now), default=0.0)
        slot = min(schedule.slot, now) if known_vm.schedule.sid in self._kept else (newest or now)
        if newest > slot:
            slot = settle(slot, known_vm.policy["every"], newest)
        # The clock may have been set back since it failed, too.
        again = min(schedule.again, now + LONGEST_PAUSE)
        if (slot, again) != (schedule.slot, schedule.again) or schedule.sid not in self._kept:
            schedule = self._keep(schedule._replace(slot=slot, again=again))
        return schedule

    def _taken(self, record: Record) -> tuple[tuple[float, str], ...]:
        fresh, thing = self._desk.sight.thing(record)
        there = record.parts if not fresh else {} if thing is None else thing.parts
        found = [
            (float(part["created"]), key.removeprefix(SNAPSHOT))
            for key, part in record.parts.items()
            if key.startswith(SNAPSHOT) and part["scheduled"] and key in there
        ]
        return tuple(sorted(found))

    def _runs(self, record: Record) -> bool:
        # What is on the disks of a VM that is off was there for the last one; taking it again would push older ones out.
        fresh, thing = self._desk.sight.thing(record)
        return fresh and thing is not None and thing.parts.get("power") == "running"

    def _is_free(self, record: Record, recorded: Recorded) -> bool:
        scope = Scope(record.stack, record.address)
        return (
            record.complete
            and not any(pending.alive and pending.scope.covers(scope) for pending in recorded.unfinished)
            and not any(job.stack == record.stack and job.address in (None, record.address) for job in self._desk.jobs.open())
        )

    def _begin(self, known_vm: Known) -> None:
        record = known_vm.record
        subject = Subject(f"vm:{record.stack}:{record.address}", record.stack, record.address, record.sid, secret_of(record))
        try:
            self._desk.jobs.submit(Request(METHOD, subject, lambda run: self._carry_out(run, known_vm)), self._desk.caller)
        except RpcError as error:
            # Where it was refused, the job has said so.
            log.info("the scheduled snapshot of %s of stack %s did not begin: %s", record.address, record.stack, error.kind.message)

    def _carry_out(self, run: Run, known_vm: Known) -> Json:
        now = self._desk.recorded.records.get(known_vm.record.stack, {}).get(known_vm.record.address)
        if now is None or now.sid != known_vm.record.sid:
            run.note("the VM was deleted meanwhile")
            return None
        try:
            return self._do(run, known_vm)
        except (RpcError, HerocloudError, OSError) as error:
            if run.cancelled:
                # Somebody does not want this one; the next one comes in its time.
                self._settle(known_vm)
            elif not self._desk.jobs.closing:
                self._fail(known_vm, error)
            raise

    def _do(self, run: Run, known_vm: Known) -> Json:
        record, now = known_vm.record, self._clock()
        done: dict[str, Json] = {"taken": None, "deleted": []}
        beyond = known_vm.beyond
        if not beyond:
            name = self._name_at(record, now)
            wanted = Wanted((record.address,), record.stack, name, known_vm.policy["memory"], scheduled=True)
            if len(known_vm.taken) >= known_vm.policy["keep"]:
                beyond = [known_vm.taken[0][1]]
                if not snapshots.fits(snapshots.plan_create(self._desk.folder, wanted, now)):
                    self._delete(run, known_vm, beyond)
                    done["deleted"], beyond = beyond, []
            work.run_planned(
                self._desk,
                run,
                lambda: snapshots.plan_create(self._desk.folder, wanted, now)[0],
                work.only(record.address),
                address=record.address,
            )
            done["taken"] = name
            self._settle(known_vm)
            self.counts["taken"] += 1
            self._tell(record, "vm_snapshot_taken", {"name": name})
        if beyond:
            self._delete(run, known_vm, beyond)
            done["deleted"] = beyond
        self._keep(self._kept[known_vm.schedule.sid]._replace(failures=0, again=0.0, reason=""))
        return done

    def _name_at(self, record: Record, now: float) -> str:
        """Return a name that says when, and that no snapshot of the VM has."""
        present = self._desk.finder.record(record.stack, record.address)
        base = name = time.strftime("auto-%Y%m%d-%H%M%S", time.gmtime(now))
        number = 1
        while f"{SNAPSHOT}{name}" in (present or record).parts:
            number += 1
            name = f"{base}-{number}"
        return name

    def _delete(self, run: Run, known_vm: Known, names: list[str]) -> None:
        record = known_vm.record
        work.run_planned(
            self._desk,
            run,
            lambda: snapshots.plan_delete(self._desk.folder, record.address, names, record.stack, purge=True),
            work.only(record.address),
            address=record.address,
        )
        self.counts["deleted"] += len(names)
        self._tell(record, "vm_snapshot_expired", {"names": list(names)})

    def _settle(self, known_vm: Known) -> None:
        schedule = self._kept[known_vm.schedule.sid]
        self._keep(schedule._replace(slot=settle(schedule.slot, known_vm.policy["every"], self._clock())))

    def _fail(self, known_vm: Known, error: Exception) -> None:
        record, now = known_vm.record, self._clock()
        schedule = self._kept.get(known_vm.schedule.sid, known_vm.schedule)
        failures = schedule.failures + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 16))
        reason = self._words(error, record)
        self._keep(schedule._replace(failures=failures, again=now + pause, reason=reason))
        self.counts["failed"] += 1
        log.warning("the scheduled snapshot of %s of stack %s failed (%d): %s", record.address, record.stack, failures, reason)
        if failures == 1:
            self._tell(record, "vm_snapshot_failed", {"reason": reason})

    def _words(self, error: Exception, record: Record) -> str:
        known = error if isinstance(error, RpcError) else error_answers.translate(error)
        if known is None:
            return f"{error}"
        data = self._desk.jobs.conceal(known.data, secret_of(record)) or {}
        said = "; ".join(str(found.get("detail") or found.get("summary")) for found in data.get("diagnostics", ()))
        return said or known.kind.message

    def _keep(self, schedule: StoredSchedule) -> StoredSchedule:
        self._kept[schedule.sid] = schedule
        self._desk.store.keep_schedule(schedule)
        return schedule

    def _tell(self, record: Record, kind: str, data: dict[str, Json]) -> None:
        self._desk.events.add(NewEvent(kind, record.stack, record.address, None, secret_of(record), data))


def due_at(schedule: StoredSchedule, every: int) -> float:
    """Return when the next snapshot is due: some time after its moment, differing from VM to VM, and the same whenever it is asked."""
    moment = schedule.slot + every
    digest = hashlib.sha256(f"{schedule.sid} {moment:.0f}".encode()).digest()
    return moment + int.from_bytes(digest[:4]) / 2**32 * min(_MOST_JITTER, _JITTER * every)


def settle(slot: float, every: int, now: float) -> float:
    """Return the last moment of the grid that is not after `now`."""
    return slot + max(0, int((now - slot) // every)) * every


def _policy(record: Record) -> SnapshotPolicy | None:
    return specs.vm(record.spec).get("snapshots")
