"""Records and jobs as callers see them."""

import json
from collections.abc import Mapping

from herocloud.kits.jsons import Json
from herocloud.model import ids, powers
from herocloud.model.applies import Pending
from herocloud.model.hosts import Slice
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Record, Recorded
from herocloud.operations import deployment, inputs, leftovers, lookups, stack_plans, unfinished
from herocloud.operations.lookups import Drifted
from herocloud.rpc.jobs.desk import Desk, Unrecorded, secret_of
from herocloud.rpc.jobs.job_marks import SECRET_LABEL, job_id
from herocloud.rpc.methods.answers import EventInfo, JobInfo, JobSteps, OrphanInfo, RpcErrorInfo, SliceInfo, UnfinishedInfo, VmInfo
from herocloud.rpc.store.daemon_store import StoredEvent, StoredJob
from herocloud.views import listings, remainders


def vm_info(desk: Desk, record: Record) -> VmInfo:
    """Return one VM."""
    spec = record.spec
    overlay = spec.get("mycelium") or {}
    working = _job_on(desk, record)
    return VmInfo(
        sid=record.sid or "",
        name=record.address.partition(".")[2],
        address=record.address,
        stack=record.stack,
        status=_status(desk, record, working),
        slices=list(spec.get("slices") or ()),
        vcpus=spec.get("vcpus"),
        memory_bytes=spec.get("memory"),
        disk_bytes=(spec.get("root_disk") or {}).get("size"),
        image=spec.get("image"),
        addresses=listings.addresses(spec),
        mycelium_ip=overlay.get("address") or None,
        hypervisor=record.provider,
        restart=str(spec.get("restart") or "no"),
        protected=record.protect,
        labels={name: str(value) for name, value in (spec.get("labels") or {}).items() if name != SECRET_LABEL},
        job_id=None if working is None else job_id(working.number),
    )


def _job_on(desk: Desk, record: Record) -> StoredJob | None:
    return next((job for job in desk.jobs.open() if job.stack == record.stack and job.address == record.address), None)


def _status(desk: Desk, record: Record, working: StoredJob | None) -> str:
    if not record.complete:
        return "deploying" if working is not None and working.method == "deploy_vm" else "incomplete"
    fresh, thing = desk.sight.thing(record)
    if fresh and thing is None:
        return "gone"
    parts = thing.parts if fresh and thing is not None else record.parts
    return powers.state_of(parts).partition(":")[0]


def pending_vm(job: StoredJob, wanted: "deployment.DeployWanted") -> VmInfo:
    """Return a VM of which nothing is recorded yet, because its job has only just begun."""
    return VmInfo(
        sid=job.sid or "",
        name=wanted.name,
        address=ids.make_address("vm", wanted.name),
        stack=deployment.STACK,
        status="deploying",
        slices=list(wanted.slices),
        vcpus=wanted.fields.get("vcpus"),
        memory_bytes=None,
        disk_bytes=None,
        image=wanted.image,
        addresses=[],
        mycelium_ip=None,
        hypervisor="auto",
        restart=str(wanted.fields.get("restart") or "no"),
        protected=bool(wanted.fields.get("protect")),
        labels={},
        job_id=job_id(job.number),
    )


def slice_info(desk: Desk, host_slice: Slice, holders: Mapping[str, Record | None], digest: str | None) -> SliceInfo:
    """Return one slice; who holds it is left out where that is not the caller's business, or where no record tells."""
    holder = holders.get(host_slice.sid)
    reserved = host_slice.sid in holders or any(host_slice.sid in run for run in desk.jobs.reserved())
    shown = holder if holder is not None and desk.sees(holder, digest) else None
    return SliceInfo(
        sid=host_slice.sid,
        state="InUse" if reserved else "Free",
        memory_bytes=host_slice.memory,
        disk_bytes=host_slice.disk,
        vm_sid=None if shown is None else shown.sid,
        vm=None if shown is None else shown.address,
        stack=None if shown is None else shown.stack,
    )


