"""The parts of a VM, of a volume and of the rest, as records hold them, providers report them and probes compare them.

Typed dictionaries for the same reason as in `specs`.
"""

from typing import NotRequired, TypedDict

from herocloud.kits.jsons import Part
from herocloud.model.ids import Sid
from herocloud.model.powers import MARK
from herocloud.model.specs import DiskRate, NicRate, Payload, Share, Topology, VolumeUse


class DiskPart(TypedDict):
    """`disk`: the root disk."""

    size: int
    path: str
    image: str
    source: str | None
    """The content that it was made from."""


class NicPart(TypedDict):
    """`nic.0` and so on: what a card hangs on."""

    network: str
    mac: str
    address: str | None
    tap: str
    rate: NicRate | None
    open: NotRequired[list[object]]


class OverlayPart(TypedDict):
    """`overlay`: what a stack asks of the node that its VMs are behind."""

    addresses: bool
    mode: str
    daemon: str
    key: dict[str, str] | None
    interfaces: list[str]
    subnet: str | None
    host_open: NotRequired[list[str]]


class PeerPart(TypedDict):
    """`peer`: where the node finds another one."""

    endpoint: str


class SeedPart(TypedDict):
    """`seed`: what cloud-init reads."""

    instance: str
    """Changes exactly when the guest is to run its user data again."""
    digest: str
    path: str


class RootOptions(TypedDict):
    """How a machine uses its root disk."""

    direct: bool
    rate: DiskRate | None


class MachinePart(TypedDict):
    """`machine`: the process and what is in it."""

    sid: Sid
    vcpus: int
    max_vcpus: int
    affinity: list[list[int]] | None
    topology: Topology | None
    memory: int
    boot_memory: int
    hotplug: int | None
    hugepages: bool
    mergeable: bool
    balloon: NotRequired[int]
    """What its guest is asked to give back of its memory; absent where that is nothing."""
    thp: NotRequired[bool]
    """Absent where it is true."""
    root: RootOptions | None
    volumes: list[VolumeUse]
    shares: list[Share]
    nics: list[str]
    """The names of its `nic` parts."""
    payload: Payload | None
    seed: str | None
    labels: dict[str, str]
    restart: str


class SnapshotDisk(TypedDict):
    """A disk in a snapshot."""

    disk: str
    """`disk` for the root disk, `volume.NAME` for a volume."""
    path: str
    """Where the original lies."""
    size: int
    image: str | None
    """What a root disk was made from."""
    source: str | None


class SnapshotMemory(TypedDict):
    """The memory in a snapshot, which only the same hypervisor in the same version can read."""

    size: int
    hypervisor: str
    version: str
    machine: MachinePart
    """The machine whose memory it is."""


class SnapshotPart(TypedDict):
    """`snapshot.NAME`: copies of the disks of a VM, and with `memory` what it was at."""

    path: str
    created: int
    """Seconds since 1970."""
    power: str
    """Whether the VM ran: `running`, `paused` or `stopped`."""
    size: int
    """Bytes that all of it may come to take."""
    disks: list[SnapshotDisk]
    memory: SnapshotMemory | None
    scheduled: bool
    """Whether `snapshots` of the VM asked for it, and not a person."""


SNAPSHOT = "snapshot."
"""What the names of these parts begin with."""


def copy_file(disk: str) -> str:
    """Return what the copy of a disk is called in the folder of a snapshot, and in an archive."""
    return f"{disk}.raw"


ANOTHER = "another file"
LOST, REPLACED = "removed, and still open as ", "replaced, and the old one is still open as "
"""How `file` of a disk or volume begins when a process has a file open that has no name any more; the way to it follows.

Where a plain file takes the place of another that nobody has open, or something that is not a file does, `file` says that and no more."""


OTHERS = "not what its VM has open"
"""What `file` of a disk says where nobody knows which file it was, and its VM runs on another one."""


def without_mark(part: Part) -> Part:
    """Return a part without what became of its mark."""
    return {field: value for field, value in part.items() if field != MARK} if isinstance(part, dict) and MARK in part else part


class VolumePart(TypedDict):
    """`volume`."""

    size: int
    path: str
