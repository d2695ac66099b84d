"""The seam between the engine and a provider: the whole contract, with all that somebody who writes a provider has to know.

A provider is a package with one `DECLARATION` in its `__init__`. The declaration says what the provider is and can do, and how to open the
three things that do the work: an *observer* (one batched look at the world), a *driver* (effects: perform, probe, undo), and for
hypervisors and networks their *planning* (pure functions that a plan calls). A step kind without a probe does not exist.

Nothing of a provider is imported before somebody needs it: the `__init__` imports this module alone, and its functions import the rest.
Modules satisfy these protocols as well as classes do, so `planning` is usually a plain module.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Literal, Protocol

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import makers
from herocloud.model.guest_access import GuestAccess, Said, Signs
from herocloud.model.hosts import ImageNeed, OverlayDaemon, OverlayKey
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.makers import Maker
from herocloud.model.steps import Step
from herocloud.model.words import Impact
from herocloud.model.worlds import Observed
from herocloud.providers.contexts import ProviderContext
from herocloud.providers.devices import (
    SEED_AND_LOGS,
    Attachment,
    AttachmentKind,
    Card,
    Disk,
    DiskUse,
    Forward,
    Lock,
    Tap,
    UserNetwork,
)
from herocloud.providers.host_fitness import FIRMWARE, Lacking, Standing
from herocloud.providers.keepers import Keeper, Tombstone
from herocloud.providers.restart_events import Restarter

__all__ = [
    "FIRMWARE", "ROLES", "SEED_AND_LOGS", "Attachment", "AttachmentKind", "Card", "Channel", "Declaration", "Disk", "DiskUse", "Driver",
    "Forward", "Found", "GuestAccess", "HypervisorPlanning", "HypervisorRole", "ImagesRole", "Keeper", "Lacking", "Live", "Lock",
    "NetworkPlanning", "NetworkRole", "Observer", "OverlayRole", "Probe", "ProviderContext", "Role", "Said", "SettingKind", "Simulation",
    "Standing", "Survey", "Tap", "Tombstone", "Unsupported", "UserNetwork", "Verdict", "Work",
]  # fmt: skip

Role = Literal["hypervisor", "images", "network", "overlay"]
"""What a provider can be for a stack. `model.steps.KINDS` names the role that performs each kind of step."""

ROLES: tuple[Role, ...] = ("hypervisor", "images", "network", "overlay")


class Found(Enum):
    """What a probe finds out about a step by looking at the world, and not at our records."""

    NOT_STARTED = "not started"
    """The world is as it was before the step."""
    DONE = "done"
    """The world is as the step leaves it."""
    PARTIAL = "partial"
    """Between the two, in a way that this provider leaves behind when it is interrupted: performing or undoing goes on from there."""
    CONTRADICTED = "contradicted"
    """Neither before nor after: somebody else changed it. The engine stops there and shows `Probe.detail`."""


class Probe(NamedTuple):
    """The answer of a probe; `detail` names what was found where it is neither before nor after."""

    found: Found
    detail: str = ""
    lost: bool = False
    """True of a half-done step that has destroyed the data already: it cannot be taken back any more."""
    stays: str = ""
    """Why taking the step back would leave what is there as it is, in words; empty where it can be taken back."""


class Work(NamedTuple):
    """A step with what its provider needs besides: who owns it, and how to behave."""

    step: Step
    stack: StackName
    spec: Spec
    """The target of the whole change (of the old one for a delete), for what a part does not hold: user data, environment."""
    lineage: str
    """The identity of the state, which goes into the mark on everything that is made."""
    plan: str
    purge: bool = False
    """Deleted data is removed at once and not kept in a tombstone."""
    shutdown: float | None = None
    """Seconds that a guest has to shut down before its power is cut; 0 cuts it at once, nothing is the driver's own patience."""
    cancelled: Callable[[], bool] = lambda: False
    """Long work asks this now and then and stops with `Temporary` when it says yes."""
    progress: Callable[[str, float | None], None] = lambda _text, _share: None
    """Long work reports what it is at, with the share that is done (0 to 1) where it is known."""
    attachments: Mapping[str, Attachment] = {}
    """For steps of a hypervisor: the network cards that the VM has by now, by their part (`nic.0`)."""
    disks: Mapping[str, Disk] = {}
    boots: Mapping[str, str] = {}
    """The same: disks, as `disk`, `seed`, `volume.NAME`; digests (`kits.file_digests`) of kernel and initramfs, where they are known."""
    peers: tuple[tuple[Address, Sid], ...] = ()
    """For waiting until a VM is ready: the other instances of its block that run."""
    serial: int = 0
    """That of the apply, which goes into the marks as well: a state that was put back from a backup is older than they are."""
    apply: str = ""
    """The name of the apply: two may run the same plan."""
    running: frozenset[Address] = frozenset()
    """For steps of a network: those of the VMs it forwards ports to whose processes live."""
    before: Mapping[str, Json] = {}
    """The target before the change, which it has again once the step is taken back; nothing for what is new."""
    held: float | None = None
    """For a snapshot: since when the VMs are held that are copied, in seconds since 1970; nothing where none is, or nobody knows."""

    def slices(self, target: Part) -> Sequence[str] | None:
        """Return the slices that a VM has once its machine is `target`, after the step or taken back; nothing where nobody knows."""
        spec = self.before if target == self.step.before and target != self.step.after else self.spec
        return spec.get("slices") if target is not None else None

    @property
    def maker(self) -> Maker:
        """Return what tombstones carry that this step makes, or that it made when it is taken back."""
        return makers.maker_of(self.step, self.plan, self.apply)


