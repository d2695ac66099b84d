"""Clones: a new VM from the disks of another one."""

import time
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from herocloud.apply.steering import Interrupts
from herocloud.kits.jsons import Json, Part
from herocloud.model import ids
from herocloud.model.errors import Refused
from herocloud.model.ids import Address
from herocloud.model.parts import SNAPSHOT
from herocloud.model.plans import Plan
from herocloud.model.words import Action, Approval
from herocloud.model.worlds import Record
from herocloud.operations import clone_requests, deployment, passing_snapshots, stack_plans
from herocloud.operations import snapshot_requests as snapshots
from herocloud.operations.clone_requests import CloneWanted
from herocloud.operations.passing_snapshots import Passing
from herocloud.operations.stack_plans import Planned
from herocloud.rpc.calls import error_answers
from herocloud.rpc.calls.error_codes import DOES_NOT_FIT, IMAGE_ERROR, SLICE_IN_USE, RpcError
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs import work
from herocloud.rpc.jobs.desk import Desk, secret_of
from herocloud.rpc.jobs.job_runs import Request, Run, Subject
from herocloud.rpc.methods import infos, snapshot_methods
from herocloud.rpc.methods.answers import IdempotencyKey, JobInfo, Secret, Sid, SliceSid, Wait
from herocloud.rpc.methods.snapshot_methods import NAME
from herocloud.rpc.methods.vm_methods import _JOB, CHANGING, Name, require_name

OPERATION = "vm clone"


@declare(
    "snapshots",
    example=Example(
        {"sid": "vnyhs9", "name": "copy", "secret": "", "idempotency_key": None, "wait": 60},
        {**_JOB, "method": "clone_vm", "address": "vm.copy", "sid": "vl82sq"},
    ),
    errors=(*CHANGING, SLICE_IN_USE, DOES_NOT_FIT, IMAGE_ERROR),
)
def clone_vm(
    desk: Desk,
    sid: Sid,
    name: Name,
    secret: Secret = "",
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
    snapshot: Annotated[str | None, Field(pattern=NAME, description="Clones the VM as it was in this snapshot.")] = None,
    slices: Annotated[list[SliceSid], Field(max_length=256, description="The slices to use; the lowest free ones.")] = [],  # noqa: B006
) -> JobInfo:
    """Make a new VM from copies of the disks of a VM.

    It belongs to the stack `imperative`, has addresses, MACs and an identity of its own, and is behind the same secret. Without a snapshot
    one is taken, and is deleted when the clone is there. The job and its `sid` are the new VM's. What the original has in memory is not
    copied.
    """
    record = desk.find_vm(sid, secret)
    params: dict[str, Json] = {
        "stack": record.stack, "address": record.address, "name": name, "snapshot": snapshot, "slices": list(slices),
        "now": int(time.time()),
    }  # fmt: skip
    return infos.job_info(desk.submit(cloning(desk, record, params), idempotency_key, wait=wait))


def cloning(desk: Desk, record: Record, params: dict[str, Json], *, again: bool = False, made: bool = False) -> Request:
    """Return what a clone is to the jobs.

    One that is begun `again` may have taken its snapshot already, and one that is `made` lacks only the end of that.
    """
    slices = tuple(params["slices"])
    wanted = CloneWanted(record.address, params["name"], record.stack, params["snapshot"], slices)
    address = ids.make_address("vm", wanted.name)
    secret = secret_of(record)
    passing = None if wanted.snapshot is not None else clone_requests.passing_name("clone", wanted.name)

    def found() -> Part:
        now = desk.recorded.records.get(record.stack, {}).get(record.address)
        return None if now is None else now.parts.get(f"{SNAPSHOT}{passing}")

    def check() -> None:
        require_name(desk, address, secret)
        if slices:
            deployment.require_free(*desk.known, slices)
        if passing is not None and found() is not None:
            detail = f"`{record.address}` has a snapshot `{passing}`, which is what the snapshot for this clone would be called."
            raise error_answers.wrong_state(detail, "delete it, name it in `snapshot`, or choose another name", "snapshot-exists")

    def plan() -> Planned:
        return clone_requests.plan_clone(desk.folder, wanted, params["now"])

    def make(run: Run) -> None:
        scope = _only_address(plan().plan)
        work.run_planned(desk, run, plan, work.Decided(_only_new), address=scope)

    def run_it(run: Run) -> Json:
        if passing is not None and again:
            with passing_snapshots.marked(desk.folder, _passing(record, passing, params["now"])) as mark:
                # One of another moment is somebody else's, and stands in the way.
                if (left := found()) is not None and left["created"] == params["now"]:
                    snapshot_methods.delete_now(desk, run, record, passing, purge=True)
                mark.unlink(missing_ok=True)
        if not made:
            # What stands against the clone is said before anything is done for it.
            check()
            stack_plans.refuse_unapplyable(plan().plan)
            if passing is None:
                make(run)
            else:
                _with_passing_snapshot(desk, run, record, passing, params["now"], make)
        new = desk.recorded.records[deployment.STACK][address]
        return infos.vm_info(desk, new).model_dump(mode="json") | {"job_id": None}

    subject = Subject(f"vm:{deployment.STACK}:{address}", deployment.STACK, address, None, secret, slices)
    return Request("clone_vm", subject, run_it, params=params, check=check)


def _passing(record: Record, name: str, now: int) -> Passing:
    return Passing(record.stack, record.address, name, OPERATION, now)


def _with_passing_snapshot(desk: Desk, run: Run, record: Record, name: str, now: int, make: Callable[[Run], None]) -> None:
    """Make a clone from a snapshot that is taken before it and deleted after it, and marked as one that goes whatever becomes of this."""
    passing = _passing(record, name, now)
    with passing_snapshots.marked(desk.folder, passing) as mark:
        try:
            _copy_from_passing(desk, run, record, name, now, make)
        except BaseException:
            passing_snapshots.unmark(desk.folder, passing, mark)
            raise
        mark.unlink(missing_ok=True)


def _copy_from_passing(desk: Desk, run: Run, record: Record, name: str, now: int, make: Callable[[Run], None]) -> None:
    asked = snapshots.Wanted((record.address,), record.stack, name)
    work.run_planned(
        desk,
        run,
        lambda: snapshots.plan_create(desk.folder, asked, now)[0],
        work.only(record.address),
        address=record.address,
    )
    try:
        make(run)
    except BaseException:
        if run.cancelled:
            # The clone stops, and what was only taken for it still goes.
            run.interrupts = Interrupts()
        if not desk.jobs.closing:
            _clean_up(desk, run, record, name)
        raise
    snapshot_methods.delete_now(desk, run, record, name, purge=True)


def _clean_up(desk: Desk, run: Run, record: Record, name: str) -> None:
    try:
        snapshot_methods.delete_now(desk, run, record, name, purge=True)
    except (RpcError, Refused):
        run.note(f"the snapshot `{name}` that was taken for the clone is still there; `delete_snapshot` deletes it")


def _only_new(planned: Planned) -> None:
    """Refuse a plan that changes anything that is there: the call is the consent for new things alone."""
    other = [change.address for change in planned.plan.changing if change.action is not Action.CREATE]
    if other and not planned.plan.errored:
        raise work.not_approved(planned.plan, {Approval.UPDATE: other})


def _only_address(plan: Plan) -> Address | None:
    """Return the one VM that a plan is about; nothing when it makes more, and then the whole stack is locked."""
    addresses = {change.address for change in plan.changing if change.kind != "image"}
    return addresses.pop() if len(addresses) == 1 else None


METHODS: tuple[Method[Any], ...] = (clone_vm,)
