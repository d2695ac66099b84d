"""VMs that are asked for one by one: deployed, switched, deleted, looked at."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from herocloud.apply import steering
from herocloud.apply.steering import Options
from herocloud.kits.jsons import Json
from herocloud.model import ids
from herocloud.model.worlds import Record
from herocloud.operations import deployment, host_boot, power
from herocloud.operations.deployment import DeployWanted
from herocloud.operations.stack_plans import Planned
from herocloud.providers import registry
from herocloud.rpc.calls import error_answers
from herocloud.rpc.calls.error_codes import (
    BLOCKED,
    CANCELLED,
    DOES_NOT_FIT,
    HYPERVISOR_UNAVAILABLE,
    IMAGE_ERROR,
    LOCKED,
    NOT_FOUND,
    SLICE_IN_USE,
    TIMED_OUT,
    WRONG_STATE,
)
from herocloud.rpc.calls.method_table import Example, Method, declare
from herocloud.rpc.jobs import work
from herocloud.rpc.jobs.desk import Desk, secret_of
from herocloud.rpc.jobs.job_marks import SECRET_LABEL
from herocloud.rpc.jobs.job_runs import Request, Run, Subject
from herocloud.rpc.methods import infos
from herocloud.rpc.methods.answers import IdempotencyKey, JobInfo, Secret, Sid, SliceSid, VmInfo, Wait

CHANGING = (NOT_FOUND, WRONG_STATE, LOCKED, BLOCKED, HYPERVISOR_UNAVAILABLE, TIMED_OUT, CANCELLED)
"""What every change of a VM may answer."""

Name = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", description="The name of the VM, unique among deployed ones.")]
Text = Annotated[str, Field(max_length=4096)]
if TYPE_CHECKING:
    Hypervisor = str
else:
    Hypervisor = Literal["auto", *registry.hypervisor_names()]

_JOB: dict[str, Json] = {
    "job_id": "j1",
    "method": "deploy_vm",
    "status": "done",
    "stack": "imperative",
    "address": "vm.web",
    "sid": "vnyhs9",
    "caller": "root",
    "created_at": 0.0,
    "started_at": 0.0,
    "ended_at": 0.0,
    "plan_id": "0",
    "steps": {"total": 5, "done": 5},
    "note": "",
    "result": None,
    "error": None,
}
_VM: dict[str, Json] = {
    "sid": "vnyhs9",
    "name": "web",
    "address": "vm.web",
    "stack": "imperative",
    "status": "running",
    "slices": ["s1"],
    "vcpus": 1,
    "memory_bytes": 4294967296,
    "disk_bytes": 10737418240,
    "image": "tiny",
    "addresses": [],
    "mycelium_ip": None,
    "hypervisor": registry.simulation().name,
    "restart": "no",
    "protected": False,
    "labels": {},
    "job_id": None,
}


_DEPLOY: dict[str, Json] = {
    "name": "web",
    "slice_sid": "s1",
    "image": "tiny",
    "cpu_count": 1,
    "secret": "",
    "idempotency_key": "first",
    "wait": 60,
}


@declare(
    "vms",
    example=Example(_DEPLOY, _JOB),
    more=[
        Example(
            {**_DEPLOY, "name": "hidden", "slice_sid": "s2", "secret": "before", "idempotency_key": "second"},
            {**_JOB, "job_id": "j2", "address": "vm.hidden", "sid": "vukoqd"},
            "behind a secret",
        )
    ],
    errors=(*CHANGING, SLICE_IN_USE, DOES_NOT_FIT, IMAGE_ERROR),
)
def deploy_vm(
    desk: Desk,
    name: Name,
    slice_sid: SliceSid,
    image: Annotated[str, Field(min_length=1, max_length=128, description="The image to boot: a name or alias from the host's catalogue.")],
    cpu_count: Annotated[int, Field(ge=1, le=1024, description="How many virtual processors.")] = 1,
    secret: Secret = "",
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
    more_slices: Annotated[list[SliceSid], Field(max_length=256, description="Further slices, for a larger VM.")] = [],  # noqa: B006
    memory_bytes: Annotated[int | None, Field(ge=2**20, le=2**50, description="Memory, when less than the slices hold is enough.")] = None,
    disk_bytes: Annotated[int | None, Field(ge=2**20, le=2**55, description="The size of the disk that it boots from.")] = None,
    ssh_keys: Annotated[list[Text], Field(max_length=64, description="Public keys for the image's first user.")] = [],  # noqa: B006
    user_data: Annotated[str | None, Field(max_length=262144, description="What cloud-init reads.")] = None,
    env: Annotated[dict[str, Text], Field(max_length=256, description="Environment variables for the guest.")] = {},  # noqa: B006
    labels: Annotated[dict[str, Text], Field(max_length=64, description="Words to find the VM by.")] = {},  # noqa: B006
    restart: Annotated[Literal["no", "on-failure", "always"], Field(description="When it is started again by itself.")] = "no",
    mycelium: Annotated[bool, Field(description="An address in the overlay, which needs a stack file: it is refused here.")] = False,  # noqa: FBT002
    hypervisor: Annotated[Hypervisor, Field(description="What runs the VM.")] = "auto",
) -> JobInfo:
    """Deploy a VM on a free slice.

    The slice is marked InUse, and is Free again when the VM is deleted or its deployment fails. Everything is checked before anything is
    done. Of several callers who want one slice, one gets it, and the others get the error that it is in use. The answer is a job; its `sid`
    is the VM's.
    """
    if len({slice_sid, *more_slices}) <= len(more_slices):
        raise error_answers.invalid("A slice is named twice.", "name each slice once, in `slice_sid` or in `more_slices`", "more_slices")
    digest = desk.digest(secret)
    fields: dict[str, Json] = {
        "vcpus": cpu_count,
        "ssh_keys": list(ssh_keys),
        "env": dict(env),
        "labels": {**_own_labels(labels), **({SECRET_LABEL: digest} if digest else {})},
        "restart": restart,
        "hypervisor": hypervisor,
        "mycelium": mycelium,
        **({"memory": f"{memory_bytes} B"} if memory_bytes is not None else {}),
        **({"root_disk": {"size": f"{disk_bytes} B"}} if disk_bytes is not None else {}),
        **({"user_data": {"text": user_data}} if user_data is not None else {}),
    }
    wanted = DeployWanted(name, (slice_sid, *more_slices), image, {key: value for key, value in fields.items() if value})
    return infos.job_info(desk.submit(deploying(desk, wanted, digest), idempotency_key, wait=wait))


def deploying(desk: Desk, wanted: DeployWanted, digest: str | None) -> Request:
    """Return what a deployment is to the jobs; also what begins again after a restart."""
    address = ids.make_address("vm", wanted.name)

    def check() -> None:
        deployment.require_free(*desk.known, wanted.slices)
        require_name(desk, address, digest)

    def run_it(run: Run) -> Json:
        options = Options(on_failure="rollback")
        work.run_planned(
            desk, run, lambda: deployment.plan_deploy(desk.folder, wanted, desk.known), work.only(address), options=options, address=address
        )
        record = desk.finder.record(deployment.STACK, address)
        return None if record is None else infos.vm_info(desk, record).model_dump(mode="json") | {"job_id": None}

    subject = Subject(f"vm:{deployment.STACK}:{address}", deployment.STACK, address, None, digest, wanted.slices)
    return Request("deploy_vm", subject, run_it, params=wanted._asdict(), check=check)


def require_name(desk: Desk, address: ids.Address, digest: str | None) -> None:
    """Raise where the name of a new VM is taken."""
    there = desk.finder.record(deployment.STACK, address)
    if there is not None:
        # A name that somebody else has behind a secret cannot be given twice; whose it is, is not said.
        detail = f"`{address}` cannot be used here." if infos.is_hidden(there, digest) else f"`{address}` is deployed already."
        raise error_answers.wrong_state(detail, "choose another name", "name-taken")


def _own_labels(labels: Mapping[str, str]) -> dict[str, str]:
    if any(name.startswith("herocloud.") for name in labels):
        raise error_answers.invalid("Labels that begin with `herocloud.` are not for callers.", None, "labels")
    return dict(labels)


def _act(
    desk: Desk,
    method: str,
    action: str,
    sid: str,
    secret: str,
    key: str | None,
    wait: float,
    *,
    purge: bool = False,
    shutdown: float | None = None,
) -> JobInfo:
    record = desk.find_vm(sid, secret)
    request = acting(desk, method, action, record, purge=purge, shutdown=shutdown)
    return infos.job_info(desk.submit(request, key, wait=wait))


def acting(desk: Desk, method: str, action: str, record: Record, *, purge: bool = False, shutdown: float | None = None) -> Request:
    """Return what an action on a VM is to the jobs."""
    wanted = power.Wanted(action, record.address, record.stack, purge)

    def run_it(run: Run) -> Json:
        options = Options(shutdown=shutdown, step_timeout=steering.limit_for(shutdown))
        if action == "delete":
            work.take_back_unfinished(desk, run, record)
            if desk.finder.record(record.stack, record.address) is None:
                return None

        def plan() -> Planned:
            return power.plan_power(desk.folder, wanted, desk.known)

        work.run_planned(desk, run, plan, work.only(record.address), options=options, address=record.address)
        now = desk.finder.record(record.stack, record.address)
        return None if now is None else infos.vm_info(desk, now).model_dump(mode="json") | {"job_id": None}

    subject = Subject(f"vm:{record.stack}:{record.address}", record.stack, record.address, record.sid, secret_of(record))
    params = {"action": action, "stack": record.stack, "address": record.address, "purge": purge, "shutdown": shutdown}
    return Request(method, subject, run_it, params=params)


def reviving(desk: Desk, record: Record) -> Request:
    """Return what starting a VM by its policy is to the jobs."""

    def run_it(run: Run) -> Json:
        plan = functools.partial(host_boot.plan_revival, desk.folder, record.stack, record.address)
        work.run_planned(desk, run, plan, work.only(record.address), address=record.address)
        return None

    subject = Subject(f"vm:{record.stack}:{record.address}", record.stack, record.address, record.sid, secret_of(record))
    return Request("restart_policy", subject, run_it)


_ON_WEB: dict[str, Json] = {"sid": "vnyhs9", "secret": "", "idempotency_key": None, "wait": 60}


@declare(
    "vms",
    example=Example({"sid": "vnyhs9", "force": False, "timeout": 60, **_ON_WEB}, {**_JOB, "method": "stop_vm"}),
    errors=CHANGING,
)
def stop_vm(
    desk: Desk,
    sid: Sid,
    force: Annotated[bool, Field(description="Cuts the power at once, without asking the guest.")] = False,  # noqa: FBT002
    timeout: Annotated[float, Field(ge=0, le=3600, description="Seconds that the guest has to shut down before its power is cut.")] = 60.0,
    secret: Secret = "",
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
) -> JobInfo:
    """Shut a VM down. It keeps its slice, its disk and its addresses.

    The guest is asked first, for `timeout` seconds; then its power is cut. Nobody brings it back but `start_vm`.
    """
    return _act(desk, "stop_vm", "stop", sid, secret, idempotency_key, wait, shutdown=0.0 if force else timeout)


@declare("vms", example=Example(_ON_WEB, {**_JOB, "method": "start_vm"}), errors=CHANGING)
def start_vm(desk: Desk, sid: Sid, secret: Secret = "", idempotency_key: IdempotencyKey = None, wait: Wait = 0.0) -> JobInfo:
    """Boot a stopped VM. One that runs already stays as it is."""
    return _act(desk, "start_vm", "start", sid, secret, idempotency_key, wait)


@declare("vms", example=Example(_ON_WEB, {**_JOB, "method": "restart_vm"}), errors=CHANGING)
def restart_vm(desk: Desk, sid: Sid, secret: Secret = "", idempotency_key: IdempotencyKey = None, wait: Wait = 0.0) -> JobInfo:
    """Shut a VM down and boot it again, as one plan: a crash between the two does not leave it off."""
    return _act(desk, "restart_vm", "restart", sid, secret, idempotency_key, wait)


@declare("vms", example=Example({}, [_VM]), errors=(WRONG_STATE,))
def list_vms(
    desk: Desk,
    secret: Secret = "",
    stack: Annotated[str | None, Field(max_length=63, description="Only the VMs of this stack.")] = None,
) -> list[VmInfo]:
    """Return the VMs with what each is doing.

    With a secret: only those that were deployed with it. Without one: those that were deployed without.
    """
    digest, recorded = desk.digest(secret), desk.recorded.records
    records = [
        record
        for name in sorted(recorded)
        if stack is None or name == stack
        for record in sorted(recorded[name].values(), key=lambda record: ids.sort_key(record.address))
        if record.kind == "vm" and secret_of(record) == digest
    ]
    return [infos.vm_info(desk, record) for record in records]


@declare("vms", example=Example({"sid": "vnyhs9"}, _VM), errors=(NOT_FOUND, WRONG_STATE), quick=True)
def get_vm(desk: Desk, sid: Sid, secret: Secret = "") -> VmInfo:
    """Return one VM."""
    return infos.vm_info(desk, desk.find_vm(sid, secret))


@declare("vms", example=Example({**_ON_WEB, "purge": False}, {**_JOB, "method": "delete_vm"}), errors=CHANGING)
def delete_vm(
    desk: Desk,
    sid: Sid,
    secret: Secret = "",
    idempotency_key: IdempotencyKey = None,
    wait: Wait = 0.0,
    purge: Annotated[bool, Field(description="Removes its data at once instead of keeping it for a time.")] = False,  # noqa: FBT002
) -> JobInfo:
    """Delete a VM, and free its slice.

    The call is the consent; a protected VM stays. Its data is kept for a time, so that `undo` can bring it back, unless `purge` is true.
    """
    return _act(desk, "delete_vm", "delete", sid, secret, idempotency_key, wait, purge=purge)


METHODS: tuple[Method[Any], ...] = (deploy_vm, list_vms, get_vm, stop_vm, start_vm, restart_vm, delete_vm)
