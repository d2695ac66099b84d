"""What each field of a VM costs on Cloud Hypervisor, and what it cannot do. Pure: a table and functions over it.

Processors, memory, disks and cards change while a machine runs, within the room that it booted with. What the program has no call for (the
limits of a disk that cannot be unplugged, pinning that has to survive a reset of the guest) needs a power-cycle, and the reason says so.
"""

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model import guest_agreement, powers
from herocloud.model.hosts import MEMORY_BLOCK
from herocloud.model.words import Impact
from herocloud.providers import costs
from herocloud.providers.cloud_hypervisor import releases, slots
from herocloud.providers.seam import Unsupported, Verdict
from herocloud.providers.vmm import device_names

MOST_VCPUS = 255
"""What KVM takes on every host without more settings."""
MOST_THREADS = 2
"""Threads of a core that the program takes."""
PAGE = 4096
"""The memory of a VM is a multiple of this."""
_OTHER_FIELDS = 16 * 1024
"""Bytes of the request that makes a VM which are left for everything but its pinning: all slots taken, and a long command line."""
TAG = 36
"""Bytes of a share's tag; the program cuts a longer one."""

_COSTS = {
    **costs.EVERYWHERE,
    "cpu.affinity": Verdict(Impact.REBOOT, "needs a power-cycle: Cloud Hypervisor pins vCPUs when the guest starts"),
    "memory_options.thp": Verdict(Impact.REBOOT, "needs a power-cycle: Cloud Hypervisor decides it when it makes the memory"),
    "root_disk.direct": Verdict(Impact.REBOOT, "needs a power-cycle: the disk is opened again"),
    "root_disk.rate": Verdict(Impact.REBOOT, "needs a power-cycle: Cloud Hypervisor sets the limits of a disk when it is plugged in"),
}
"""Fields that cost more than a live change, and exceptions below them; the longest matching path counts."""


def judge(path: str, before: Json, after: Json, spec: Spec, machine: Part, *, accelerated: bool = True) -> Verdict:  # noqa: ARG001  (guests are never emulated here)
    """Say what it costs to change the field at `path`."""
    if path == "vcpus":
        return costs.of_vcpus(after, machine)
    if path == "memory":
        return costs.of_memory(after, machine)
    if path == "memory_options.balloon":
        return costs.of_balloon(after, machine)
    if path == powers.LEAVING:
        return _judge_leaving(before, spec)
    known = costs.of_values(path, before, after, spec)
    if known is not None:
        return known
    if guest_agreement.plugs(path):
        return costs.of_plugging(spec, machine, slots.MOST_PLUGGED)
    return costs.look_up(_COSTS, path)


def unsupported(spec: Spec) -> list[Unsupported]:
    """Name fields that cannot be honored."""
    found = []
    cpu, options = spec["cpu"], spec["memory_options"]
    if cpu["max"] > MOST_VCPUS:
        found.append(Unsupported("cpu.max", f"Cloud Hypervisor gives a VM at most {MOST_VCPUS} vCPUs here"))
    if cpu["topology"] and cpu["topology"]["threads"] > MOST_THREADS:
        found.append(Unsupported("cpu.topology", f"Cloud Hypervisor gives a core at most {MOST_THREADS} threads"))
    if options["hugepages"] and spec["memory"] % MEMORY_BLOCK:
        found.append(Unsupported("memory", "a VM in huge pages has a multiple of 2 MiB"))
    elif spec["memory"] % PAGE:
        found.append(Unsupported("memory", "Cloud Hypervisor gives a VM whole pages of memory, a multiple of 4 KiB"))
    if spec["shares"] and options["mergeable"]:
        found.append(Unsupported("memory_options.mergeable", "memory that a share needs cannot be merged; set `mergeable: false`"))
    pinned = len(jsons.dumps([{"vcpu": number, "host_cpus": cpus} for number, cpus in enumerate(cpu["affinity"] or ())]))
    if pinned > releases.LARGEST_REQUEST - _OTHER_FIELDS:
        why = f"it is {pinned} bytes of a request, and Cloud Hypervisor takes {releases.LARGEST_REQUEST} for all of a VM"
        found.append(Unsupported("cpu.affinity", f"{why}; name fewer processors"))
    if len(spec["shares"]) > slots.MOST_SHARES:
        found.append(Unsupported("shares", f"Cloud Hypervisor gives a VM at most {slots.MOST_SHARES} shares here"))
    found += [
        Unsupported(f"shares.{number}.tag", f"a tag has at most {TAG} bytes on Cloud Hypervisor")
        for number, share in enumerate(spec["shares"])
        if len(share["tag"].encode()) > TAG
    ]
    if costs.count_plugged(spec) > slots.MOST_PLUGGED:
        found.append(Unsupported("volumes", f"a VM has at most {slots.MOST_PLUGGED} volumes and network cards together"))
    return found


def _judge_leaving(leaving: Json, spec: Spec) -> Verdict:
    cards = [*spec["networks"], *([spec["mycelium"]] if spec.get("mycelium") else [])]
    wanted = {device_names.of_volume(use) for use in spec["volumes"]} | {device_names.of_nic(f"nic.{card.get('slot')}") for card in cards}
    if wanted.isdisjoint(leaving or ()):
        return costs.LIVE
    return Verdict(Impact.REBOOT, "needs a power-cycle: Cloud Hypervisor cannot take back that a guest is to let go of a device")
