"""What the daemon answers. Generated from `openrpc.json` by `scripts/openrpc`; not edited by hand."""

from typing import Any, Literal, NotRequired, TypedDict


class Allocation(TypedDict):
    """What one VM holds."""

    sid: str
    address: str
    stack: str
    vcpus: int
    memory_bytes: int
    disk_bytes: int
    slices: list[str]


class Amount(TypedDict):
    """One resource of the host: what is there, what may be promised, and what is."""

    capacity: int
    effective_limit: int | None
    """Capacity times the oversubscription; null where the host does not tell."""
    allocated: int
    available: int | None
    oversub_ratio: float


class AttachInfo(TypedDict):
    """How a VM is attached to its hypervisor."""

    sid: str
    hypervisor: str
    attached: bool
    """Whether a process of the hypervisor runs the VM now."""
    reason: str


class DriftInfo(TypedDict):
    """A difference between the records and the world."""

    stack: str
    address: str
    part: str
    recorded: Any
    observed: Any
    cause: Literal["outside", "failed_apply", "unfinished_apply", "no_record"]
    """Who left it so: somebody outside herocloud, an apply that ended without success, or one that waits for
    `resume_stack`; `no_record` is about what no record owns, which `list_orphans` lists."""
    left_by_apply: bool
    """Whether an apply left it so, whichever."""


class DriftReport(TypedDict):
    """Where the world differs from the records, and which applies left it half done."""

    resource_drift: "list[DriftInfo]"
    unfinished: "list[UnfinishedInfo]"
    """Applies that did not end and on which nobody works."""


class EventInfo(TypedDict):
    """Something that happened."""

    seq: int
    """Its number; numbers grow, and are never used twice."""
    at: float
    """Seconds since 1970."""
    type: str
    stack: str | None
    address: str | None
    job_id: str | None
    data: Any


class EventPage(TypedDict):
    """Events in order, and where to go on."""

    events: "list[EventInfo]"
    next: int
    """The number to ask from next."""
    last: int
    """The number of the newest event there is."""


class ExecInfo(TypedDict):
    """How a program in a guest ended."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool
    """Whether output beyond a mebibyte was left out."""


class ExportedStack(TypedDict):
    """A stack as a stack file has it."""

    stack: str
    yaml: str


class HealthInfo(TypedDict):
    """Whether the daemon can work."""

    status: Literal["ok", "degraded"]
    ready: bool
    reasons: list[str]
    """Why it is not ready."""
    warnings: list[str]
    """What fails while it works, such as scheduled snapshots."""
    version: str
    uptime_seconds: float
    jobs_open: int
    last_event: int


class JobInfo(TypedDict):
    """A job: work that goes on without its caller."""

    job_id: str
    method: str
    """The method that began it."""
    status: Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]
    stack: str | None
    address: str | None
    """What it is about."""
    sid: str | None
    """The VM that it is about."""
    caller: str
    """The user who asked for it."""
    created_at: float
    """Seconds since 1970."""
    started_at: float | None
    ended_at: float | None
    plan_id: str | None
    """The plan that it runs."""
    steps: "JobSteps"
    note: str
    """What else is to be known, like a restart of the daemon in between."""
    result: Any
    """What came of it, once it is done."""
    error: "RpcErrorInfo | None"
    """Why it failed."""


class JobSteps(TypedDict):
    """How far a job is."""

    total: int
    """How many steps its plan has."""
    done: int
    """How many of them are done; one that is taken back is not done any more."""


class LogEntry(TypedDict):
    """One change of the state."""

    serial: int
    at: float
    """Seconds since 1970."""
    user: str | None
    """Who did it."""
    command: str | None
    """With what: `apply`, `vm stop`, `rpc deploy_vm`."""
    stack: str | None
    apply: str | None
    """The name of the apply."""
    operation: str
    plan_id: str | None
    added: int
    changed: int
    destroyed: int
    replaced: int
    """How many of what was added and destroyed are one thing in the place of another."""
    outcome: str
    seconds: float | None


class LogLines(TypedDict):
    """Lines of a VM's console."""

    lines: list[str]
    position: int
    """Where the log ends now: give it as `follow_from` to read what comes after."""


class MigratedSecret(TypedDict):
    """How many VMs changed their secret."""

    migrated_count: int


class NodeInfo(TypedDict):
    """The machine, its slices, and what can run VMs on it."""

    name: str
    version: str
    """The version of herocloud."""
    simulated: bool
    """Whether the machine is described in the host file and does not exist."""
    registered: bool
    """Whether its slices were recorded, by `node_register` or by the first VM."""
    memory_bytes: int
    disk_bytes: int
    cpus: int
    slices_total: int
    slices_free: int
    slices_in_use: int
    disk_per_slice_bytes: int
    vms_total: int
    """How many VMs there are, those of others included."""
    vms_running: int


class OrphanInfo(TypedDict):
    """Something on the host that carries our mark and that no record owns."""

    stack: str
    address: str
    kind: str
    provider: str
    parts: list[str]
    """What is there of it."""
    slices: list[str]
    """The slices that it holds until it is gone or recorded again, where that is known."""
    foreign: bool
    """Whether it carries the mark of another state, where it may be in use."""


