"""Steps: the atoms of work, and the one list of the kinds there are.

The kinds are the same for every provider, so that a plan made for a real hypervisor can be rehearsed on the simulator. A step
carries the part of its address before and after; `probe` compares the world with those two, and `undo` goes from one back to
the other.
"""

from typing import NamedTuple

from herocloud.kits.jsons import Part
from herocloud.model.ids import Address, StepId


class KindInfo(NamedTuple):
    """What the executor and the planner know of a kind of step."""

    role: str
    """Which face of a provider performs it: hypervisor, images, network, overlay, or state (no provider)."""
    lane: str
    """The resource class whose concurrency bounds it."""
    timeout: float
    """Seconds after which the executor stops waiting."""
    expected: float
    """Seconds that it takes on an ordinary host."""


KINDS: dict[str, KindInfo] = {
    "image.fetch": KindInfo("images", "download", 3600, 20),
    "image.delete": KindInfo("images", "disk", 120, 0.1),
    "disk.create": KindInfo("images", "disk", 1800, 2),
    "disk.grow": KindInfo("images", "disk", 300, 0.2),
    "disk.delete": KindInfo("images", "disk", 300, 0.1),
    "volume.create": KindInfo("images", "disk", 600, 0.5),
    "volume.grow": KindInfo("images", "disk", 300, 0.2),
    "volume.delete": KindInfo("images", "disk", 300, 0.1),
    "seed.write": KindInfo("images", "disk", 60, 0.1),
    "seed.delete": KindInfo("images", "disk", 60, 0.1),
    "network.create": KindInfo("network", "network", 60, 0.2),
    "network.update": KindInfo("network", "network", 60, 0.2),
    "network.delete": KindInfo("network", "network", 60, 0.2),
    "tap.create": KindInfo("network", "network", 60, 0.1),
    "tap.update": KindInfo("network", "network", 60, 0.1),
    "tap.delete": KindInfo("network", "network", 60, 0.1),
    "overlay.enable": KindInfo("overlay", "network", 120, 1),
    "overlay.disable": KindInfo("overlay", "network", 120, 1),
    "peer.add": KindInfo("overlay", "network", 60, 0.2),
    "peer.remove": KindInfo("overlay", "network", 60, 0.2),
    "vm.create": KindInfo("hypervisor", "boot", 60, 0.3),
    "vm.configure": KindInfo("hypervisor", "boot", 60, 0.3),
    "vm.boot": KindInfo("hypervisor", "boot", 120, 1),
    "vm.stop": KindInfo("hypervisor", "boot", 120, 8),
    "vm.pause": KindInfo("hypervisor", "live", 60, 0.1),
    "vm.resume": KindInfo("hypervisor", "live", 60, 0.1),
    "vm.resize": KindInfo("hypervisor", "live", 120, 1),
    "vm.attach": KindInfo("hypervisor", "live", 120, 0.5),
    "vm.detach": KindInfo("hypervisor", "live", 120, 1),
    "vm.grow": KindInfo("hypervisor", "live", 60, 0.2),
    "vm.update": KindInfo("hypervisor", "live", 60, 0.1),
    "vm.delete": KindInfo("hypervisor", "boot", 120, 0.5),
    "vm.move": KindInfo("hypervisor", "live", 60, 0.1),
    "volume.move": KindInfo("images", "disk", 60, 0.1),
    "record.write": KindInfo("state", "state", 60, 0.0),
}

_AT_HAND = 0.5
"""Seconds to take in an image that is a file of this host already."""


def expected_seconds(step: "Step") -> float:
    """Return how long a step takes on an ordinary host."""
    if step.kind == "image.fetch" and not str((step.after or {}).get("source") or "").startswith("http"):
        return _AT_HAND
    info = KINDS.get(step.kind)
    return info.expected if info else 0.0


LANES = {"download": 2, "disk": 4, "network": 8, "boot": 8, "live": 8, "state": 10}
"""How many steps of a class run at once, below `--parallelism`. Downloads share one uplink; disk copies one disk."""

STATE_PROVIDER = "state"
"""Named by steps that change records only and touch nothing outside."""


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
