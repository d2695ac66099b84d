"""The three inputs of a plan: desired, recorded, observed.

Specs and parts are plain JSON mappings: they are compared ten thousand at a time, stored and digested, and a class instance per
level would triple the memory and the time. The pydantic models of `stack/` are their schema; nobody changes one after it is made.
"""

from collections.abc import Callable, Mapping

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.applies import Pending
from herocloud.model.diagnostics import Place
from herocloud.model.ids import HERE, Address, HostId, Sid, StackName


class Resource(NamedTuple):
    """One thing that the stack file asks for, validated and with presets merged, before the planner decides its values."""

    address: Address
    kind: str
    name: str
    number: int | None
    spec: Spec
    depends_on: tuple[Address, ...] = ()
    protect: bool = False
    place: Place | None = None
    provider: str = "auto"
    """`auto`, or the provider that the file names."""
    literal: bool = False
    """True when its texts are taken as they are: they come from a record, where they are resolved, or from a caller, who wrote no file."""
    max_unavailable: str = "1"
    """How many instances of its block may be down at once: a number, or a share like `25%`."""
    ran_on: str = ""
    """The hypervisor that ran it elsewhere, which `auto` takes where it is there."""


class Move(NamedTuple):
    """A rename that keeps the machine."""

    origin: str
    target: str
    place: Place | None = None


class Desired(NamedTuple):
    """What the stack files ask for."""

    stack: StackName
    resources: tuple[Resource, ...]
    description: str = ""
    moved: tuple[Move, ...] = ()
    outputs: Mapping[str, Json] = {}
    """Values, in which texts may hold `{{ vm.… }}` expressions that only the planner can resolve."""
    folder: str = "."
    """The folder of the first stack file, against which relative paths of the host's side are resolved already."""


class Record(NamedTuple):
    """What the state says we made at one address."""

    stack: StackName
    address: Address
    kind: str
    provider: str
    spec: Spec
    """The target that was last applied, every value decided."""
    parts: Mapping[str, Part]
    """What has really been made so far, by part: `disk`, `nic.0`, `machine`, `power` …"""
    complete: bool
    """False from the first intent until the last step of a change is done."""
    protect: bool = False
    sid: Sid | None = None
    needs: tuple[Address, ...] = ()
    """The addresses it relies on; deletion goes against this order."""
    host: HostId = HERE


Durations = Mapping[tuple[str, str], float]
"""How many seconds steps take, by their kind and provider."""


DataMakers = Callable[[StackName], Mapping[Address, str]]
"""Answers which apply made the data at each address of a stack last."""


def _no_makers(_stack: StackName) -> Mapping[Address, str]:
    return {}


class Recorded(NamedTuple):
    """What the state holds, for every stack on the host."""

    lineage: str | None = None
    """The identity of this state; nothing before the first write."""
    serial: int = 0
    records: Mapping[StackName, Mapping[Address, Record]] = {}
    slices: int = 0
    """How many slices were ever created here."""
    outputs: Mapping[StackName, Mapping[str, Json]] = {}
    """The outputs of each stack as its last apply left them."""
    unfinished: tuple[Pending, ...] = ()
    """Every apply that runs or did not end, oldest first."""
    reserved: Mapping[StackName, Mapping[Address, Record]] = {}
    """What those may come to hold; until they end it is taken, for every other stack."""
    beside: Mapping[Address, Record] = {}
    """What is held in the planned stack by applies of addresses that the plan is not about; `reservations.occupied` looks it up."""
    durations: Mapping[tuple[str, str], float] = {}
    """What steps took on this host, learnt from what ran here."""
    lost: Mapping[StackName, Mapping[Address, Record]] = {}
    """The last record of each orphan that was seen: what it says is held as long as the orphan is there."""
    damaged: Mapping[StackName, Mapping[Address, str]] = {}
    """Addresses whose rows hold no record, and what is wrong with each; nothing of such a stack is changed until that is settled."""
    behind: int = 0
    """How many serials this state lacks of those that were written here: it was put back from a backup, or lost the end of its log."""
    held: Mapping[Sid, tuple[StackName, Address]] = {}
    """Slices held without a readable record, and by whom: by such addresses, and by orphans whose marks tell which they were given."""
    data_makers: DataMakers = _no_makers
    """Looked up in the journal when it is asked: only plans that destroy data need to know."""


class Thing(NamedTuple):
    """What the providers see of one address."""

    stack: StackName
    address: Address
    provider: str
    parts: Mapping[str, Part]
    lineage: str | None = None
    host: HostId = HERE
    halves: Mapping[str, Part] = {}
    """Parts that somebody began to make and did not finish, as they were to become; of a machine there may be no more than its sid."""
    restored: Mapping[str, str] = {}
    """Of disks that come out of a snapshot: by part, which restoring put them there."""
    taken: Mapping[str, float] = {}
    """Of snapshots: by part, when they were taken, in seconds since 1970."""
    slices: tuple[Sid, ...] = ()
    """Those that it was given when its machine was made or changed last, as its mark tells; records know better."""


def power_of(parts: Mapping[str, Part]) -> str:
    """Return what a VM with these parts is: `gone`, `stopped`, or what its hypervisor calls it."""
    return str(parts.get("power") or "stopped") if "machine" in parts else "gone"


class TakenRange(NamedTuple):
    """A range of addresses that no network of ours may have."""

    cidr: str
    who: str
    """The words for who has it."""
    way_out: str = ""
    """The command that takes it away, where one does."""


class Observed(NamedTuple):
    """One look at the world through all providers."""

    things: Mapping[StackName, Mapping[Address, Thing]] = {}
    images: Mapping[str, int] = {}
    """Virtual size in bytes of images that are present, by their source."""
    tombstones: int = 0
    """Bytes that deleted data still occupies until its time to live passes."""
    ranges: tuple[TakenRange, ...] = ()
    strangers: frozenset[str] = frozenset()
    """Interfaces that have a name of ours, and nothing tells that they are."""
    serials: Mapping[str, int] = {}
    """The highest serial on the marks of each state that has any here, by lineage."""
    peer_states: Mapping[str, str] = {}
    """How the overlay daemon is connected to each declared peer that it knows, by endpoint as declared: `alive`, `connecting`, `dead`."""