class PlanInfo(TypedDict):
    """A plan, and what it needs to be applied."""

    plan_id: str
    stack: str
    applyable: bool
    changes: int
    classes: dict[str, list[str]]
    """What has to be approved: addresses by class."""
    diagnostics: list[dict[str, Any]]
    plan: dict[str, Any]
    """The document of `herocloud plan --json`."""


class ResourcesInfo(TypedDict):
    """How much of the host is promised to whom."""

    cpu: "Amount"
    memory: "Amount"
    disk: "Amount"
    slices: "Amount"
    allocations: "list[Allocation]"
    """By VM; those behind other secrets are only in the totals."""


class Resumed(TypedDict):
    """An apply that did not end, as the command line has shown what is left of it."""

    apply: str
    """Its name: `apply-12`."""
    rollback: NotRequired[bool]
    """Whether it is to be taken back."""
    left: str
    """A digest of what was left of it."""


class RpcErrorInfo(TypedDict):
    """An error, as a response would carry it."""

    code: int
    message: str
    data: NotRequired[Any]


class RunOptions(TypedDict):
    """How to run a plan that was handed over."""

    approved: NotRequired[list[Literal["create", "update", "stop", "reboot", "replace", "destroy"]]]
    address: NotRequired[str | None]
    """The one VM that it is about."""
    undoes: NotRequired[str | None]
    """The plan that it takes back."""
    saved: NotRequired[bool]
    """Whether it comes from a file."""
    parallelism: NotRequired[int]
    on_failure: NotRequired[Literal["stop", "continue", "rollback"]]
    shutdown: NotRequired[float | None]
    """Seconds that guests have to shut down."""
    lock_timeout: NotRequired[float]
    accelerator: NotRequired[Literal["auto", "kvm", "tcg"] | None]
    resumes: NotRequired["Resumed | None"]
    """The apply to resume, in place of a plan."""
    user: NotRequired[str]
    """Who is to stand in `state log`."""
    command: NotRequired[str]
    """With what."""


class SliceInfo(TypedDict):
    """One slice: the unit of capacity, 4 GiB of memory with its share of the disk."""

    sid: str
    """The id of the slice."""
    state: Literal["Free", "InUse"]
    """Whether a VM holds it."""
    memory_bytes: int
    disk_bytes: int
    vm_sid: str | None
    """The VM that holds it; null when it is free, or not yours to see."""
    vm: str | None
    """The address of that VM."""
    stack: str | None
    """The stack of that VM."""


class SnapshotInfo(TypedDict):
    """A snapshot of a VM."""

    sid: str
    """The VM that it is of."""
    vm: str
    """The address of that VM."""
    stack: str
    name: str
    created_at: int
    """Seconds since 1970."""
    size_bytes: int
    """What all of it may come to take on the disk."""
    disks: list[str]
    """The disks that it holds: `disk` and `volume.NAME`."""
    memory_bytes: int | None
    """How much memory it holds; null when it holds disks alone."""
    scheduled: bool
    """Whether the VM's schedule asked for it, and not a person."""
    present: bool
    """Whether it is on the host; false when it is recorded and gone."""


class StackInfo(TypedDict):
    """A stack, as far as it is recorded."""

    stack: str
    resources: int
    vms: int
    complete: bool
    """Whether everything of it was finished."""
    addresses: list[str]
    outputs: dict[str, Any]


class UnfinishedInfo(TypedDict):
    """An apply that did not end."""

    apply: str
    stack: str
    operation: str
    status: str
    """`interrupted`, as nobody works on it: somebody stopped it, or it was cut off."""
    user: str
    address: str | None
    """The one VM that it is about."""


class ValidationInfo(TypedDict):
    """What was found about a stack."""

    valid: bool
    stack: str | None
    """The name that the files give the stack."""
    diagnostics: list[dict[str, Any]]


class VmInfo(TypedDict):
    """A virtual machine."""

    sid: str
    """The id of the VM, unique on this host."""
    name: str
    address: str
    """What it is called in its stack: `vm.web`."""
    stack: str
    status: Literal[
        "deploying", "running", "stopped", "paused", "gone", "incomplete", "crashed", "silent", "unresponsive", "unsupervised", "io-error"
    ]
    """What it is doing. `deploying` while its first job runs, `incomplete` after a job that failed half-way, `gone`
    when it is recorded and nothing runs there; `unresponsive` when its hypervisor lives and does not answer,
    `unsupervised` when nobody would start it again, `io-error` when the host could not write what it wrote."""
    slices: list[str]
    """The slices that it holds."""
    vcpus: int | None
    memory_bytes: int | None
    disk_bytes: int | None
    image: str | None
    addresses: list[str]
    """Its addresses in its networks and in the overlay."""
    mycelium_ip: str | None
    """Its address in the overlay."""
    hypervisor: str
    restart: str
    """When it is started again by itself."""
    protected: bool
    labels: dict[str, str]
    job_id: str | None
    """The job that works on it now."""
