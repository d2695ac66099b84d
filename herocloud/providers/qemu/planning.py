"""What each field of a VM costs on QEMU, and what QEMU cannot do. Pure: tables and functions over them.

A machine of the type q35 takes processors, memory, disks and cards while it runs, within the room it booted with. One of the type
microvm is smaller and takes nothing: it is chosen with KVM when the machine has no room to grow, so that nobody loses by it. (Under
emulation its guests find no clock to measure their processor by, and hang on a busy host.)
"""

from collections.abc import Callable

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model import guest_agreement, powers
from herocloud.model.hosts import MEMORY_BLOCK
from herocloud.model.words import Impact
from herocloud.providers import costs
from herocloud.providers.seam import Unsupported, Verdict

PORTS = 8
"""Slots for volumes and cards that a q35 machine has at least."""
MOST_PORTS = 19
"""There are 32 places on the bus, and other devices take the rest."""
MOST_VCPUS = 255
"""Without the remapping of interrupts, which TCG does not have, no more can be addressed."""

_COSTS = {
    **costs.EVERYWHERE,
    "root_disk.direct": Verdict(Impact.REBOOT, "needs a power-cycle: the disk is opened again"),
    "root_disk.rate": costs.LIVE,
    powers.CONNECTIONS: Verdict(Impact.REBOOT, "needs a power-cycle: the program that watches connections begins with its VMM"),
}
"""Fields that cost more than a live change, and exceptions below them; the longest matching path counts."""


def judge(path: str, before: Json, after: Json, spec: Spec, machine: Part, *, accelerated: bool = True) -> Verdict:
    """Say what it costs to change the field at `path`.

    QEMU goes on calling an emulated processor that was unplugged, which corrupts its memory at the next change of devices. Every emulated
    machine takes devices: it is a q35, and its slots are places on a bridge.
    """
    if accelerated:
        return _judge(path, before, after, spec, machine, slots_of)
    if path == "vcpus" and machine is not None and after < before:
        return Verdict(Impact.REBOOT, "needs a power-cycle: an emulated processor cannot be unplugged safely")
    return _judge(path, before, after, spec, machine, lambda _machine: MOST_PORTS)


def _judge(path: str, before: Json, after: Json, spec: Spec, machine: Part, slots: Callable[[Part], int]) -> Verdict:
    if path == "vcpus":
        return costs.of_vcpus(after, machine)
    if path == "memory":
        return costs.of_memory(after, machine)
    if path == "memory_options.balloon":
        return costs.of_balloon(after, machine)
    known = costs.of_values(path, before, after, spec)
    if known is not None:
        return known
    if guest_agreement.plugs(path):
        return _judge_plugging(spec, machine, slots)
    if path == "root_disk.direct" and isinstance(before, dict) and isinstance(after, dict) and before["direct"] == after["direct"]:
        # The whole of `root` is judged under this name, and its rate changes live.
        return costs.LIVE
    return costs.look_up(_COSTS, path)


def board_of(machine: Part) -> str:
    """Choose the type of the machine where there is KVM; it follows from the machine's settings at boot and stays as long as it runs."""
    grows = machine["max_vcpus"] > 1 or machine["hotplug"] or machine["volumes"] or machine["shares"]
    return "q35" if grows or not machine["payload"] else "microvm"


def slots_of(machine: Part) -> int:
    """Count the slots for what is plugged in while a machine runs with KVM."""
    return 0 if board_of(machine) == "microvm" else min(MOST_PORTS, max(PORTS, len(machine["volumes"]) + len(machine["nics"])))


def _judge_plugging(spec: Spec, machine: Part, slots: Callable[[Part], int]) -> Verdict:
    if machine is None:
        return costs.LIVE
    there = slots(machine)
    if not there:
        return Verdict(
            Impact.REBOOT, "needs a power-cycle: a VM without room to grow (`cpu.max`, `memory_options.hotplug`) takes no devices"
        )
    return costs.of_plugging(spec, machine, there)


def unsupported(spec: Spec) -> list[Unsupported]:
    """Name fields that cannot be honored."""
    found = []
    if spec["cpu"]["max"] > MOST_VCPUS:
        found.append(Unsupported("cpu.max", f"QEMU gives a VM at most {MOST_VCPUS} vCPUs here"))
    if (spec["memory_options"]["hotplug"] or 0) % MEMORY_BLOCK:
        found.append(Unsupported("memory_options.hotplug", "memory is plugged in blocks of 2 MiB"))
    if spec["memory_options"]["hugepages"] and spec["memory"] % MEMORY_BLOCK:
        found.append(Unsupported("memory", "a VM in huge pages has a multiple of 2 MiB"))
    if spec["memory_options"].get("thp") is False:
        found.append(Unsupported("memory_options.thp", "QEMU asks the kernel for huge pages for all memory of its guests; leave `thp` out"))
    if costs.count_plugged(spec) > MOST_PORTS:
        found.append(Unsupported("volumes", f"a VM has at most {MOST_PORTS} volumes and network cards together"))
    return found
