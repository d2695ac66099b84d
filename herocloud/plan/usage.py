"""What a VM occupies on its host, from its target or from its machine."""

from herocloud.kits.jsons import Spec
from herocloud.model import specs
from herocloud.model.hosts import SLICE_MEMORY
from herocloud.model.parts import MachinePart
from herocloud.plan.step_compiler import Use


def disk_of(spec: Spec) -> int:
    """Return the size of a VM's root disk, 0 when it has none."""
    disk = specs.vm(spec)["root_disk"]
    return disk["size"] if disk else 0


def use_of(spec: Spec) -> Use:
    """Count what a VM occupies besides its root disk. A stopped VM keeps its share: it may be started at any time."""
    vm = specs.vm(spec)
    network = sum(max(rate["download"] or 0, rate["upload"] or 0) for nic in vm["networks"] if (rate := nic["rate"]))
    disk = vm["root_disk"]
    disk_io = disk["rate"]["bandwidth"] or 0 if disk and disk["rate"] else 0
    huge = vm["memory"] if vm["memory_options"]["hugepages"] else 0
    return Use(len(vm["slices"]), vm["memory"], vm["vcpus"], network, disk_io, huge)


def use_of_machine(machine: MachinePart | None) -> Use:
    """Count what a machine without a record occupies; its slices are as many as its memory fills."""
    if machine is None:
        return Use()
    memory = machine["memory"]
    return Use(slices=-(-memory // SLICE_MEMORY), memory=memory, vcpus=machine["vcpus"], hugepages=memory if machine["hugepages"] else 0)
