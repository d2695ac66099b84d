"""Network cards and disks as providers hand them to each other: the one that made them to the hypervisor that runs the VM.

No provider opens what another one keeps. What was made is recorded as a part; its provider turns the part into one of these types, and the
executor gives it to the steps that need it. Part of the contract in `seam`, from where providers import all of it.
"""

from enum import Enum
from pathlib import Path
from typing import Literal

from herocloud.kits.jsons import Part
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.ids import Address

OVERLAY_BRIDGE = "hb-mycelium"
"""The bridge that taps on the overlay join: its provider makes it, the network provider hangs taps on it. One for each host, because a
/64 can be on one link only."""


SEED_AND_LOGS = 10 * 1024**2
"""Bytes of the disk that a VM with a process of its own takes beside its disks: two logs at their limit, its seed, and small files."""


class AttachmentKind(Enum):
    """How a network card leaves its VM."""

    TAP = "tap"
    """A device of the host that a bridge joins to others; making one needs CAP_NET_ADMIN."""
    USER = "user"
    """A network inside of the VMM, in user mode: needs no right, and VMs on it do not reach each other."""


class Tap(NamedTuple):
    """A tap that the network provider made and that the user of the VMM may open."""

    name: str
    queues: int = 1
    """How many queues may be opened at most; one for a tap that was not made for several."""


class Forward(NamedTuple):
    """A port of the host that leads to a port of the guest."""

    protocol: str
    host_address: str
    """Empty for every address of the host."""
    host_port: int
    port: int


class UserNetwork(NamedTuple):
    """A network in user mode, which the VMM brings about by itself."""

    cidr: str
    gateway: str
    nat: bool
    """Whether the guest reaches the outside."""
    forwards: tuple[Forward, ...] = ()


class Attachment(NamedTuple):
    """A network card as its network provider hands it to a hypervisor."""

    mac: str
    owner: Address
    """The VM."""
    addresses: tuple[str, ...]
    """What the guest is expected to use; its provider lets nothing else through where it can."""
    link: Tap | UserNetwork


class Card(NamedTuple):
    """A network card as it is recorded; its network provider makes an `Attachment` of it."""

    owner: Address
    """The VM."""
    nic: Part
    """The part `nic.N`."""
    network: Part
    """The part `network` of the network that it is on; nothing for a card on the overlay."""


class Lock(Enum):
    """How the file of a disk is locked while a VMM has it open."""

    EXCLUSIVE = "exclusive"
    """It is written by this VM alone."""
    SHARED = "shared"
    """Several VMs may read it, and none writes."""


class Disk(NamedTuple):
    """A disk as its provider hands it to a hypervisor."""

    path: Path
    format: Literal["raw"]
    """Never guessed from the content: a guest could write another format's header into its disk."""
    size: int | None
    """In bytes; nothing where a part does not say (a seed is as large as its content)."""
    serial: str
    """What the guest finds it by, whatever it is called there."""
    readonly: bool
    lock: Lock


class DiskUse(NamedTuple):
    """A disk as it is recorded, and what it is for; its provider makes a `Disk` of it."""

    part: Part
    serial: str
    readonly: bool = False
