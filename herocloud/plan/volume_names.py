"""What volumes are called on the host: the name that each was made under, which a rename leaves as it is.

The file of a volume keeps its name, and so does what is plugged into VMs: a guest finds its disk where it was. A new volume does not get
the file name of one that was renamed.
"""

from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Json, Part
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


def plugged_as(use: Json) -> str:
    """Return the name that a guest knows a volume by, which is that of its file."""
    return str(use.get("plugged", use["volume"]))


def owners(records: Mapping[Address, Record]) -> dict[str, str]:
    """Return the name of each volume by that of its file."""
    stems = ((stem_of(record), address) for address, record in records.items() if record.kind == "volume")
    return {stem: address.removeprefix("volume.") for stem, address in stems if stem}


def renamed_uses(present: Mapping[str, Part], called: Mapping[str, str]) -> list[FieldDiff]:
    """Name the volumes of a VM that have another name than it knows them by; they stay plugged in. `called` are the `owners` of files."""
    uses = (present.get("machine") or {}).get("volumes", ())
    pairs = [(use["volume"], called.get(plugged_as(use), use["volume"])) for use in uses]
    return [FieldDiff("volumes", old, new, Impact.NONE, "renamed, and stays plugged in") for old, new in pairs if old != new]


def follow(records: Mapping[Address, Record], names: Mapping[str, str]) -> dict[Address, Record]:
    """Return records whose targets name volumes by the names that these have; `names` has the new names of those renamed now, by the old.

    A VM that a rename of earlier did not reach knows its volume by an old name all the same: what is plugged in tells which one it is.
    """
    addresses = {Address(f"volume.{old}"): Address(f"volume.{new}") for old, new in names.items()}
    called = owners(records)
    followed: dict[Address, Record] = {}
    for address, record in records.items():
        current = needs.follow(record, addresses) if addresses else record
        if record.kind == "vm" and record.spec["volumes"]:
            uses = [_follow(use, called, names) for use in record.spec["volumes"]]
            if uses != record.spec["volumes"]:
                current = current._replace(spec={**record.spec, "volumes": uses})
        followed[address] = current
    return followed


def _follow(use: Json, called: Mapping[str, str], names: Mapping[str, str]) -> Json:
    stem = plugged_as(use)
    new = called.get(stem) or names.get(use["volume"], use["volume"])
    if new == use["volume"]:
        return use
    return use_of({**{key: value for key, value in use.items() if key != "plugged"}, "volume": new}, {new: stem})


def stem_of(record: Record) -> str:
    """Return the name that the file of a volume has; empty where none was made."""
    part = record.parts.get("volume")
    return str(part["path"]).rpartition("/")[2].removesuffix(".raw") if part else ""
