"""What methods answer, as models: schemas and client follow from them."""

from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from herocloud.kits.jsons import Json


class Answer(pydantic.BaseModel):
    """The root of all answers."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class SliceInfo(Answer):
    """One slice: the unit of capacity, 4 GiB of memory with its share of the disk."""

    sid: str = Field(description="The id of the slice.")
    state: Literal["Free", "InUse"] = Field(description="Whether a VM holds it.")
    memory_bytes: int
    disk_bytes: int
    vm_sid: str | None = Field(description="The VM that holds it; null when it is free, or not yours to see.")
    vm: str | None = Field(description="The address of that VM.")
    stack: str | None = Field(description="The stack of that VM.")


class NodeInfo(Answer):
    """The machine, its slices, and what can run VMs on it."""

    name: str
    version: str = Field(description="The version of herocloud.")
    simulated: bool = Field(description="Whether the machine is described in the host file and does not exist.")
    registered: bool = Field(description="Whether its slices were recorded, by `node_register` or by the first VM.")
    memory_bytes: int
    disk_bytes: int
    cpus: int
    slices_total: int
    slices_free: int
    slices_in_use: int
    disk_per_slice_bytes: int
    vms_total: int = Field(description="How many VMs there are, those of others included.")
    vms_running: int


VmStatus = Literal[
    "deploying",
    "running",
    "stopped",
    "paused",
    "gone",
    "incomplete",
    "crashed",
    "silent",
    "unresponsive",
    "unsupervised",
    "io-error",
]


class VmInfo(Answer):
    """A virtual machine."""

    sid: str = Field(description="The id of the VM, unique on this host.")
    name: str
    address: str = Field(description="What it is called in its stack: `vm.web`.")
    stack: str
    status: VmStatus = Field(
        description="What it is doing. `deploying` while its first job runs, `incomplete` after a job that failed half-way, "
        "`gone` when it is recorded and nothing runs there; `unresponsive` when its hypervisor lives and does not answer, `unsupervised` "
        "when nobody would start it again, `io-error` when the host could not write what it wrote."
    )
    slices: list[str] = Field(description="The slices that it holds.")
    vcpus: int | None
    memory_bytes: int | None
    disk_bytes: int | None
    image: str | None
    addresses: list[str] = Field(description="Its addresses in its networks and in the overlay.")
    mycelium_ip: str | None = Field(description="Its address in the overlay.")
    hypervisor: str
    restart: str = Field(description="When it is started again by itself.")
    protected: bool
    labels: dict[str, str]
    job_id: str | None = Field(description="The job that works on it now.")


class SnapshotInfo(Answer):
    """A snapshot of a VM."""

    sid: str = Field(description="The VM that it is of.")
    vm: str = Field(description="The address of that VM.")
    stack: str
    name: str
    created_at: int = Field(description="Seconds since 1970.")
    size_bytes: int = Field(description="What all of it may come to take on the disk.")
    disks: list[str] = Field(description="The disks that it holds: `disk` and `volume.NAME`.")
    memory_bytes: int | None = Field(description="How much memory it holds; null when it holds disks alone.")
    scheduled: bool = Field(description="Whether the VM's schedule asked for it, and not a person.")
    present: bool = Field(description="Whether it is on the host; false when it is recorded and gone.")


class RpcErrorInfo(Answer):
    """An error, as a response would carry it."""

    code: int
    message: str
    data: Json = None


class JobSteps(Answer):
    """How far a job is."""

    total: int = Field(description="How many steps its plan has.")
    done: int = Field(description="How many of them are done; one that is taken back is not done any more.")


class JobInfo(Answer):
    """A job: work that goes on without its caller."""

    job_id: str
    method: str = Field(description="The method that began it.")
    status: Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]
    stack: str | None
    address: str | None = Field(description="What it is about.")
    sid: str | None = Field(description="The VM that it is about.")
    caller: str = Field(description="The user who asked for it.")
    created_at: float = Field(description="Seconds since 1970.")
    started_at: float | None
    ended_at: float | None
    plan_id: str | None = Field(description="The plan that it runs.")
    steps: JobSteps
    note: str = Field(description="What else is to be known, like a restart of the daemon in between.")
    result: Json = Field(description="What came of it, once it is done.")
    error: RpcErrorInfo | None = Field(description="Why it failed.")


class EventInfo(Answer):
    """Something that happened."""

    seq: int = Field(description="Its number; numbers grow, and are never used twice.")
    at: float = Field(description="Seconds since 1970.")
    type: str
    stack: str | None
    address: str | None
    job_id: str | None
    data: Json


class EventPage(Answer):
    """Events in order, and where to go on."""

    events: list[EventInfo]
    next: int = Field(description="The number to ask from next.")
    last: int = Field(description="The number of the newest event there is.")


class DiagnosticInfo(Answer):
    """One finding, in the form of `herocloud validate --json`."""

    model_config = pydantic.ConfigDict(frozen=True, extra="allow")

    severity: str
    code: str
    summary: str
    detail: str


class HealthInfo(Answer):
    """Whether the daemon can work."""

    status: Literal["ok", "degraded"]
    ready: bool
    reasons: list[str] = Field(description="Why it is not ready.")
    warnings: list[str] = Field(description="What fails while it works, such as scheduled snapshots.")
    version: str
    uptime_seconds: float
    jobs_open: int
    last_event: int


class MigratedSecret(Answer):
    """How many VMs changed their secret."""

    migrated_count: int


class LogLines(Answer):
    """Lines of a VM's console."""

    lines: list[str]
    position: int = Field(description="Where the log ends now: give it as `follow_from` to read what comes after.")


