"""Needs by names that have no record any more, because what had the name was renamed since.

An apply that renamed something and did not come to its end left such records in states of earlier versions, and a rollback that was cut
off leaves them. The `moved` entries of the stack file tell what the name belongs to now, and so does what a rename leaves as it is: the
file of a volume and the bridge of a network got their names from the first name.
"""

from collections.abc import Iterable, Iterator, Mapping

from herocloud.model import ids, needs
from herocloud.model.ids import Address
from herocloud.model.worlds import Move, Record
from herocloud.plan import resource_parts, volume_names


def follow(records: Mapping[Address, Record], moved: Iterable[Move]) -> Mapping[Address, Record]:
    """Return the records of a stack with needs that name records, wherever it is known what an old name stands for."""
    unknown = {need for record in records.values() for need in record.needs if need not in records}
    if not unknown:
        return records
    names: dict[Address, Address] = {}
    for record in records.values():
        for address in _made_as(record, unknown):
            names[address] = record.address
    declared = {Address(move.origin): Address(move.target) for move in moved}
    for address in unknown & declared.keys():
        target, passed = declared[address], {address}
        while target not in records and target in declared and target not in passed:
            passed.add(target)
            target = declared[target]
        if target in records:
            names[address] = target
    return {address: needs.follow(record, names) for address, record in records.items()} if names else records


def _made_as(record: Record, unknown: Iterable[Address]) -> Iterator[Address]:
    """Name those of the unknown addresses that a volume or a network was made under."""
    if record.kind == "volume":
        stem = volume_names.stem_of(record)
        first = ids.make_address("volume", stem) if stem else None
        yield from (address for address in unknown if address == first)
    elif record.kind == "network" and record.parts.get("network"):
        bridge = record.parts["network"]["bridge"]
        for address in unknown:
            kind, _, name = address.partition(".")
            if kind == "network" and resource_parts.bridge_of(record.stack, name) == bridge:
                yield address
