"""The machine, as the planner sees it."""

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.ids import Sid

SLICE_MEMORY = 4 * 1024**3
MEMORY_BLOCK = 2 * 1024**2
"""Memory is plugged into a running VM, and unplugged, in blocks of this size; every hypervisor has the same."""
"""What one slice holds, on every host."""


class Ratios(NamedTuple):
    """How much of each resource may be promised, as a multiple of what is there."""

    cpu: float = 4.0
    memory: float = 1.0
    disk: float = 1.0
    network: float = 2.0
    disk_io: float = 2.0


class NumaNode(NamedTuple):
    """One memory node with its processors."""

    number: int
    cpus: tuple[int, ...]
    memory: int


class Uplink(NamedTuple):
    """The way out; `speed` in bytes a second, nothing when the driver does not tell."""

    name: str
    speed: int | None


class Slice(NamedTuple):
    """The unit of capacity."""

    sid: Sid
    memory: int
    disk: int


class Abilities(NamedTuple):
    """What can run VMs and carry networks here. Finding out takes effects, so it is looked up before planning."""

    hypervisors: tuple[tuple[str, bool, str], ...]
    """Name, whether it can be used, and why (not)."""
    networks: str = "network"
    """The provider for networks that do not say which kind they are."""
    networks_why: str = ""
    accelerated: tuple[str, ...] = ()
    """Hypervisors whose guests run on the processor itself and are not emulated."""
    overlay: str = ""
    """Why the overlay cannot be brought about here; empty where it can."""
    lacking: tuple[tuple[str, str, str], ...] = ()
    """Hypervisor, what it cannot do here for a VM (a field of it, mostly), and why not: a program that is missing."""


class OverlayKey(NamedTuple):
    """The public half of a key of the overlay, or why it cannot be had."""

    public: str | None
    missing: bool = False
    """It was never made."""
    name: str = ""
    """What it is called, where it lies in the data folder."""
    problem: str = ""
    hint: str | None = None


class OverlayDaemon(NamedTuple):
    """The overlay daemon that runs on a host."""

    subnet: str
    managed: bool
    """herocloud runs it for this data folder."""
    carries: bool = True
    """The host has the route into the overlay; it has none by a daemon without a TUN."""
    trouble: str = ""
    """Why it could not be asked; the rest says nothing then."""
    running: bool = True
    """False where somebody looked and found none; `managed` tells then whether herocloud has set one up."""
    lost_interface: bool = False
    """Somebody removed the interface of one that herocloud did not start, and so must not start again."""


class ImageLimits(NamedTuple):
    """What an image may cost before it is proven to be one: its author chose the size of what it unpacks to."""

    download: int = 64 * 1024**3
    """Bytes that may come from a server."""
    unpacked: int = 256 * 1024**3
    """Bytes of the disk in an image, holes counted."""
    ratio: float = 200.0
    """How many times larger than its file a disk may be, once it has more than a GiB."""
    unpack_memory: int = 512 * 1024**2
    """Bytes of memory that unpacking may take."""


class ImageNeed(NamedTuple):
    """What fetching an image takes of the disk."""

    most: int
    """Bytes while it is fetched and converted."""
    kept: int
    """Bytes that stay taken."""


class Host(NamedTuple):
    """What the machine has, what its operator keeps back, and the slices that follow."""

    name: str
    memory: int
    disk: int
    disk_free: int
    """Bytes free on the file system of the data folder, plus what is ours there already."""
    cpus: int
    slices: tuple[Slice, ...]
    numa: tuple[NumaNode, ...] = ()
    uplink: Uplink | None = None
    simulated: bool = False
    reserve_memory: int = 1024**3
    reserve_disk: int = 0
    ratios: Ratios = Ratios()
    limit_disk: int | None = None
    limit_network: int | None = None
    limit_disk_io: int | None = None
    image_share: float = 0.2
    image_keep_free: int = 5 * 1024**3
    image_catalogue: str | None = None
    """The file of the images that every stack here may name."""
    image_limits: ImageLimits = ImageLimits()
    sources: tuple[tuple[str, str], ...] = ()
    """Where each value came from: (`memory`, `detected` | `file` | `default`)."""
    hugepages: int | None = None
    """Bytes set aside in huge pages; nothing on a simulated host that sets them aside as VMs ask for them."""
    abilities: Abilities | None = None
    """Nothing where nobody had to look: on a simulated host, and for plans without VMs."""
    listening: frozenset[tuple[str, int]] | None = None
    """Ports on which programs of this host wait for callers, as protocol and number; nothing where no plan had to know."""
    overlay_keys: tuple[tuple[str, OverlayKey], ...] = ()
    """The keys of the overlay that a stack names, by their reference as JSON."""
    overlay_daemon: OverlayDaemon | None = None
    """The daemon that runs; nothing where nobody had to look, and on a simulated host."""
    interfaces: frozenset[str] | None = None
    """The names of its network interfaces; nothing where no plan had to know, and on a simulated host."""
    disk_stored: int = 0
    """Bytes of that which belong to no VM and no volume: images, what is on its way to become one, and the state."""
    image_needs: tuple[tuple[str, ImageNeed], ...] = ()
    """What images that a plan may fetch take of the disk, by their source; those of unknown size are left out."""
    image_room: int | None = None
    """How much of the disk the plan that runs leaves to images whose size nobody knew; nothing where no plan runs."""
    step_times: tuple[tuple[str, float], ...] = ()
    """Providers all of whose steps take the same time, and how long, as long as nothing was learnt about them."""