class Driver(Protocol):
    """The effects of a provider. Many threads call one driver at the same time, never twice for one address.

    Errors: `Permanent` when trying again is useless, `Temporary(delay)` when it is not, `Conflict` when the world is not what the step
    expects. Errors of libraries and of the system are wrapped here (`raise … from`); anything else ends the step as a bug.
    """

    def perform(self, work: Work) -> Part:
        """Bring the part `work.step.part` from `before` to `after`, and return it as it came out (usually `after`).

        Idempotent: it is called again after a crash, a `Temporary` and a time-out, and goes on from whatever it finds. What is already as
        `after` is left alone. Everything that is made carries a mark with `work.lineage`, the stack and the address, so that an observer
        finds it again; what carries another lineage is refused with `Conflict`.
        """
        ...

    def probe(self, work: Work) -> Probe:
        """Say how far this step got. Looks only, and changes nothing; called after a crash, before anything else."""
        ...

    def undo(self, work: Work) -> None:
        """Bring the part from `after`, or from half-way, back to `before`; idempotent like `perform`."""
        ...

    def close(self) -> None:
        """Let go of connections. Called once, also after a failure; nothing else is called afterwards."""
        ...


# Looking: the observer.


class Observer(Protocol):
    """One batched look at the world."""

    def observe(self, stacks: Iterable[StackName] | None) -> Observed:
        """Return everything that carries our mark, of these stacks or of all, with each part in the shape in which plans hold it.

        One look for all: no call per VM where a listing exists, and nothing is started or changed. `Permanent` when it cannot look: a plan
        without this look would take everything for gone. A provider that made nothing here answers `Observed()` quickly.
        """
        ...


class Survey(Protocol):
    """Finds out what a provider can do on this host."""

    def __call__(self, context: ProviderContext, *, thorough: bool) -> Standing:
        """Look at the host.

        A plan that has to choose asks without `thorough` and wants to know only what decides the choice, quickly (what takes long, such as
        a boot that proves KVM, is remembered). The doctor asks thoroughly.
        """
        ...


# Planning: pure functions that plans call.


class Verdict(NamedTuple):
    """What changing one field costs."""

    impact: Impact
    why: str = ""


class Unsupported(NamedTuple):
    """A field that this provider does not support."""

    path: str
    detail: str


class HypervisorPlanning(Protocol):
    """What a plan has to know of a hypervisor. Pure: no I/O, no clock, the same answers for the same values."""

    def judge(self, path: str, before: Json, after: Json, spec: Spec, machine: Part, *, accelerated: bool = True) -> Verdict:
        """Say what it costs to change the field at `path` of a VM.

        `spec` is the target, `machine` the part `machine` as it is now (nothing when there is none), `accelerated` says whether guests run
        on the processor itself here. `providers.costs` holds what is the same on every hypervisor.
        """
        ...

    def unsupported(self, spec: Spec) -> list[Unsupported]:
        """Name the fields of `spec` that this hypervisor cannot honor on any host."""
        ...


