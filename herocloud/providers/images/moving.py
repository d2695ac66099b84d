"""Renames of volumes: the mark changes to the new address, and the file stays where it is, open or not.

A VM's rename is its hypervisor's: what lies in the VM's folder belongs to whom the folder belongs (`providers.owning`).
"""

from pathlib import Path

from herocloud.kits import faults
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.images import layout, marking
from herocloud.providers.seam import Found, Probe, Work

KIND = "volume.move"


def move(folder: Path, work: Work, *, back: bool = False) -> None:
    """Give a volume its new address, or its old one again; one that has it already is left alone."""
    origin, target = _ends(work)
    if back:
        origin, target = target, origin
    old, new = _find(folder, work, origin), _find(folder, work, target)
    if old is None:
        if new is None:
            raise Permanent(f"neither `{origin}` nor `{target}` exists, so there is nothing to rename")
        return
    if new is not None:
        raise Conflict(f"File exists: `{target}` is there already, so `{origin}` cannot take its name", fact=f"observed:{target}")
    mark = marking.read(old)
    if mark is None:
        raise Conflict(f"`{origin}` went away while it was renamed", fact=f"observed:{origin}")
    faults.reached(f"images.{'undo.' if back else ''}{KIND}.half")
    marking.write(old, mark._replace(address=target, lineage=work.lineage))


def probe(folder: Path, work: Work) -> Probe:
    """Say which of the two addresses there is."""
    origin, target = _ends(work)
    old, new = (_find(folder, work, address) is not None for address in (origin, target))
    if old and new:
        return Probe(Found.CONTRADICTED, f"both `{origin}` and `{target}` exist")
    if not old and not new:
        return Probe(Found.CONTRADICTED, f"neither `{origin}` nor `{target}` exists")
    return Probe(Found.DONE if new else Found.NOT_STARTED)


def _ends(work: Work) -> tuple[str, str]:
    return work.step.before["address"], work.step.after["address"]


def _find(folder: Path, work: Work, address: str) -> Path | None:
    """Return the volume that has an address; its file keeps the name it was made with."""
    for place, content in marking.scan(folder / layout.VOLUMES / work.stack):
        mark = marking.parse([(place, content)])[0]
        if mark.address == address and marking.object_of(place).exists():
            return marking.object_of(place)
    return None
