"""Renames: the `moved` entries of a stack file, and instances that keep their machine when a count comes or goes.

A rename changes a mark and nothing that runs. Where an instance takes the name of another one of its block that goes (`worker[1] →
worker[0]`), the one that goes gets a number behind all others first, and is removed under that: two things never have one name.
"""

from collections.abc import Mapping

from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address
from herocloud.model.worlds import Desired, Record
from herocloud.plan import diagnostics, half_renamed

MOVABLE = ("vm", "volume", "network")


def follow(
    desired: Desired,
    records: Mapping[Address, Record],
    lost: Mapping[Address, Record],
    found: list[Diagnostic],
    named: Mapping[Address, Address],
) -> dict[Address, Address]:
    """Return old address by new one, for every move that is still to be made. Moves made long ago are passed over in silence.

    `lost` are records of orphans, whose names are taken too. What has its new name on the host already is in `named`: its record follows.
    """
    wanted = {resource.address for resource in desired.resources}
    moves: dict[Address, Address] = {}
    pairs = [
        (origin, target, move.place)
        for move in desired.moved
        for origin, target in _expand(move.origin, move.target, records, wanted)
        if origin in records
    ]
    origins, targets = {origin for origin, _, _ in pairs}, {target for _, target, _ in pairs}
    declared = {move.target for move in desired.moved}
    for origin, target, place in pairs:
        if origin in wanted and origin in declared - targets and target in records:
            # One of several shifts in a row, made long ago: what has this name now came to it by the next one.
            continue
        if target in records and target not in origins and not _takes_the_place(origin, target, wanted - targets):
            found.append(
                diagnostics.bad_move(
                    origin,
                    target,
                    f"both are recorded; `herocloud state rm {origin}` or `state mv` settles which one it is",
                    place,
                )
            )
            continue
        if origin in wanted and origin not in declared:
            found.append(diagnostics.bad_move(origin, target, f"`{origin}` is still in the stack file", place))
            continue
        if target not in wanted:
            found.append(diagnostics.bad_move(origin, target, f"`{target}` is not in the stack file", place))
            continue
        parts = ids.split_address(target)
        if parts is None or parts.kind not in MOVABLE or parts.kind != origin.partition(".")[0]:
            found.append(diagnostics.bad_move(origin, target, "only VMs, volumes and networks can be renamed, each to its own kind", place))
            continue
        moves[target] = origin
    displaced = [target for target in moves if target in records and target not in moves.values()]
    for target in displaced:
        moves[_behind(target, {*records, *wanted, *lost, *moves})] = target
    taken = set(moves.values())
    moves.update({target: origin for target, origin in named.items() if target not in moves and origin not in taken})
    taken = set(moves.values())
    back = half_renamed.going_back(records, wanted)
    moves.update({target: origin for target, origin in back if target not in moves and target not in records and origin not in taken})
    taken = set(moves.values())
    moves.update({target: origin for target, origin in _counted(records, wanted) if target not in moves and origin not in taken})
    return moves


def _takes_the_place(origin: Address, target: Address, staying: set[Address]) -> bool:
    """Return whether an instance that would go takes the name of another one of its block, which goes in its stead."""
    numbered = "[" in origin and "[" in target
    return numbered and origin.partition("[")[0] == target.partition("[")[0] and origin not in staying


def _behind(address: Address, taken: set[Address]) -> Address:
    """Return the address of an instance behind all others of its block."""
    name = address.partition("[")[0]
    numbers = [
        parts.number
        for address in taken
        if address.partition("[")[0] == name and (parts := ids.split_address(address)) and parts.number is not None
    ]
    return Address(f"{name}[{max(numbers, default=-1) + 1}]")


def _counted(records: Mapping[Address, Record], wanted: set[Address]) -> list[tuple[Address, Address]]:
    """Keep a VM that gets a `count` as its instance 0, and instance 0 as the only one when the count goes; gives (new, old)."""
    pairs = []
    for address in wanted if records else ():
        if address in records or not address.startswith("vm."):
            continue
        name, bracket, number = address.partition("[")
        if number in {"", "0]"}:
            origin = Address(name if bracket else f"{address}[0]")
            if origin in records and origin not in wanted:
                pairs.append((address, origin))
    return pairs


def _expand(origin: str, target: str, records: Mapping[Address, Record], wanted: set[Address]) -> list[tuple[Address, Address]]:
    """Turn `vm.www → vm.web` into its instances when they are counted; `vm.www → vm.web[0]` stands as it is."""
    if "[" in origin or "[" in target or Address(origin) in records:
        single = Address(target)
        if Address(origin) in records and single not in wanted and Address(f"{target}[0]") in wanted:
            single = Address(f"{target}[0]")
        return [(Address(origin), single)]
    pairs = []
    for address in records:
        parts = ids.split_address(address)
        if parts is not None and parts.number is not None and f"{parts.kind}.{parts.name}" == origin:
            numbered = Address(f"{target}[{parts.number}]")
            pairs.append((address, Address(target) if numbered not in wanted and Address(target) in wanted else numbered))
    return pairs
