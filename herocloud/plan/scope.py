"""What a plan is about: the caller's options, renames followed, and what `--target` and `--exclude` leave alone.

Renames that look forgotten are pointed out here too, because they are found in the same comparison.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from herocloud.kits import jsons, nearest
from herocloud.kits.jsons import Spec
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address, StackName
from herocloud.model.steps import PARALLELISM
from herocloud.model.worlds import Desired, Observed, Record, Recorded, Resource
from herocloud.plan import diagnostics


class PlanOptions(NamedTuple):
    """Every flag that changes a plan."""

    target: tuple[str, ...] = ()
    """Only these addresses (exact, `vm.web` for all its instances, or a shell pattern) and what they need."""
    exclude: tuple[str, ...] = ()
    """Not these addresses, nor what needs them."""
    replace: tuple[str, ...] = ()
    """Make these anew even when nothing differs."""
    destroy: bool = False
    """Plan for nothing at all."""
    hypervisor: str | None = None
    """Run every VM on this one, whatever the file says."""
    purge: bool = False
    """Deleted data is gone at once instead of kept in a tombstone."""
    operation: str = "apply"
    parallelism: int = PARALLELISM
    """How many steps will run at once; it changes how long the plan takes, and not the plan."""


def select(flag: str, patterns: Iterable[str], known: Iterable[Address], found: list[Diagnostic]) -> set[Address]:
    """Return the addresses that the patterns name; a pattern that names none is a finding."""
    addresses = list(known)
    chosen: set[Address] = set()
    for pattern in patterns:
        matched = matching(pattern, addresses)
        if not matched:
            found.append(
                diagnostics.no_match(flag, pattern, nearest.nearest(pattern, [*addresses, *(one.partition("[")[0] for one in addresses)]))
            )
        chosen.update(matched)
    return chosen


def matching(pattern: str, addresses: Iterable[Address]) -> list[Address]:
    """Return the addresses that a pattern names: `vm.web` also stands for `vm.web[0]` …, `*` and `?` for any text and any character.

    `[2]` is always a number, as in every address.
    """
    text = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    matcher = re.compile(text + r"(\[\d+\])?", re.DOTALL)
    return [address for address in addresses if matcher.fullmatch(address)]


def narrow(
    known: Iterable[Address],
    targets: set[Address] | None,
    excluded: set[Address],
    needs: Mapping[Address, Iterable[Address]],
) -> set[Address]:
    """Return what the plan may touch: targets with all they need, less what is excluded and all that needs that."""
    allowed = set(known)
    if targets is not None:
        allowed &= _closure(targets, needs)
    if excluded:
        needed_by: dict[Address, list[Address]] = {}
        for address, others in needs.items():
            for other in others:
                needed_by.setdefault(other, []).append(address)
        allowed -= _closure(excluded, needed_by)
    return allowed


def _closure(start: set[Address], edges: Mapping[Address, Iterable[Address]]) -> set[Address]:
    seen, stack = set(start), list(start)
    while stack:
        for one in edges.get(stack.pop(), ()):
            if one not in seen:
                seen.add(one)
                stack.append(one)
    return seen


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
                    diagnostics.bad_move(
                        origin,
                        target,
                        f"both are recorded; `herocloud state rm {origin}` or `state mv` settles which one it is",
                        move.place,
                    )
                )
                continue
            if origin in wanted:
                found.append(diagnostics.bad_move(origin, target, f"`{origin}` is still in the stack file", move.place))
                continue
            if target not in wanted:
                found.append(diagnostics.bad_move(origin, target, f"`{target}` is not in the stack file", move.place))
                continue
            parts = ids.split_address(target)
            if parts is None or parts.kind not in MOVABLE or parts.kind != origin.partition(".")[0]:
                found.append(diagnostics.bad_move(origin, target, "only VMs and volumes can be renamed, each to its own kind", move.place))
                continue
            moves[target] = origin
    taken = set(moves.values())
    moves.update({target: origin for target, origin in _counted(records, wanted) if target not in moves and origin not in taken})
    return moves


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
                found.append(diagnostics.looks_renamed(record.address, resource.address))
                leaving[_shape(resource.spec)].remove(record)
                break
    return found


_SHAPE = ("image", "vcpus", "labels", "env", "ssh_keys", "user_data", "restart")


def _shape(spec: Spec) -> str:
    """Reduce a specification to what a rename would not change and a file always says."""
    networks = [nic["network"] for nic in spec["networks"]]
    volumes = [one["volume"] for one in spec["volumes"]]
    return jsons.dumps([{key: spec[key] for key in _SHAPE}, networks, volumes])


class Inputs(NamedTuple):
    """One stack, desired and recorded, under the addresses that things have after their renames."""

    stack: StackName
    resources: dict[Address, Resource]
    records: dict[Address, Record]
    moves: dict[Address, Address]
    """Old address by new one."""
    allowed: set[Address]
    """The addresses that the plan may touch."""
    lost: Mapping[Address, Record] = {}
    """The last records of what is there and has none."""


def gather(desired: Desired, recorded: Recorded, options: PlanOptions, found: list[Diagnostic]) -> Inputs:
    """Follow renames and flags; wrong ones are put into `found`."""
    stack = desired.stack
    resources = {} if options.destroy else {one.address: one for one in desired.resources}
    before = recorded.records.get(stack, {})
    moves = {} if options.destroy else follow(desired, before, found)
    origins = set(moves.values())
    records = {address: record for address, record in before.items() if address not in origins}
    for target, origin in moves.items():
        records[target] = before[origin]._replace(address=target)
    known = [*resources, *(address for address in records if address not in resources)]
    needs: dict[Address, Iterable[Address]] = {address: record.needs for address, record in records.items()}
    needs.update({address: resource.depends_on for address, resource in resources.items()})
    targets = select("--target", options.target, known, found) if options.target else None
    excluded = select("--exclude", options.exclude, known, found) if options.exclude else set()
    if options.destroy:
        # Destroying runs against the order of creation: whoever needs a target has to go before it.
        reverse: dict[Address, list[Address]] = {}
        for address, others in needs.items():
            for other in others:
                reverse.setdefault(other, []).append(address)
        needs = dict(reverse)
    return Inputs(
        stack,
        resources,
        records,
        moves,
        narrow(known, targets, excluded, needs) if options.target or options.exclude else set(known),
        {address: record for address, record in recorded.lost.get(stack, {}).items() if address not in records},
    )


def renamed(observed: Observed | None, inputs: Inputs) -> Observed | None:
    """Return what was seen, under the addresses that things have after their renames."""
    if observed is None or not inputs.moves:
        return observed
    things = dict(observed.things.get(inputs.stack, {}))
    for target, origin in inputs.moves.items():
        if origin in things:
            things.setdefault(target, things.pop(origin)._replace(address=target))
    return observed._replace(things={**observed.things, inputs.stack: things})
