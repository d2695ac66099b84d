"""Renames that keep the machine: `moved` entries followed, and renames that look forgotten pointed out."""

from collections.abc import Mapping

from herocloud.kits import jsons
from herocloud.kits.jsons import Spec
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address
from herocloud.model.worlds import Desired, Record, Resource
from herocloud.plan import saying

MOVABLE = ("vm", "volume")


def follow(desired: Desired, records: Mapping[Address, Record], found: list[Diagnostic]) -> dict[Address, Address]:
    """Return old address by new one, for every move that is still to be made. Moves made long ago are passed over in silence."""
    wanted = {resource.address for resource in desired.resources}
    moves: dict[Address, Address] = {}
    for move in desired.moved:
        for origin, target in _expand(move.origin, move.target, records, wanted):
            if origin not in records:
                continue
            if target in records:
                found.append(
                    saying.bad_move(
                        origin,
                        target,
                        f"both are recorded; `herocloud state rm {origin}` or `state mv` settles which one it is",
                        move.place,
                    )
                )
                continue
            if origin in wanted:
                found.append(saying.bad_move(origin, target, f"`{origin}` is still in the stack file", move.place))
                continue
            if target not in wanted:
                found.append(saying.bad_move(origin, target, f"`{target}` is not in the stack file", move.place))
                continue
            parts = ids.split_address(target)
            if parts is None or parts.kind not in MOVABLE or parts.kind != origin.partition(".")[0]:
                found.append(saying.bad_move(origin, target, "only VMs and volumes can be renamed, each to its own kind", move.place))
                continue
            moves[target] = origin
    return moves


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


def suspect(created: list[Resource], deleted: list[Record]) -> list[Diagnostic]:
    """Point out pairs of a new and a leaving VM that ask for the same; counted instances of one name are no rename."""
    leaving: dict[str, list[Record]] = {}
    for record in deleted:
        if record.kind == "vm":
            leaving.setdefault(_shape(record.spec), []).append(record)
    found = []
    for resource in created:
        matches = leaving.get(_shape(resource.spec), ()) if resource.kind == "vm" else ()
        for record in list(matches):
            if record.address.partition("[")[0] != resource.address.partition("[")[0]:
                found.append(saying.looks_renamed(record.address, resource.address))
                leaving[_shape(resource.spec)].remove(record)
                break
    return found


_SHAPE = ("image", "vcpus", "labels", "env", "ssh_keys", "user_data", "restart")


def _shape(spec: Spec) -> str:
    """Reduce a specification to what a rename would not change and a file always says."""
    networks = [nic["network"] for nic in spec["networks"]]
    volumes = [one["volume"] for one in spec["volumes"]]
    return jsons.dumps([{key: spec[key] for key in _SHAPE}, networks, volumes])