def holders(desk: Desk) -> dict[str, Record | None]:
    """Return the VM that holds each slice that is in use; nothing where it never had a record here, or one that cannot be read."""
    recorded = desk.with_unrecorded()
    found: dict[str, Record | None] = {}
    for sid, (stack, address) in inputs.slice_owners(recorded).items():
        found[sid] = _record_of(recorded, stack, address) or recorded.lost.get(stack, {}).get(address)
    return found


def _record_of(recorded: Recorded, stack: StackName, address: Address) -> Record | None:
    """Return the record of an address; before its first step is done, what its apply has reserved for it."""
    return recorded.records.get(stack, {}).get(address) or recorded.reserved.get(stack, {}).get(address)


def job_info(job: StoredJob) -> JobInfo:
    """Return one job."""
    error: Json = None if job.error is None else json.loads(job.error)
    return JobInfo(
        job_id=job_id(job.number),
        method=job.method,
        status=job.status,
        stack=job.stack,
        address=job.address,
        sid=job.sid,
        caller=job.caller,
        created_at=job.created,
        started_at=job.started,
        ended_at=job.ended,
        plan_id=job.plan,
        steps=JobSteps(total=job.steps_total, done=job.steps_done),
        note=job.note,
        result=None if job.result is None else json.loads(job.result),
        error=None if error is None else RpcErrorInfo(**error),
    )


def event_info(event: StoredEvent) -> EventInfo:
    """Return one event."""
    return EventInfo(
        seq=event.seq,
        at=event.at,
        type=event.type,
        stack=event.stack,
        address=event.address,
        job_id=None if event.job is None else job_id(event.job),
        data=json.loads(event.body),
    )


def is_hidden(record: Record, digest: str | None) -> bool:
    """Return whether a record is behind a secret that the caller did not give."""
    kept = secret_of(record)
    return kept is not None and kept != digest


def sees_drift(desk: Desk, drifted: Drifted, address: Address, digest: str | None) -> bool:
    """Return whether a caller with this secret may know of an address that differs from its record, or has none."""
    thing = drifted.orphans.get(address)
    if thing is not None:
        return desk.sight.last_unrecorded().secret_of(thing) in (None, digest)
    record = desk.recorded.records.get(drifted.stack, {}).get(address)
    return record is None or desk.sees(record, digest)


def orphan_infos(desk: Desk, digest: str | None) -> list[OrphanInfo]:
    """Return what no record owns, without what is behind other secrets."""
    recorded, host = desk.known
    found = lookups.without_record_still(desk.folder, leftovers.orphans_of(recorded, host))
    remembered = stack_plans.remember(recorded, Observed(lookups.by_stack(orphan.thing for orphan in found)), host)
    held = inputs.slice_owners(remembered)
    return [
        OrphanInfo(
            stack=orphan.thing.stack,
            address=orphan.thing.address,
            kind=orphan.thing.address.partition(".")[0],
            provider=orphan.thing.provider,
            parts=sorted(orphan.thing.parts) or sorted(orphan.thing.halves),
            slices=[sid for sid, owner in held.items() if owner == (orphan.thing.stack, orphan.thing.address)],
            foreign=orphan.foreign,
        )
        for orphan in found
        if Unrecorded(remembered.lost).secret_of(orphan.thing) in (None, digest)
    ]


def unfinished_infos(desk: Desk, stack: str | None, digest: str | None) -> list[UnfinishedInfo]:
    """Return the applies that did not end and on which nobody works, of one stack or of all, as far as the caller may know of them."""
    return [
        UnfinishedInfo(
            apply=pending.id,
            stack=pending.stack,
            operation=pending.operation,
            status=remainders.status_of(pending),
            user=pending.caller.user,
            address=pending.address,
        )
        for pending in unfinished.waiting(desk.reader.pending(), None if stack is None else ids.StackName(stack))
        if sees_apply(desk, pending, digest)
    ]


def sees_apply(desk: Desk, pending: Pending, digest: str | None) -> bool:
    """Return whether a caller may know of an apply that did not end."""
    record = _record_of(desk.recorded, pending.stack, pending.address) if pending.address else None
    if record is not None:
        return desk.sees(record, digest)
    # Of a VM that has no record yet, nobody can tell whose it is.
    return pending.stack != deployment.STACK
