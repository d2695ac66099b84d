"""Steps: the atoms of work, and the one list of the kinds there are.

The kinds are the same for every provider, so that a plan made for a real hypervisor can be rehearsed on the simulator. A step
carries the part of its address before and after; `probe` compares the world with those two, and `undo` goes from one back to
the other.
"""

from herocloud.kits.jsons import Json, Part
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.ids import HERE, Address, HostId, StepId


class KindInfo(NamedTuple):
    """Everything that the planner and the executor know of a kind of step. A new kind is a line here and work in one driver."""

    role: str
    """Which face of a provider performs it: hypervisor, guest (who waits for one), images, network, overlay, or state (no provider)."""
    lane: str
    """The resource class whose concurrency bounds it."""
    timeout: float
    """Seconds after which the executor stops waiting."""
    expected: float
    """Seconds that it takes on an ordinary host, where nobody has measured it yet."""
    inverse: str
    """The kind that takes it back; a kind that changes something in place is its own inverse."""
    waits_for: frozenset[str] = frozenset()
    """Which kinds of resources that its address needs must be ready before it."""
    lets_go: bool = False
    """After it a VM no longer holds what it used to need."""
    removes: bool = False
    """It takes something away, so nobody can rely on what it leaves behind."""
    destroys_data: bool = False
    """It takes data away: a disk or a volume."""
    grows: bool = False
    """It makes a disk larger, which cannot be taken back: its file system may use the new room by then."""
    moves_mark: bool = False
    """It changes the mark on a thing, and no part of it."""
    takes_volumes: bool = False
    """A machine may write to a volume from here on."""
    gives_volumes: bool = False
    """A machine no longer writes to the volumes that it lost."""
    prepares: bool = False
    """It touches nothing that runs, so it comes before the first step that interrupts something."""
    few: bool = False
    """A plan has few of it, however many VMs it has."""
    interrupts: bool = False
    """It takes something away from what runs."""
    beside: bool = False
    """It makes a part beside the one whose place it will take."""
    places: bool = False
    """It puts what was prepared in its place: the part `disk.new` becomes `disk`."""
    passes: bool = False
    """It leaves nothing to take back."""
    power: str = ""
    """What a VM is after it: `running`, `paused`, `stopped` or `gone`; nothing where it stays as it is."""
    heals: bool = False
    """It runs as soon as what it needs has ended, however that ended: it lets a machine go on that was held for the others."""

    @property
    def stops(self) -> bool:
        """Return whether a VM that runs is off after it."""
        return self.interrupts and self.power == "stopped"

    @property
    def boots(self) -> bool:
        """Return whether a VM that was off runs after it."""
        return self.lane == "boot" and self.power == "running"


