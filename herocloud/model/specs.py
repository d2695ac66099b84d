"""What each kind of resource is to be, every value decided: the shape of `Record.spec` and `Change.after`.

They are typed dictionaries, because specs are compared ten thousand at a time, stored and digested: a class instance per level would
triple memory and time, and a type costs nothing at run time. Code that knows the kind of a `Spec` looks at it through the function
of that kind; the loader and the decoder of the state have checked what is in it.
"""

from collections.abc import Mapping
from typing import NotRequired, TypedDict, cast

from herocloud.kits.jsons import Json, Spec
from herocloud.model.ids import Sid


class NicRate(TypedDict):
    """Bytes a second of a network card, each way; nothing where there is no limit."""

    download: int | None
    upload: int | None


class DiskRate(TypedDict):
    """Bytes and operations a second of a disk."""

    bandwidth: int | None
    burst: int | None
    iops: int | None


class Topology(TypedDict):
    """The processors of a VM as its guest sees them."""

    threads: int
    cores: int
    dies: int
    packages: int


class Cpu(TypedDict):
    """How far the vCPUs may grow, where they run, and how they look."""

    max: int
    affinity: list[list[int]] | None
    topology: Topology | None


class MemoryOptions(TypedDict):
    """How memory is made, how much the VM boots with, and how much room it has to grow."""

    hugepages: bool
    mergeable: bool
    boot: int
    hotplug: int | None
    balloon: NotRequired[int]
    """What the guest gives back to the host of its memory; absent where that is nothing."""
    thp: NotRequired[bool]
    """Absent where it is true."""


class RootDisk(TypedDict):
    """The disk that a VM boots from."""

    size: int
    direct: bool
    rate: DiskRate | None


class VolumeUse(TypedDict):
    """A volume in a VM; nothing is known of the size of one that no file has."""

    volume: str
    readonly: bool
    size: int | None
    plugged: NotRequired[str]
    """The name that its guest knows it by, where the volume was renamed since it was made."""


def plugged(use: Mapping[str, Json]) -> str:
    """Return the name under which a guest knows a volume: a rename does not change what is plugged in."""
    return str(use.get("plugged") or use["volume"])


class Share(TypedDict):
    """A folder of the host that a guest sees."""

    path: str
    tag: str


class Nic(TypedDict):
    """A card on a network of the stack."""

    network: str
    rate: NicRate | None
    slot: int
    mac: str
    tap: str
    address: str | None
    prefix: NotRequired[int | None]
    gateway: NotRequired[str | None]
    open: NotRequired[list[object]]
    wired: NotRequired[str]
    """The name of the network that the seed was made with, where it is called something else by now."""


class OverlayUse(TypedDict, total=False):
    """How a VM is on the overlay: by a card on the node of the host, or by a daemon of its own."""

    seed: str | None
    address: str | None
    slot: int
    mac: str
    tap: str
    key: object
    peers: list[str]


class Secret(TypedDict):
    """Where a secret comes from, and its keyed digest."""

    env: NotRequired[str]
    file: NotRequired[str]
    digest: str


class Payload(TypedDict):
    """What is booted without a disk."""

    kernel: str | None
    initramfs: str | None
    cmdline: str | None


class ImageId(TypedDict):
    """What of an image a VM depends on."""

    source: str | None
    payload: Payload | None
    nocloud: bool


class SnapshotPolicy(TypedDict):
    """Snapshots that are taken by themselves."""

    keep: int
    every: int
    """Seconds."""
    memory: bool


class VmSpec(TypedDict):
    """A VM."""

    hypervisor: str
    image: str
    image_id: ImageId
    hostname: str
    sid: Sid
    slices: list[Sid]
    vcpus: int
    memory: int
    cpu: Cpu
    memory_options: MemoryOptions
    root_disk: RootDisk | None
    volumes: list[VolumeUse]
    shares: list[Share]
    networks: list[Nic]
    mycelium: OverlayUse | None
    ssh_keys: list[str]
    user_data: str | None
    env: dict[str, str]
    labels: dict[str, str]
    secrets: dict[str, Secret]
    restart: str
    state: str
    snapshots: NotRequired[SnapshotPolicy]


class ImageSpec(TypedDict, total=False):
    """An image; a stack without the image that a VM names has an empty one, and a finding."""

    source: str | None
    sha256: str | None
    unpinned: bool
    decompress: str
    format: str | None
    nocloud: bool
    aliases: list[str]
    kernel: str | None
    initramfs: str | None
    cmdline: str | None


class Forward(TypedDict):
    """A port of the host that leads into a VM."""

    host_port: int
    vm: str
    port: int
    protocol: str
    address: NotRequired[str | None]


class NetworkSpec(TypedDict):
    """A network."""

    cidr: str
    nat: bool
    isolated: bool
    forward: list[Forward]
    mode: NotRequired[str]
    gateway: NotRequired[str]


class VolumeSpec(TypedDict):
    """A volume."""

    size: int


def vm(spec: Spec) -> VmSpec:
    """Look at the spec of a VM."""
    return cast("VmSpec", spec)


def image(spec: Spec) -> ImageSpec:
    """Look at the spec of an image."""
    return cast("ImageSpec", spec)


def network(spec: Spec) -> NetworkSpec:
    """Look at the spec of a network."""
    return cast("NetworkSpec", spec)


def volume(spec: Spec) -> VolumeSpec:
    """Look at the spec of a volume."""
    return cast("VolumeSpec", spec)
