"""What Prometheus reads: names and labels as its users expect, and so few of them that no caller can make more.

A VM behind a secret counts in the totals and has no line of its own.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

import herocloud
from herocloud.model import powers
from herocloud.model.errors import HerocloudError
from herocloud.model.worlds import Record
from herocloud.rpc.calls.call_counts import BOUNDS, CallCounts
from herocloud.rpc.jobs.desk import Desk, secret_of
from herocloud.rpc.supervision.snapshot_schedules import SnapshotSchedules

MOST_VMS = 1000
"""VMs with lines of their own; a host with more of them is watched by its totals."""

_STATES = ("running", "stopped", "paused", "gone", "crashed", "silent", "unresponsive", "unsupervised", "io-error")
Labels = Mapping[str, str]
Sample = tuple[Labels, float]


def write(desk: Desk, restarts: Mapping[str, int], drifted: int, schedules: SnapshotSchedules, calls: CallCounts) -> str:
    """Return all metrics as text; while the state cannot be read, those that come from it are left out and not made up."""
    try:
        stated = [*_of_state(desk, restarts), *_of_schedules(schedules)]
    except (HerocloudError, OSError, sqlite3.Error):
        stated = []
    says = "1 if the state can be read. While it is 0, metrics of the host and its VMs are missing."
    readable = _metric("herocloud_state_readable", "gauge", says, [({}, bool(stated))])
    return "".join((*_of_daemon(desk, drifted), *readable, *stated, *_of_calls(calls)))


def _of_calls(calls: CallCounts) -> Iterator[str]:
    counted = [one._replace(method=one.method or "unknown") for one in calls.all()]
    errors = [({"method": one.method, "code": str(code)}, count) for one in counted for code, count in one.errors.items()]
    yield from _metric("herocloud_rpc_errors_total", "counter", "Calls that were answered with an error, by its code.", errors)
    name = "herocloud_rpc_duration_seconds"
    yield f"# HELP {name} How long calls took to answer, the waiting for their jobs included.\n# TYPE {name} histogram\n"
    for one in counted:
        within = [*zip(map(_number, BOUNDS), one.within, strict=True), ("+Inf", one.calls)]
        yield from (_sample(f"{name}_bucket", {"method": one.method, "le": bound}, count) for bound, count in within)
        yield _sample(f"{name}_sum", {"method": one.method}, one.seconds)
        yield _sample(f"{name}_count", {"method": one.method}, one.calls)


def _of_schedules(schedules: SnapshotSchedules) -> Iterator[str]:
    known = schedules.known()
    shown = [known_vm for known_vm in known if secret_of(known_vm.record) is None][:MOST_VMS]
    says = "When a VM's schedule last took a snapshot."
    newest = [(_labels(sampled.record), sampled.taken[-1][0]) for sampled in shown if sampled.taken]
    yield from _metric("herocloud_vm_scheduled_snapshot_timestamp_seconds", "gauge", says, newest)
    says = "VMs of which the last scheduled snapshot failed."
    failing = sum(1 for known_vm in known if known_vm.schedule.failures)
    yield from _metric("herocloud_snapshot_schedules_failing", "gauge", says, [({}, failing)])
    says = "Scheduled snapshots by what became of them, since the daemon started."
    counts = [({"outcome": outcome}, float(count)) for outcome, count in sorted(schedules.counts.items())]
    yield from _metric("herocloud_scheduled_snapshots_total", "counter", says, counts)


def _of_daemon(desk: Desk, drifted: int) -> Iterator[str]:
    yield from _metric("herocloud_build_info", "gauge", "The version.", [({"version": herocloud.__version__}, 1)])
    yield from _metric("herocloud_start_time_seconds", "gauge", "When the daemon started.", [({}, desk.started)])
    says = "Resources that differ from their records."
    yield from _metric("herocloud_drifted_resources", "gauge", says, [({}, drifted)])
    yield from _metric("herocloud_jobs_open", "gauge", "Jobs that have not ended.", [({}, len(desk.jobs.open()))])
    ended = [({"method": method, "status": status}, count) for (method, status), count in sorted(desk.jobs.ended_total.items())]
    yield from _metric("herocloud_jobs_ended_total", "counter", "Jobs that have ended, since the daemon started.", ended)
    yield from _metric("herocloud_events_total", "counter", "Events, ever.", [({}, desk.events.last)])
    yield from _metric("herocloud_event_subscribers", "gauge", "Streams of events that are open.", [({}, desk.events.subscribers)])


def _of_state(desk: Desk, restarts: Mapping[str, int]) -> Iterator[str]:
    host, recorded = desk.host, desk.recorded
    vms = [record for records in recorded.records.values() for record in records.values() if record.kind == "vm"]
    states = [_state(desk, record) for record in vms]
    held = {host_slice.sid for host_slice in host.slices}.intersection(desk.owners())
    slices = [({"state": "free"}, len(host.slices) - len(held)), ({"state": "in_use"}, len(held))]
    yield from _metric("herocloud_slices", "gauge", "Slices by state.", slices)
    yield from _metric("herocloud_host_memory_bytes", "gauge", "Memory of the host.", [({}, host.memory)])
    yield from _metric("herocloud_host_disk_bytes", "gauge", "Disk of the host.", [({}, host.disk)])
    yield from _metric("herocloud_host_cpus", "gauge", "Processors of the host.", [({}, host.cpus)])
    memory = sum(record.spec.get("memory") or 0 for record in vms)
    yield from _metric("herocloud_allocated_memory_bytes", "gauge", "Memory that is promised to VMs.", [({}, memory)])
    yield from _metric(
        "herocloud_allocated_vcpus", "gauge", "Processors that are promised.", [({}, sum(r.spec.get("vcpus") or 0 for r in vms))]
    )
    yield from _metric("herocloud_vms", "gauge", "VMs by state.", [({"state": state}, states.count(state)) for state in _STATES])
    shown = [(record, state) for record, state in zip(vms, states, strict=True) if secret_of(record) is None][:MOST_VMS]
    up = [(_labels(record), float(state in ("running", powers.UNSUPERVISED))) for record, state in shown]
    yield from _metric("herocloud_vm_up", "gauge", "Whether a VM runs.", up)
    again = [(_labels(record), restarts.get(record.sid or "", 0)) for record, _ in shown]
    yield from _metric("herocloud_vm_restarts_total", "counter", "How often a VM was started again by its policy.", again)
    yield from _metric("herocloud_state_serial", "gauge", "The serial of the state.", [({}, recorded.serial)])
    waiting = sum(1 for pending in recorded.unfinished if not pending.alive)
    yield from _metric("herocloud_unfinished_applies", "gauge", "Applies that wait to be resumed.", [({}, waiting)])


def _state(desk: Desk, record: Record) -> str:
    fresh, thing = desk.sight.thing(record)
    if fresh and thing is None:
        return "gone"
    parts = thing.parts if fresh and thing is not None else record.parts
    state = powers.state_of(parts).partition(":")[0]
    return state if state in _STATES else "gone"


def _labels(record: Record) -> Labels:
    return {"stack": record.stack, "vm": record.address, "sid": record.sid or ""}


def _metric(name: str, kind: str, says: str, samples: Sequence[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {says}\n# TYPE {name} {kind}\n"
    yield from (_sample(name, labels, value) for labels, value in samples)


def _sample(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{label}="{_escape(text)}"' for label, text in labels.items())
    return f"{name}{{{inside}}} {_number(value)}\n" if inside else f"{name} {_number(value)}\n"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
