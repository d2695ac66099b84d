"""What volumes are called on the host: the name that each was made under, which a rename leaves as it is.

The file of a volume keeps its name, and so does what is plugged into VMs: a guest finds its disk where it was. A new volume does not get
the file name of one that was renamed.
"""

from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model import needs
from herocloud.model.ids import Address
from herocloud.model.plans import FieldDiff
from herocloud.model.words import Impact
from herocloud.model.worlds import Record, Resource


def made_as(resources: Iterable[Resource], records: Mapping[Address, Record], lost: Mapping[Address, Record]) -> dict[str, str]:
    """Return by the name of each volume that is wanted the name that its file has or gets."""
    names = [resource.name for resource in resources if resource.kind == "volume"]
    found: dict[str, str] = {}
    taken = {stem for address, record in {**lost, **records}.items() if address.startswith("volume.") and (stem := stem_of(record))}
    for name in names:
        address = Address(f"volume.{name}")
        known = records.get(address) or lost.get(address)
        stem = stem_of(known) if known is not None else ""
        if not stem:
            stem, number = name, 1
            while stem in taken:
                number += 1
                stem = f"{name}-{number}"
            taken.add(stem)
        found[name] = stem
    return found


def use_of(use: Json, names: Mapping[str, str]) -> Json:
    """Return how a VM uses a volume, with the name that its guest knows it by where that is another one."""
    stem = names.get(use["volume"], use["volume"])
    return use if stem == use["volume"] else {**use, "plugged": stem}


def renamed(moves: Mapping[Address, Address]) -> dict[str, str]:
    """Return the new names of volumes by their old ones; `moves` has old addresses by new ones."""
    addresses = [(origin, target) for target, origin in moves.items() if origin.startswith("volume.")]
    return {origin.removeprefix("volume."): target.removeprefix("volume.") for origin, target in addresses}


def renamed_uses(present: Mapping[str, Part], names: Mapping[str, str]) -> list[FieldDiff]:
    """Name the volumes of a VM that have another name than it knows them by; they stay plugged in."""
    uses = (present.get("machine") or {}).get("volumes", ()) if names else ()
    pairs = [(use["volume"], names[use["volume"]]) for use in uses if use["volume"] in names]
    return [FieldDiff("volumes", old, new, Impact.NONE, "renamed, and stays plugged in") for old, new in pairs]


def follow(records: Mapping[Address, Record], names: Mapping[str, str]) -> dict[Address, Record]:
    """Return records whose targets name renamed volumes by their new names; `names` gives the new name by the old one."""
    if not names:
        return dict(records)
    addresses = {Address(f"volume.{old}"): Address(f"volume.{new}") for old, new in names.items()}
    followed = {address: needs.follow(record, addresses) for address, record in records.items()}
    return {
        address: record._replace(spec=_follow(record.spec, records, names)) if record.kind == "vm" else record
        for address, record in followed.items()
    }


def _follow(spec: Spec, records: Mapping[Address, Record], names: Mapping[str, str]) -> Spec:
    uses = []
    for use in spec["volumes"]:
        new = names.get(use["volume"])
        record = records.get(Address(f"volume.{new}")) if new is not None else None
        uses.append(use if new is None or record is None else use_of({**use, "volume": new}, {new: stem_of(record) or new}))
    return {**spec, "volumes": uses}


def stem_of(record: Record) -> str:
    """Return the name that the file of a volume has; empty where none was made."""
    part = record.parts.get("volume")
    return str(part["path"]).rpartition("/")[2].removesuffix(".raw") if part else ""