class NetworkPlanning(Protocol):
    """What a plan has to know of a network provider. Pure."""

    REACH: str
    """How VMs on such networks are reached, for the note that says that this provider was chosen; empty where nothing is special."""

    def unsupported(self, spec: Spec) -> list[Unsupported]:
        """Name the fields of a VM that cannot be honored on such networks."""
        ...

    def fixed_forwards(self, before: Spec, after: Spec) -> list[str]:
        """Name the VMs whose published ports differ between two specs of a network and cannot change while the VM runs."""
        ...

    def fixed_at_boot(self, before: Spec, after: Spec) -> str:
        """Name the field of a network that differs and that VMs on it take over only when they start; empty where there is none."""
        ...

    def attachment(self, card: Card) -> Attachment:
        """Say what a card that this provider made hangs on."""
        ...


# The declaration.


class Live(Enum):
    """What a hypervisor changes while a machine runs. `judge` says what holds for one machine; this says what is possible at all."""

    VCPUS = "vcpus"
    MEMORY = "memory"
    DISKS = "disks"
    NICS = "nics"


class Channel(Enum):
    """The way to the agent in the guest."""

    VSOCK = "vsock"
    VIRTIO_SERIAL = "virtio-serial"


class HypervisorRole(NamedTuple):
    """What there is to know of a hypervisor. Its driver performs `vm.*`; `vm.move` renames the VM's folder too (`ownership.rename`)."""

    planning: Callable[[], HypervisorPlanning]
    attaches: frozenset[AttachmentKind]
    """The kinds of networks that it can carry; which network providers it goes together with follows from this."""
    live: frozenset[Live] = frozenset()
    channel: Channel | None = None
    """Nothing where a guest has no agent."""
    guest: Callable[[Path, str], GuestAccess] | None = None
    """From the data folder and the sid of a VM. Nothing where VMs have no inside: no programs, no console, no log."""
    hollow: str = "there is no guest inside"
    """Why there is nothing inside, where `guest` is nothing; a sentence that goes on with what the VM therefore does not do."""
    stand_in: Callable[[Sequence[str], bytes | None], Said] | None = None
    """Runs a program with its input in something that callers of the daemon may try in place of a guest, where `guest` is nothing."""
    signs: Callable[[ProviderContext, str, str], Signs | None] | None = None
    """Looks at a VM (its sid and address) whose guest is waited for; the answer is nothing when its process is not there."""
    note_answer: Callable[[Path, str], None] | None = None
    """Hears that the agent of a VM (data folder and sid) answered, so that its guest got to user space."""
    room: int = 0
    """Bytes of the disk that a VM takes beside its disks: its seed, and its logs at their limit."""
    runs: Callable[[Path, str], bool] = lambda _folder, _sid: False
    """Tells from the data folder and the sid of a VM whether its process lives; others ask before they change what it holds open."""
    last_end: Callable[[Path, str], str | None] = lambda _folder, _sid: None
    """Says how a VM (data folder and sid) whose process is gone came to its end, where the hypervisor wrote it down."""
    shut_down: Callable[[Path, str, float], bool] = lambda _folder, _sid, _seconds: False
    """Has the guest of a VM (data folder and sid) switch itself off within so many seconds, because its host goes down; tells whether it
    did. Nothing is forced, and the VM is started again after the next boot of the host."""
    counters: Callable[[Path, str], Mapping[str, Mapping[str, int]]] = lambda _folder, _sid: {}
    """What a running VM (data folder and sid) counts, by device: bytes, operations; nothing where its hypervisor counts nothing."""
    payload: Callable[[Path, str, Mapping[str, str]], Mapping[str, str]] = lambda _folder, _sid, payload: payload
    """Returns the files that a VM (data folder and sid) boots in place of those that its payload names: where they are held for it."""
    restarter: Callable[[Path, str], Restarter] | None = None
    """From the data folder and the sid of a VM. Nothing where no process stands beside VMs; a daemon restarts them then."""
    snapshots: bool = False
    """Whether it keeps the memory of a VM (`snapshot.save`, `vm.revive`). Disks are copied by their own provider."""
    version: Callable[[ProviderContext, str | None], str | None] = lambda _context, _sid: None
    """Which version a VM (its sid) runs on, or else is installed; only that version reads the memory that it keeps."""
    emulates: bool = False
    """Needs no KVM to run guests."""
    proves_kvm: bool = False
    """Its survey compares guests with and without KVM, and so proves for the others whether guests get through KVM here."""