def _needs(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


_IMAGES, _NETWORK, _OVERLAY, _VM = "images", "network", "overlay", "hypervisor"
_LINKS = _needs("network", "mycelium")
_ALL = _needs("image", "volume", "network", "mycelium", "vm")

KINDS: dict[str, KindInfo] = {
    "image.fetch": KindInfo(_IMAGES, "download", 3600, 20, "image.delete", prepares=True, few=True),
    "image.delete": KindInfo(_IMAGES, "disk", 120, 0.1, "image.fetch", removes=True),
    "image.discard": KindInfo(_IMAGES, "disk", 120, 0.1, "image.fetch", removes=True, passes=True),
    "disk.create": KindInfo(_IMAGES, "disk", 1800, 2, "disk.delete", _needs("image")),
    "disk.grow": KindInfo(_IMAGES, "disk", 300, 0.2, "disk.grow", grows=True),
    "disk.delete": KindInfo(_IMAGES, "disk", 300, 0.1, "disk.create", removes=True, destroys_data=True, interrupts=True),
    "disk.prepare": KindInfo(_IMAGES, "disk", 1800, 2, "disk.discard", _needs("image"), prepares=True, beside=True),
    "disk.discard": KindInfo(_IMAGES, "disk", 300, 0.1, "disk.prepare", removes=True, passes=True),
    "disk.place": KindInfo(_IMAGES, "disk", 60, 0.1, "disk.delete", places=True),
    "disk.copy": KindInfo(_IMAGES, "disk", 7200, 2, "disk.delete", _needs("image")),
    "disk.restore": KindInfo(_IMAGES, "disk", 7200, 2, "disk.restore", destroys_data=True),
    "volume.create": KindInfo(_IMAGES, "disk", 600, 0.5, "volume.delete", prepares=True),
    "volume.grow": KindInfo(_IMAGES, "disk", 300, 0.2, "volume.grow", grows=True),
    "volume.delete": KindInfo(_IMAGES, "disk", 300, 0.1, "volume.create", removes=True, destroys_data=True, interrupts=True),
    "volume.discard": KindInfo(_IMAGES, "disk", 300, 0.1, "volume.create", removes=True, passes=True),
    "volume.copy": KindInfo(_IMAGES, "disk", 7200, 2, "volume.delete"),
    "volume.restore": KindInfo(_IMAGES, "disk", 7200, 2, "volume.restore", destroys_data=True),
    "volume.move": KindInfo(_IMAGES, "disk", 60, 0.1, "volume.move", moves_mark=True),
    "seed.write": KindInfo(_IMAGES, "disk", 60, 0.1, "seed.delete", _needs("image")),
    "seed.delete": KindInfo(_IMAGES, "disk", 60, 0.1, "seed.write", removes=True),
    "seed.prepare": KindInfo(_IMAGES, "disk", 60, 0.1, "seed.discard", _needs("image"), prepares=True, beside=True),
    "seed.discard": KindInfo(_IMAGES, "disk", 60, 0.1, "seed.prepare", removes=True, passes=True),
    "seed.place": KindInfo(_IMAGES, "disk", 60, 0.1, "seed.delete", places=True),
    "snapshot.create": KindInfo(_IMAGES, "disk", 7200, 2, "snapshot.delete"),
    "snapshot.delete": KindInfo(_IMAGES, "disk", 300, 0.1, "snapshot.create", removes=True, destroys_data=True),
    "network.create": KindInfo(_NETWORK, "network", 60, 0.2, "network.delete", prepares=True, few=True),
    "network.update": KindInfo(_NETWORK, "network", 60, 0.2, "network.update"),
    "network.delete": KindInfo(_NETWORK, "network", 60, 0.2, "network.create", removes=True, interrupts=True),
    "network.discard": KindInfo(_NETWORK, "network", 60, 0.2, "network.create", removes=True, passes=True),
    "network.move": KindInfo(_NETWORK, "network", 60, 0.1, "network.move", moves_mark=True),
    "tap.create": KindInfo(_NETWORK, "network", 60, 0.1, "tap.delete", _LINKS),
    "tap.update": KindInfo(_NETWORK, "network", 60, 0.1, "tap.update", _LINKS, lets_go=True),
    "tap.delete": KindInfo(_NETWORK, "network", 60, 0.1, "tap.create", lets_go=True, removes=True, interrupts=True),
    "tap.discard": KindInfo(_NETWORK, "network", 60, 0.1, "tap.create", lets_go=True, removes=True, passes=True),
    "overlay.enable": KindInfo(_OVERLAY, "network", 120, 1, "overlay.disable", prepares=True, few=True),
    "overlay.disable": KindInfo(_OVERLAY, "network", 120, 1, "overlay.enable", removes=True),
    "peer.add": KindInfo(_OVERLAY, "network", 60, 0.2, "peer.remove", _needs("mycelium"), prepares=True),
    "peer.remove": KindInfo(_OVERLAY, "network", 60, 0.2, "peer.add", removes=True),
    "vm.create": KindInfo(_VM, "boot", 60, 0.3, "vm.delete", _ALL, takes_volumes=True, power="stopped"),
    "vm.configure": KindInfo(
        _VM, "boot", 60, 0.3, "vm.configure", _needs("image", "volume", "vm"), lets_go=True, takes_volumes=True, gives_volumes=True
    ),
    "vm.boot": KindInfo(_VM, "boot", 120, 1, "vm.stop", _ALL, power="running"),
    "vm.stop": KindInfo(_VM, "boot", 120, 8, "vm.boot", removes=True, interrupts=True, power="stopped"),
    "vm.pause": KindInfo(_VM, "live", 60, 0.1, "vm.resume", interrupts=True, power="paused"),
    "vm.resume": KindInfo(_VM, "live", 60, 0.1, "vm.pause", _needs("vm"), power="running"),
    "vm.freeze": KindInfo(_VM, "live", 60, 0.1, "vm.thaw", power="paused"),
    "vm.thaw": KindInfo(_VM, "live", 60, 0.1, "vm.freeze", heals=True, power="running"),
    "vm.revive": KindInfo(_VM, "boot", 3600, 2, "vm.stop", _ALL, power="running"),
    "snapshot.save": KindInfo(_VM, "live", 3600, 5, "snapshot.save"),
    "vm.resize": KindInfo(_VM, "live", 120, 1, "vm.resize"),
    "vm.attach": KindInfo(_VM, "live", 120, 0.5, "vm.detach", _needs("volume", "network", "mycelium"), takes_volumes=True),
    "vm.detach": KindInfo(_VM, "live", 120, 1, "vm.attach", lets_go=True, gives_volumes=True, interrupts=True),
    "vm.grow": KindInfo(_VM, "live", 60, 0.2, "vm.grow", grows=True),
    "vm.ready": KindInfo("guest", "live", 300, 5, "vm.ready", passes=True),
    "vm.update": KindInfo(_VM, "live", 60, 0.1, "vm.update", _needs("image", "volume"), lets_go=True),
    "vm.delete": KindInfo(
        _VM, "boot", 120, 0.5, "vm.create", lets_go=True, removes=True, gives_volumes=True, interrupts=True, power="gone"
    ),
    "vm.discard": KindInfo(_VM, "boot", 120, 0.1, "vm.create", lets_go=True, removes=True, gives_volumes=True, passes=True),
    "vm.move": KindInfo(_VM, "live", 60, 0.1, "vm.move", moves_mark=True),
    "record.write": KindInfo("state", "state", 60, 0.0, "record.write"),
}

DISCARDS = {
    "image": "image.discard", "network": "network.discard", "volume": "volume.discard", "machine": "vm.discard",
    "disk": "disk.discard", "seed": "seed.discard", "disk.new": "disk.discard", "seed.new": "seed.discard", "nic": "tap.discard",
}  # fmt: skip
"""Which kind of step removes what is half made, by part: nobody has used it, so nothing of it is kept."""


def discard_kind(part: str) -> str | None:
    """Return the kind of step that removes a half-made part, or nothing for a part that cannot be half made."""
    return DISCARDS.get("nic" if part.startswith("nic.") else part)


RECORD_WRITE = "record.write"
"""The kind of step that touches records only."""


FETCH = "image.fetch"
"""The kind of step that brings an image to the host."""

READY = "vm.ready"
"""The kind of step that waits until the guest of a VM is ready, and changes nothing."""

BESIDE = ".new"
"""Behind the name of a part, and before the ending of its file: what was prepared and is not in its place yet."""


def beside(part: Part) -> Part:
    """Return a disk or a seed as it is while it waits beside the one whose place it will take."""
    path, dot, ending = part["path"].rpartition(".")
    return {**part, "path": f"{path}{BESIDE}{dot}{ending}"}


def restores_data(kind: str) -> bool:
    """Return whether this kind brings back data when it takes a step back: what it is the inverse of has destroyed some."""
    return KINDS[KINDS[kind].inverse].destroys_data


def exchanges_data(kind: str) -> bool:
    """Return whether this kind puts other data in the place of what is there, so that it is its own inverse."""
    return KINDS[kind].destroys_data and KINDS[kind].inverse == kind


def moves_node(step: "Step") -> bool:
    """Return whether a step moves a node of the overlay to another /64: VMs in the old one are cut off from then on."""
    if step.part != "overlay":
        return False
    before, after = step.before or {}, step.after or {}
    return bool(before.get("subnet") and after.get("subnet") and before["subnet"] != after["subnet"])


_AT_HAND = 0.5
"""Seconds to take in an image that is a file of this host already."""


def expected_seconds(step: "Step") -> float:
    """Return how long a step takes on an ordinary host."""
    if step.kind == FETCH and not str((step.after or {}).get("source") or "").startswith("http"):
        return _AT_HAND
    info = KINDS.get(step.kind)
    return info.expected if info else 0.0


PARALLELISM = 10
"""How many steps run at once when nobody says otherwise."""

LANES = {"download": 2, "disk": 4, "network": 8, "boot": 8, "live": 8, "state": 10}
"""How many steps of a class run at once, below `--parallelism`. Downloads share one uplink; disk copies one disk."""

STATE_PROVIDER = "state"
"""Named by steps that change records only and touch nothing outside."""

EXECUTOR = ("executor", STATE_PROVIDER)
"""Under what the executor's own time for each step stands among what was learnt about steps."""


class Claim(NamedTuple):
    """How much of each resource a step takes when it starts, or gives back when it is done."""

    slices: int = 0
    memory: int = 0
    vcpus: int = 0
    disk: int = 0
    network: int = 0
    disk_io: int = 0
    hugepages: int = 0
    """The part of `memory` that is in huge pages."""


NOTHING = Claim()


class Step(NamedTuple):
    """One atom of work of one provider."""

    id: StepId
    """`vm.web[0]/disk.create`: address and kind, with a number behind when a change has several of one kind."""
    address: Address
    kind: str
    provider: str
    part: str
    """The part of the record that it makes, changes or removes."""
    before: Part
    after: Part
    needs: tuple[StepId, ...] = ()
    facts: tuple[str, ...] = ()
    takes: Claim = NOTHING
    gives: Claim = NOTHING
    last: bool = False
    """True for the step that completes its change."""
    seconds: float = 0.0
    """How long it is expected to take."""
    host: HostId = HERE
    """Where it runs."""
    origin: Json = None
    """Where the data comes from that it copies: a snapshot or an archive. Nothing for kinds that copy nothing of the sort."""
    tombstone: tuple[str, ...] = ()
    """In plans that take others back: the maker (`model.makers`) whose tombstone it brings back, or makes again; else it is its own."""
