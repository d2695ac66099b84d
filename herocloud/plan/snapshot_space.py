"""How much of the disk the snapshots of a VM may come to take: those that there are, and those that will be taken by themselves."""

from collections.abc import Mapping

from herocloud.kits.jsons import Part, Spec
from herocloud.model import specs
from herocloud.model.parts import SNAPSHOT


def bytes_of(parts: Mapping[str, Part]) -> int:
    """Add up the snapshots among the parts of a VM."""
    return sum(int(part["size"]) for key, part in parts.items() if key.startswith(SNAPSHOT))


def promised(spec: Spec) -> int:
    """Return how much all snapshots that are kept by themselves may take, each as large as the disks are."""
    policy = spec.get("snapshots")
    if not policy:
        return 0
    vm = specs.vm(spec)
    root = vm["root_disk"]
    copy = (root["size"] if root else 0) + sum(use["size"] or 0 for use in vm["volumes"] if not use["readonly"])
    return int(policy["keep"] * (copy + (vm["memory"] if policy["memory"] else 0)))


def reserved(spec: Spec, parts: Mapping[str, Part]) -> int:
    """Return what of the promised room is not filled yet."""
    taken = sum(int(part["size"]) for key, part in parts.items() if key.startswith(SNAPSHOT) and part["scheduled"])
    left: int = promised(spec) - taken
    return max(0, left)


def room_of(spec: Spec, parts: Mapping[str, Part]) -> int:
    """Return what the snapshots of a VM take, with the room that is promised to those to come."""
    return bytes_of(parts) + reserved(spec, parts)
