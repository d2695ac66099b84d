"""What a VM occupies on its host, from its target or from its machine."""

import functools
from collections.abc import Mapping

from herocloud.kits.jsons import Part, Spec
from herocloud.model import specs
from herocloud.model.hosts import SLICE_MEMORY
from herocloud.model.parts import MachinePart
from herocloud.model.steps import BESIDE
from herocloud.model.worlds import Record
from herocloud.plan import bandwidth
from herocloud.plan.step_compiler import Use
from herocloud.providers import registry


def disk_of(spec: Spec) -> int:
    """Return the size of a VM's root disk, 0 when it has none."""
    disk = specs.vm(spec)["root_disk"]
    return disk["size"] if disk else 0


def prepared_in(parts: Mapping[str, Part]) -> int:
    """Return the size of a root disk that lies beside the one whose place it will take."""
    return size_of(parts.get(f"disk{BESIDE}"))


def room_of(record: Record, present: Mapping[str, Part]) -> int:
    """Return the bytes that the disk of a VM or a volume is counted for: what is there, and what is promised and not there yet.

    Records promise, and `present` tells what there is: the answer to a step can get lost, so neither follows from the other. A new
    root disk without one in its place lies in the room that was promised.
    """
    if record.kind == "volume":
        return max(int(record.spec["size"]), filled_by(present))
    if record.kind != "vm":
        return 0
    promised, there, prepared = disk_of(record.spec), size_of(present.get("disk")), prepared_in(present)
    return max(promised, there) + prepared if there else max(promised, prepared)


def filled_by(present: Mapping[str, Part]) -> int:
    """Return the bytes that the disks and volumes among these parts take, without snapshots."""
    return size_of(present.get("disk")) + prepared_in(present) + size_of(present.get("volume"))


def size_of(part: Part) -> int:
    """Return the size of a part, 0 where there is none."""
    return int(part["size"]) if part else 0


def use_of(spec: Spec) -> Use:
    """Count what a VM occupies besides its root disk. A stopped VM keeps its share: it may be started at any time."""
    vm = specs.vm(spec)
    network = sum(max(rate["download"] or 0, rate["upload"] or 0) for nic in vm["networks"] if (rate := nic["rate"]))
    disk = vm["root_disk"]
    disk_io = disk["rate"]["bandwidth"] or 0 if disk and disk["rate"] else 0
    huge = vm["memory"] if vm["memory_options"]["hugepages"] else 0
    return Use(len(vm["slices"]), vm["memory"], vm["vcpus"], network, disk_io, huge, room_beside_disks(spec.get("hypervisor")))


@functools.cache
def room_beside_disks(hypervisor: str | None) -> int:
    """Return what a VM of a hypervisor takes of the disk for its seed and its logs."""
    declared = registry.known_as(hypervisor) if hypervisor else None
    return declared.hypervisor.room if declared is not None and declared.hypervisor is not None else 0


def counted(record: Record, present: Mapping[str, Part]) -> Use:
    """Count what a recorded VM occupies besides its disk: what is promised to it, or more where more is there.

    A machine that grew in an apply which did not come to its end has more than its record says, and so do cards and disks.
    """
    use, there = use_of(record.spec), use_of_machine(present.get("machine"))
    return use._replace(
        memory=max(use.memory, there.memory),
        vcpus=max(use.vcpus, there.vcpus),
        hugepages=max(use.hugepages, there.hugepages),
        network=max(use.network, bandwidth.of_cards(present)),
        disk_io=max(use.disk_io, there.disk_io),
    )


def use_of_parts(present: Mapping[str, Part]) -> Use:
    """Count what a VM without a record occupies besides its disk."""
    return use_of_machine(present.get("machine"))._replace(network=bandwidth.of_cards(present))


def use_of_machine(machine: MachinePart | None) -> Use:
    """Count what a machine occupies by itself; its slices are as many as its memory fills."""
    if machine is None:
        return Use()
    memory = machine["memory"]
    root: object = machine["root"]
    return Use(
        slices=-(-memory // SLICE_MEMORY),
        memory=memory,
        vcpus=machine["vcpus"],
        disk_io=bandwidth.highest(root.get("rate"), "bandwidth") if isinstance(root, Mapping) else 0,
        hugepages=memory if machine["hugepages"] else 0,
    )
