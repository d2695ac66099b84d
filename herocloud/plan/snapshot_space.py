"""How much of the disk the snapshots of a VM may come to take."""

from collections.abc import Mapping

from herocloud.kits.jsons import Part
from herocloud.model.parts import SNAPSHOT


def bytes_of(parts: Mapping[str, Part]) -> int:
    """Add up the snapshots among the parts of a VM."""
    return sum(part["size"] for key, part in parts.items() if key.startswith(SNAPSHOT))
