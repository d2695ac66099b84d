"""What changing a field of a VM costs on every hypervisor, and how a table of such costs is read. Pure.

A hypervisor's `planning` begins with these and adds its own. Kept in one place because they follow from the guest and its disk, not from
the program that runs them: a second copy would one day promise something else.
"""

from collections.abc import Mapping

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model import guest_agreement, powers
from herocloud.model.hosts import MEMORY_BLOCK
from herocloud.model.words import Impact
from herocloud.providers.seam import Verdict

LIVE = Verdict(Impact.LIVE)
POWER_CYCLE = Verdict(Impact.REBOOT, "needs a power-cycle")
READ_AT_BOOT = Verdict(Impact.REBOOT, "needs a power-cycle: the guest reads its seed at boot")
NOT_READ = Verdict(Impact.LIVE, "is not delivered: the image takes no seed")
DISK_LOST = Verdict(Impact.DATA, "root disk is destroyed")

EVERYWHERE: Mapping[str, Verdict] = {
    "cpu.max": POWER_CYCLE,
    "cpu.topology": POWER_CYCLE,
    "memory_options": POWER_CYCLE,
    "memory_options.balloon": LIVE,
    "root_disk": POWER_CYCLE,
    "shares": Verdict(Impact.REBOOT, "needs a power-cycle: a share cannot be unplugged safely"),
    powers.LOST_SHARES: Verdict(Impact.REBOOT, "needs a power-cycle: a guest finds a share again when it boots"),
    "user_data": READ_AT_BOOT,
    "ssh_keys": READ_AT_BOOT,
    "env": READ_AT_BOOT,
    "secrets": READ_AT_BOOT,
    "image_id.payload": Verdict(Impact.REBOOT, "needs a power-cycle: another kernel"),
    "image_id.nocloud": POWER_CYCLE,
    "hypervisor": Verdict(Impact.REPLACE, "moves to another hypervisor, root disk is kept"),
    "image_id.source": DISK_LOST,
}
"""By path; the longest matching path counts, and what is not named changes live."""


def of_values(path: str, before: Json, after: Json, spec: Spec) -> Verdict | None:
    """Judge the fields whose cost hangs on their values; nothing for all others."""
    if look_up(EVERYWHERE, path) is READ_AT_BOOT and not spec.get("image_id", {}).get("nocloud", True):
        return NOT_READ
    if path == "root_disk.size":
        return LIVE if after >= before else Verdict(Impact.DATA, "a disk cannot shrink: root disk is destroyed")
    if (path.startswith("networks.") and path.endswith(".address") and not guest_agreement.plugs(path)) or path == "mycelium.address":
        return Verdict(Impact.REBOOT, "needs a power-cycle: the guest reads its addresses at boot")
    if path == "image_id.source" and (before is None or after is None or spec.get("root_disk") is None):
        return DISK_LOST if before else POWER_CYCLE
    return None


def of_vcpus(after: int, machine: Part) -> Verdict:
    """Judge another number of processors, of which a running machine takes as many as it booted with room for."""
    if machine is None or after <= machine["max_vcpus"]:
        return LIVE
    return Verdict(Impact.REBOOT, f"above `cpu.max` {machine['max_vcpus']} needs a power-cycle")


def of_memory(after: int, machine: Part) -> Verdict:
    """Judge another size of the memory, which a running machine takes within the room that it booted with."""
    if machine is None:
        return LIVE
    smallest, largest = machine["boot_memory"], machine["boot_memory"] + (machine["hotplug"] or 0)
    if after > largest:
        return Verdict(Impact.REBOOT, "beyond the room it booted with needs a power-cycle")
    if after < smallest:
        return Verdict(Impact.REBOOT, "below the size it booted with needs a power-cycle")
    if (after - smallest) % MEMORY_BLOCK:
        return Verdict(Impact.REBOOT, "memory is plugged in blocks of 2 MiB; any other size needs a power-cycle")
    return LIVE


def of_balloon(after: Json, machine: Part) -> Verdict:
    """Judge what a guest is to give back of its memory; nothing is what it gives back where nobody says anything."""
    if machine is not None and (after or 0) >= machine["boot_memory"]:
        return Verdict(Impact.REBOOT, "as much as it booted with, or more, needs a power-cycle")
    return LIVE


def count_plugged(spec: Spec) -> int:
    """Count the devices that a VM has plugged in: its volumes and cards."""
    return len(spec["volumes"]) + len(spec["networks"]) + bool(spec.get("mycelium"))


def of_plugging(spec: Spec, machine: Part, slots: int) -> Verdict:
    """Judge other volumes and cards, of which a running machine takes as many as it has slots."""
    if machine is not None and count_plugged(spec) > slots:
        return Verdict(Impact.REBOOT, f"needs a power-cycle: all {slots} slots for devices are in use")
    return LIVE


def look_up(costs: Mapping[str, Verdict], path: str) -> Verdict:
    """Find the cost of a path or of the nearest one above it."""
    while path:
        if path in costs:
            return costs[path]
        path = path.rpartition(".")[0]
    return LIVE
