"""Snapshots of VMs: taken, listed, restored, deleted."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import Field

from herocloud.kits.jsons import Json
from herocloud.model import ids
from herocloud.model.errors import HerocloudError
from herocloud.model.known_snapshots import Snapshot
from herocloud.model.worlds import Record
from herocloud.operations import snapshot_requests as snapshots
from herocloud.operations.snapshot_requests import Wanted
from herocloud.operations.stack_plans import Planned
from herocloud.rpc.calls import error_answers
from herocloud.rpc.calls.error_codes import DOES_NOT_FIT, NOT_FOUND, WRONG_STATE
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs import work
from herocloud.rpc.jobs.desk import Desk, secret_of
from herocloud.rpc.jobs.job_runs import Request, Run, Subject
from herocloud.rpc.methods import infos
from herocloud.rpc.methods.answers import IdempotencyKey, JobInfo, Secret, Sid, SnapshotInfo, Wait
from herocloud.rpc.methods.vm_methods import _JOB, CHANGING

NAME = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"
Name = Annotated[str, Field(pattern=NAME, description="The name of the snapshot.")]

_SNAPSHOT: dict[str, Json] = {
    "sid": "vnyhs9",
    "vm": "vm.web",
    "stack": "imperative",
    "name": "before-update",
    "created_at": 0,
    "size_bytes": 10737418240,
    "disks": ["disk"],
    "memory_bytes": None,
    "scheduled": False,
    "present": True,
}
_ON_WEB: dict[str, Json] = {"sid": "vnyhs9", "name": "before-update", "secret": "", "idempotency_key": None, "wait": 60}


@declare(
    "snapshots",
    example=Example(
        {"sid": "vnyhs9", "sids": [], "name": "before-update", "memory": False, "secret": "", "idempotency_key": None, "wait": 60},
        {**_JOB, "method": "create_snapshot", "result": [_SNAPSHOT]},
    ),
    errors=(*CHANGING, DOES_NOT_FIT),
)
def create_snapshot(
    desk: Desk,
    sid: Annotated[str | None, Field(pattern=r"^[0-9a-z]{2,16}$", description="The id of the VM; or name several in `sids`.")] = None,
    name: Annotated[str | None, Field(pattern=NAME, description="What it is called; the time by default.")] = None,
    memory: Annotated[bool, Field(description="Keeps what the VM has in memory too.")] = False,  # noqa: FBT002
    sids: Annotated[list[Sid], Field(max_length=256, description="Several VMs of one stack, all at one moment.")] = [],  # noqa: B006
    secret: Secret = "",
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
) -> JobInfo:
    """Take a snapshot of a VM, or of several at one moment.

    A VM that runs is paused while its disks are copied, and goes on whatever becomes of the copies. Several VMs are all held before the
    first copy, and none goes on before the last. The result of the job is the list of the snapshots.
    """
    if (sid is None) == (not sids):
        raise error_answers.invalid("Name one VM in `sid`, or several in `sids`.", None, "sid")
    vms = [desk.find_vm(vm, secret) for vm in dict.fromkeys([sid] if sid is not None else sids)]
    if len({record.stack for record in vms}) > 1:
        hint = "take the snapshots one stack after the other"
        raise error_answers.wrong_state("VMs that are held together are of one stack.", hint, "several-stacks")
    params: dict[str, Json] = {
        "stack": vms[0].stack, "vms": [record.address for record in vms], "name": name or snapshots.name_at(time.time()), "memory": memory,
    }  # fmt: skip
    return infos.job_info(desk.submit(taking(desk, vms, params), idempotency_key, wait=wait))


def taking(desk: Desk, records: Sequence[Record], params: dict[str, Json]) -> Request:
    """Return what new snapshots are to the jobs."""
    wanted = Wanted(tuple(params["vms"]), params["stack"], params["name"], params["memory"], together=len(records) > 1)
    single = records[0] if len(records) == 1 else None

    def run_it(run: Run) -> Json:
        def plan() -> Planned:
            # It may have waited for others, or begin again in another daemon.
            return snapshots.plan_create(desk.folder, wanted, time.time())[0]

        allowed = work.only(*(record.address for record in records))
        work.run_planned(desk, run, plan, allowed, address=single.address if single else None)
        return taken(desk, params)

    return Request("create_snapshot", _subject(records), run_it, params=params)


def taken(desk: Desk, params: dict[str, Json]) -> Json:
    """Return the snapshots that a job took."""
    with contextlib.suppress(HerocloudError, OSError):
        # When its VM was held is seen with a look; until then a snapshot is as old as its plan.
        desk.sight.look_now()
    records = desk.recorded.records.get(params["stack"], {})
    found = [snapshot for address in params["vms"] if address in records for snapshot in _of(desk, records[address])]
    return [_info(snapshot).model_dump(mode="json") for snapshot in found if snapshot.name == params["name"]]


@declare("snapshots", example=Example({}, [_SNAPSHOT]), errors=(NOT_FOUND, WRONG_STATE))
def list_snapshots(
    desk: Desk,
    secret: Secret = "",
    sid: Annotated[str | None, Field(pattern=r"^[0-9a-z]{2,16}$", description="Only the snapshots of this VM.")] = None,
) -> list[SnapshotInfo]:
    """Return the snapshots of the VMs, those of one VM oldest first.

    With a secret: only those of VMs that were deployed with it. Without one: those of VMs that were deployed without.
    """
    if sid is not None:
        return [_info(snapshot) for snapshot in _of(desk, desk.find_vm(sid, secret))]
    digest, recorded = desk.digest(secret), desk.recorded.records
    return [
        _info(snapshot)
        for stack in sorted(recorded)
        for record in sorted(recorded[stack].values(), key=lambda record: ids.sort_key(record.address))
        if record.kind == "vm" and secret_of(record) == digest
        for snapshot in _of(desk, record)
    ]


@declare(
    "snapshots",
    example=Example({**_ON_WEB, "memory": True}, {**_JOB, "method": "restore_snapshot"}),
    errors=(*CHANGING, DOES_NOT_FIT),
)
def restore_snapshot(
    desk: Desk,
    sid: Sid,
    name: Name,
    secret: Secret = "",
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
    memory: Annotated[bool, Field(description="Lets the VM go on where it was, if the snapshot holds its memory.")] = True,  # noqa: FBT002
) -> JobInfo:
    """Put what a snapshot holds in the place of what a VM has.

    The call is the consent; a protected VM stays as it is. What the VM has now is kept for a time, and `undo` brings it back.
    """
    record = desk.find_vm(sid, secret)
    params: dict[str, Json] = {"stack": record.stack, "address": record.address, "name": name, "memory": memory, "now": time.time()}
    return infos.job_info(desk.submit(restoring(desk, record, params), idempotency_key, wait=wait))


def restoring(desk: Desk, record: Record, params: dict[str, Json]) -> Request:
    """Return what a restore is to the jobs."""

    def plan() -> Planned:
        return snapshots.plan_restore(
            desk.folder, record.address, params["name"], record.stack, params["now"], memory=bool(params["memory"])
        )

    def run_it(run: Run) -> Json:
        # A volume that only this VM writes to is its own, and goes back with it.
        own = [ids.make_address("volume", use["volume"]) for use in record.spec["volumes"] if not use["readonly"]]
        alone = None if own else record.address
        work.run_planned(desk, run, plan, work.only(record.address, *own), address=alone)
        now = desk.recorded.records.get(record.stack, {}).get(record.address)
        return None if now is None else infos.vm_info(desk, now).model_dump(mode="json") | {"job_id": None}

    return Request("restore_snapshot", _subject([record]), run_it, params=params)


@declare(
    "snapshots",
    example=Example({**_ON_WEB, "purge": False}, {**_JOB, "method": "delete_snapshot"}),
    errors=CHANGING,
)
def delete_snapshot(
    desk: Desk,
    sid: Sid,
    name: Name,
    secret: Secret = "",
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
    purge: Annotated[bool, Field(description="Removes its data at once instead of keeping it for a time.")] = False,  # noqa: FBT002
) -> JobInfo:
    """Delete a snapshot of a VM.

    The call is the consent. Its data is kept for a time, so that `undo` can bring it back, unless `purge` is true.
    """
    record = desk.find_vm(sid, secret)
    params: dict[str, Json] = {"stack": record.stack, "address": record.address, "name": name, "purge": purge}
    return infos.job_info(desk.submit(deleting(desk, record, params), idempotency_key, wait=wait))


def deleting(desk: Desk, record: Record, params: dict[str, Json]) -> Request:
    """Return what the deletion of a snapshot is to the jobs."""
    purge = bool(params["purge"])

    def run_it(run: Run) -> Json:
        delete_now(desk, run, record, params["name"], purge=purge)
        return None

    return Request("delete_snapshot", _subject([record]), run_it, params=params)


def delete_now(desk: Desk, run: Run, record: Record, name: str, *, purge: bool) -> None:
    """Delete a snapshot within a job."""
    work.run_planned(
        desk,
        run,
        lambda: snapshots.plan_delete(desk.folder, record.address, [name], record.stack, purge=purge),
        work.only(record.address),
        address=record.address,
    )


def _subject(records: Sequence[Record]) -> Subject:
    # All that are behind a secret are behind the one that the caller gave.
    secret = next((digest for record in records if (digest := secret_of(record))), None)
    stack = records[0].stack
    if len(records) > 1:
        return Subject(f"stack:{stack}", stack, secret=secret)
    return Subject(f"vm:{stack}:{records[0].address}", stack, records[0].address, records[0].sid, secret)


def _of(desk: Desk, record: Record) -> list[Snapshot]:
    fresh, thing = desk.sight.thing(record)
    if thing is None:
        return snapshots.of_vm(record, {} if fresh else record.parts)
    return snapshots.of_vm(record, thing.parts if fresh else record.parts, thing.taken)


def _info(snapshot: Snapshot) -> SnapshotInfo:
    memory = snapshot.part["memory"]
    return SnapshotInfo(
        sid=snapshot.record.sid or "",
        vm=snapshot.record.address,
        stack=snapshot.record.stack,
        name=snapshot.name,
        created_at=snapshot.taken,
        size_bytes=snapshot.part["size"],
        disks=[disk["disk"] for disk in snapshot.part["disks"]],
        memory_bytes=None if memory is None else memory["size"],
        scheduled=snapshot.part["scheduled"],
        present=snapshot.there,
    )


AGAIN: dict[str, Callable[[Desk, Record, dict[str, Json]], Request]] = {"restore_snapshot": restoring, "delete_snapshot": deleting}
"""What begins again after a restart of the daemon, for the VM that its parameters name."""

METHODS: tuple[Method[Any], ...] = (create_snapshot, list_snapshots, restore_snapshot, delete_snapshot)
