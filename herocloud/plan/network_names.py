"""What networks are called: a rename changes the name on a bridge and on the cards that hang on it, and unplugs nothing.

A bridge keeps its own name, which was made from the name that the network had first, and so does what follows from that name in the
seeds of VMs. The cards get the new label one by one, after the network has its name, so an apply that was cut off between leaves records
that name a network which is not there any more: the entry in the stack file tells what it is called now.
"""

from collections.abc import Iterable, Mapping

from herocloud.kits.jsons import Json, Part
from herocloud.model import ids
from herocloud.model.ids import Address, StackName
from herocloud.model.plans import FieldDiff
from herocloud.model.words import Impact
from herocloud.model.worlds import Move, Record, Resource
from herocloud.plan import half_renamed, resource_parts

Records = Mapping[Address, Record]


def bridges(stack: StackName, resources: Iterable[Resource], records: Records, lost: Records) -> dict[str, str]:
    """Return by the name of each network that is wanted the name that its bridge has or gets."""
    known = {**lost, **records}
    had = {address: bridge for address, record in known.items() if address.startswith("network.") and (bridge := _bridge(record))}
    taken, found = set(had.values()), {}
    for name in [resource.name for resource in resources if resource.kind == "network"]:
        bridge, number = had.get(ids.make_address("network", name)), 1
        while bridge is None:
            wanted = resource_parts.bridge_of(stack, name if number == 1 else f"{name}-{number}")
            bridge, number = (None if wanted in taken else wanted), number + 1
        taken.add(bridge)
        found[name] = bridge
    return found


def renamed(moved: Iterable[Move], moves: Mapping[Address, Address], before: Records) -> dict[str, str]:
    """Return the new names of networks by their old ones: of those to be renamed, and of those that were and may be called both ways.

    `moves` has old addresses by new ones; `before` are the records under their old names. Where no entry of the file tells what a card's
    network is called now, the records do.
    """
    made = [(move.origin, move.target) for move in moved if move.origin.startswith("network.") and move.origin not in moves.values()]
    pairs = [(origin, target) for origin, target in made if Address(target) in before]
    pairs += [(old, new) for old, new in half_renamed.old_names(before).items() if old.startswith("network.") and old not in moves]
    pairs += [(origin, target) for target, origin in moves.items() if origin.startswith("network.")]
    return {_name(origin): _name(target) for origin, target in pairs}


def follow(records: Records, names: Mapping[str, str], pending: Iterable[Address]) -> dict[Address, Record]:
    """Return records whose targets call renamed networks by their new names; `pending` are the addresses that are given up now."""
    if not names:
        return dict(records)
    leaving = {_name(origin) for origin in pending if origin.startswith("network.")}
    needs = {Address(f"network.{old}"): Address(f"network.{new}") for old, new in names.items()}
    followed: dict[Address, Record] = {}
    for address, record in records.items():
        current = record
        if record.kind == "vm":
            nics = [_follow(nic, record, names, records, leaving) for nic in record.spec["networks"]]
            if nics != record.spec["networks"]:
                current = record._replace(spec={**record.spec, "networks": nics})
        others = {_name(need) for need in record.needs if need in needs}
        stale = {f"network.{old}" for old in others if old in leaving or f"network.{old}" not in records}
        if stale:
            current = current._replace(needs=tuple(needs[need] if need in stale else need for need in record.needs))
        followed[address] = current
    return followed


def _follow(nic: Json, record: Record, names: Mapping[str, str], records: Records, leaving: set[str]) -> Json:
    """Return a card with its network by its new name, and with the name that its guest's seed was made with."""
    old = nic["network"]
    new = names.get(old)
    if new is None:
        return nic
    card = record.parts.get(f"nic.{nic['slot']}") or {}
    # There may be another network of the old name by now.
    if old not in leaving and f"network.{old}" in records and card.get("network") != new:
        return nic
    first = nic.get("wired", old)
    rest = {key: value for key, value in nic.items() if key != "wired"}
    return {**rest, "network": new} if first == new else {**rest, "network": new, "wired": first}


def relabels(record: Record | None, present: Mapping[str, Part], names: Mapping[str, str]) -> dict[str, str]:
    """Return the new name of its network for each card that is there and bears the old one."""
    if record is None or record.kind != "vm" or not names:
        return {}
    wanted = {f"nic.{nic['slot']}": nic["network"] for nic in record.spec["networks"]}
    return {key: wanted[key] for key, part in present.items() if key in wanted and part and names.get(str(part["network"])) == wanted[key]}


def fields(record: Record | None, present: Mapping[str, Part], names: Mapping[str, str]) -> list[FieldDiff]:
    """Name the networks of a VM that have another name than its cards bear; the cards stay plugged in."""
    pairs = dict.fromkeys((str(present[key]["network"]), new) for key, new in relabels(record, present, names).items())
    return [FieldDiff("networks", old, new, Impact.NONE, "renamed, and its cards stay plugged in") for old, new in pairs]


def _bridge(record: Record) -> str | None:
    part = record.parts.get("network")
    return str(part["bridge"]) if part else None


def _name(address: str) -> str:
    return address.partition(".")[2]