class ExecInfo(Answer):
    """How a program in a guest ended."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = Field(description="Whether output beyond a mebibyte was left out.")


class AttachInfo(Answer):
    """How a VM is attached to its hypervisor."""

    sid: str
    hypervisor: str
    attached: bool = Field(description="Whether a process of the hypervisor runs the VM now.")
    reason: str


Wait = Annotated[float, Field(ge=0, le=300, description="Seconds to wait for the end of the job; 0 answers as soon as it begins.")]
Secret = Annotated[
    str, Field(max_length=1024, description="The secret that the VM was deployed with. Without the right one, the VM does not exist.")
]
Sid = Annotated[str, Field(pattern=r"^[0-9a-z]{2,16}$", description="The id of the VM.")]
SliceSid = Annotated[str, Field(pattern=r"^[0-9a-z]{2,6}$", description="The id of the slice.")]
JobId = Annotated[str, Field(pattern=r"^j[0-9]{1,15}$", description="The id of the job.")]
IdempotencyKey = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=255,
        description="A text of your choice: within a day, the same one means the same job.",
    ),
]

JsonObject = dict[str, Any]


class ValidationInfo(Answer):
    """What was found about a stack."""

    valid: bool
    stack: str | None = Field(description="The name that the files give the stack.")
    diagnostics: list[JsonObject]


class PlanInfo(Answer):
    """A plan, and what it needs to be applied."""

    plan_id: str
    stack: str
    applyable: bool
    changes: int
    classes: dict[str, list[str]] = Field(description="What has to be approved: addresses by class.")
    diagnostics: list[JsonObject]
    plan: JsonObject = Field(description="The document of `herocloud plan --json`.")


class StackInfo(Answer):
    """A stack, as far as it is recorded."""

    stack: str
    resources: int
    vms: int
    complete: bool = Field(description="Whether everything of it was finished.")
    addresses: list[str]
    outputs: JsonObject


class DriftInfo(Answer):
    """A difference between the records and the world."""

    stack: str
    address: str
    part: str
    recorded: Json
    observed: Json
    cause: Literal["outside", "failed_apply", "unfinished_apply", "no_record"] = Field(
        description="Who left it so: somebody outside herocloud, an apply that ended without success, or one that waits for "
        "`resume_stack`; `no_record` is about what no record owns, which `list_orphans` lists."
    )
    left_by_apply: bool = Field(description="Whether an apply left it so, whichever.")


class ExportedStack(Answer):
    """A stack as a stack file has it."""

    stack: str
    yaml: str


class Amount(Answer):
    """One resource of the host: what is there, what may be promised, and what is."""

    capacity: int
    effective_limit: int | None = Field(description="Capacity times the oversubscription; null where the host does not tell.")
    allocated: int
    available: int | None
    oversub_ratio: float


class Allocation(Answer):
    """What one VM holds."""

    sid: str
    address: str
    stack: str
    vcpus: int
    memory_bytes: int
    disk_bytes: int
    slices: list[str]


class ResourcesInfo(Answer):
    """How much of the host is promised to whom."""

    cpu: Amount
    memory: Amount
    disk: Amount
    slices: Amount
    allocations: list[Allocation] = Field(description="By VM; those behind other secrets are only in the totals.")


class LogEntry(Answer):
    """One change of the state."""

    serial: int
    at: float = Field(description="Seconds since 1970.")
    user: str | None = Field(description="Who did it.")
    command: str | None = Field(description="With what: `apply`, `vm stop`, `rpc deploy_vm`.")
    stack: str | None
    apply: str | None = Field(description="The name of the apply.")
    operation: str
    plan_id: str | None
    added: int
    changed: int
    destroyed: int
    replaced: int = Field(description="How many of what was added and destroyed are one thing in the place of another.")
    outcome: str
    seconds: float | None


class UnfinishedInfo(Answer):
    """An apply that did not end."""

    apply: str
    stack: str
    operation: str
    status: str = Field(description="`interrupted`, as nobody works on it: somebody stopped it, or it was cut off.")
    user: str
    address: str | None = Field(description="The one VM that it is about.")


class OrphanInfo(Answer):
    """Something on the host that carries our mark and that no record owns."""

    stack: str
    address: str
    kind: str
    provider: str
    parts: list[str] = Field(description="What is there of it.")
    slices: list[str] = Field(description="The slices that it holds until it is gone or recorded again, where that is known.")
    foreign: bool = Field(description="Whether it carries the mark of another state, where it may be in use.")


class DriftReport(Answer):
    """Where the world differs from the records, and which applies left it half done."""

    resource_drift: list[DriftInfo]
    unfinished: list[UnfinishedInfo] = Field(description="Applies that did not end and on which nobody works.")