class ImagesRole(NamedTuple):
    """What there is to know of a provider of images, disks, volumes and seeds."""

    keeper: Callable[[ProviderContext], Keeper]
    disk: Callable[[Path, DiskUse], Disk]
    """From the data folder: hands a disk, volume or seed that this provider made to a hypervisor. Looks at nothing."""
    data: Callable[[ProviderContext, Json], Path | bytes]
    """The data that an origin of a step names (a disk in a snapshot), as a file with holes, or as it is where it is small."""
    own_bytes: Callable[[Path], int] = lambda _folder: 0
    """How much of the file system of the disks our disks, volumes, tombstones, seeds and logs occupy: a plan counts each in full."""
    disks_at: Callable[[Path], Path] = lambda folder: folder
    """From the data folder: a folder on the file system that disks lie on, which may be another one than the data folder's."""
    stored_bytes: Callable[[Path], int] = lambda _folder: 0
    needs: Callable[[Path, Iterable[Spec]], Mapping[str, ImageNeed]] = lambda _folder, _specs: {}
    """How much of it images occupy, with what is on its way to become one; and what new ones take, by each file that they name."""
    boots: Callable[[Path, StackName, Mapping[str, Json]], Mapping[str, str]] = lambda _folder, _stack, _payload: {}
    """The digests of the kernel and the initramfs that a payload names, as their image was looked at last."""
    forget_before: Callable[[Path, StackName], None] = lambda _folder, _stack: None
    """Throws away what an apply of a stack kept of before, so that it could have been taken back, once the apply is done."""


class NetworkRole(NamedTuple):
    """What there is to know of a provider of networks and of the cards on them."""

    mode: str
    """What a stack file calls it: `mode` of a network."""
    kind: str
    """How a message goes on after `networks` or `cannot be changed`: `in user mode`."""
    made: str
    """Where such a network is made and what that takes, for the description of `mode`."""
    attachment: AttachmentKind
    """How a card hangs on such networks."""
    planning: Callable[[], NetworkPlanning]
    uses_host_ranges: bool = False
    """Whether its networks live on the host itself, so that their ranges of addresses must not overlap with what the host has."""


class OverlayPlanning(Protocol):
    """What a plan has to know of the overlay. Pure."""

    def node(self, public: Json, /) -> tuple[str, str]:
        """Return the address of the node with this public key, and its /64."""
        ...

    def vm_address(self, subnet: str, seed: str) -> str:
        """Return the address of the VM with this seed in a /64."""
        ...


class OverlayRole(NamedTuple):
    """What there is to know of a provider of the overlay: it performs `overlay.*` and `peer.*`, and plans derive addresses by it."""

    planning: Callable[[], OverlayPlanning] | None = None
    keys: Callable[[ProviderContext, Iterable[Json], Mapping[str, str]], Mapping[str, OverlayKey]] | None = None
    """Looks up the public halves of keys by their reference."""
    daemon: Callable[[ProviderContext], OverlayDaemon | None] | None = None
    """Looks for the daemon that runs on the host."""
    attachment: AttachmentKind = AttachmentKind.TAP
    """How the card of a VM hangs on it."""


class Simulation(NamedTuple):
    """What makes a provider a simulated one: it plays every role, and nothing of it is real."""

    exists: Callable[[Path], bool]
    """Tells whether a data folder holds a simulated world. Where there is none, nobody looks into it."""
    copy: Callable[[Observed, ProviderContext], None]
    """Makes a world that holds what was observed, in an empty data folder; for rehearsals."""
    step_seconds: Callable[["ProviderContext"], float]
    """How long each of its steps takes, for estimates before anything was learnt."""


SettingKind = Literal["path", "duration", "size", "count", "share"]


class Declaration(NamedTuple):
    """Everything that the engine knows of a provider."""

    name: str
    """What stack files, records and plans call it. The package is called the same, with `_` for `-`."""
    observer: Callable[[ProviderContext], Observer]
    """Opens the observer; cheap, and nothing is looked at yet."""
    driver: Callable[[ProviderContext], Driver]
    """Opens the driver; it serves every role of the provider."""
    survey: Survey
    hypervisor: HypervisorRole | None = None
    images: ImagesRole | None = None
    network: NetworkRole | None = None
    overlay: OverlayRole | None = None
    simulation: Simulation | None = None
    settings: Mapping[str, SettingKind | tuple[str, ...]] = {}
    """The keys of its section of the host file, which has its name; paths there are relative to the data folder, and where words are
    listed one of them has to stand. The key `accelerator` is also set by the flag of this name."""

    @property
    def roles(self) -> tuple[Role, ...]:
        """Name the roles that it plays."""
        return tuple(role for role in ROLES if getattr(self, role) is not None)
