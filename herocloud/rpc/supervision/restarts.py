"""VMs that ended by themselves: who starts them again, and what is said of it.

Each VM has one restarter. Where something stands beside its process, that restarts it, also without a daemon; the daemon writes down what
it did, puts a new one in the place of one that was killed, and starts the VM itself only where both are dead. Where nothing stands there,
the daemon restarts it: a VM of which the process is gone has failed; one that is off has powered itself off, which is a failure only for
`restart: always`.
"""

import logging
import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.model.errors import Locked
from herocloud.model.worlds import Record
from herocloud.operations import restart_log
from herocloud.providers import registry
from herocloud.providers.restart_events import Restarter, RestartEvent
from herocloud.rpc.calls.error_codes import RpcError
from herocloud.rpc.jobs import work
from herocloud.rpc.jobs.desk import Desk, secret_of
from herocloud.rpc.jobs.job_runs import Run
from herocloud.rpc.methods import vm_methods
from herocloud.rpc.store.daemon_store import NewEvent
from herocloud.rpc.wire import systemd

log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
CALM_SECONDS = 600.0
"""A VM that has run for so long has recovered, and its next failure is a first one again."""


class Trouble(NamedTuple):
    """How often a VM failed lately."""

    failures: int
    since: float
    """When it was last started again."""


class Restarts:
    """The restarts on the host of one daemon."""

    def __init__(self, desk: Desk, clock: Callable[[], float] = time.monotonic) -> None:
        """Know of none yet."""
        self._desk = desk
        self._clock = clock
        self._trouble: dict[str, Trouble] = {}
        self.counts: dict[str, int] = {}
        """How often each VM was started again since this daemon began, by its sid."""
        self._failed: dict[str, Record] = {}
        """What a restart that failed has left of a VM, by its sid."""

    def look_at(self, record: Record, power: str) -> None:
        """Import what was done about a VM, and do what nobody else will."""
        restarter = restarter_of(self._desk, record)
        if restarter is not None:
            self._import(record, restarter)
            if restarter.replace_if_dead():
                log.warning("what stands beside the process of %s had died, and has a successor", record.address)
                self._tell(record, "vm_keeper_replaced", {})
        if str(record.spec.get("state") or "running") != "running" or power not in ("stopped", "gone"):
            return
        if not (restarter.is_abandoned() if restarter is not None else _fails(record, power)):
            return
        if systemd.is_host_going_down():
            log.info("%s ended with the host, and comes back with it", record.address)
            return
        self._restart(record, power)

    def has_left(self, record: Record) -> bool:
        """Return whether a VM is half made because a restart of it failed, and nobody has touched it since: it is tried again."""
        return self._failed.get(record.sid or "") == record

    def forget_others(self, sids: Collection[str | None]) -> None:
        """Drop what is remembered of VMs that are gone."""
        self._trouble = {sid: trouble for sid, trouble in self._trouble.items() if sid in sids}
        self.counts = {sid: count for sid, count in self.counts.items() if sid in sids}
        self._failed = {sid: record for sid, record in self._failed.items() if sid in sids}

    def _import(self, record: Record, restarter: Restarter) -> None:
        events = restarter.read_events()
        if not events:
            return
        try:
            restart_log.write(self._desk.folder, record.stack, record.address, events, work.how_for_edit(self._desk, "restart_policy"))
        except Locked:
            # Somebody works on the stack; the file keeps what happened until the next look.
            return
        for event in events:
            self._tell_of(record, event)
        restarter.forget_events()

    def _tell_of(self, record: Record, event: RestartEvent) -> None:
        if event.kind == "ended":
            self._tell(record, "vm_ended", {"exit_code": int(event.detail) if event.detail.isdecimal() else None, "at": event.at})
        elif event.kind == "restarted":
            sid = record.sid or ""
            self.counts[sid] = self.counts.get(sid, 0) + 1
            self._tell(record, "vm_restarted", {"was": "ended", "failures": int(event.detail or 1), "by": "keeper", "at": event.at})
        elif event.kind == "left-off":
            self._tell(record, "vm_left_off", {"policy": str(record.spec.get("restart") or "no"), "at": event.at})
        else:
            self._tell(record, "vm_given_up", {"failures": int(event.detail or 0), "at": event.at})

    def _restart(self, record: Record, power: str) -> None:
        sid, now = record.sid or "", self._clock()
        trouble = self._trouble.get(sid, Trouble(0, float("-inf")))
        if now - trouble.since > CALM_SECONDS:
            trouble = Trouble(0, trouble.since)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (trouble.failures - 1)) if trouble.failures else 0.0
        if now - trouble.since < pause:
            return
        self._trouble[sid] = Trouble(trouble.failures + 1, now)
        request = vm_methods.reviving(self._desk, record)

        def revive(run: Run) -> Json:
            try:
                result = request.work(run)
            except Exception:
                left = self._desk.recorded.records.get(record.stack, {}).get(record.address)
                if left is not None:
                    self._failed[sid] = left
                raise
            self._failed.pop(sid, None)
            self.counts[sid] = self.counts.get(sid, 0) + 1
            self._tell(record, "vm_restarted", {"was": power, "failures": trouble.failures + 1, "by": "daemon"})
            return result

        try:
            self._desk.jobs.submit(request._replace(work=revive), self._desk.caller)
        except RpcError as error:
            log.warning("restart of %s: %s", record.address, error.data)

    def _tell(self, record: Record, kind: str, data: dict[str, object]) -> None:
        self._desk.events.add(NewEvent(kind, record.stack, record.address, None, secret_of(record), data))


def restarter_of(desk: Desk, record: Record) -> Restarter | None:
    """Return what stands beside the process of a VM; nothing for a VM without one."""
    role = registry.find(record.provider).hypervisor
    return role.restarter(desk.folder, record.sid) if role is not None and role.restarter is not None and record.sid else None


def _fails(record: Record, power: str) -> bool:
    policy = str(record.spec.get("restart") or "no")
    return policy == "always" or (policy == "on-failure" and power == "gone")
