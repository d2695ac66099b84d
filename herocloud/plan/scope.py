"""What a plan is about: the caller's options, renames followed, and what `--target` and `--exclude` leave alone.

Renames that look forgotten are pointed out here too, because they are found in the same comparison.
"""

import re
from collections.abc import Iterable, Mapping

from herocloud.kits import edges, jsons, nearest
from herocloud.kits.jsons import Spec
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address, StackName
from herocloud.model.steps import PARALLELISM
from herocloud.model.worlds import Desired, Observed, Record, Recorded, Resource
from herocloud.plan import (
    diagnostics,
    moved_names,
    needs_of_renamed,
    network_diagnostics,
    network_names,
    users_in_scope,
    volume_names,
)


class PlanOptions(NamedTuple):
    """Every flag that changes a plan."""

    target: tuple[str, ...] = ()
    """Only these addresses (exact, `vm.web` for all its instances, or a shell pattern) and what they need.

    What uses a volume or a network that goes, is renamed or gets another range comes along.
    """
    exclude: tuple[str, ...] = ()
    """Not these addresses, nor what needs them, nor what they use where that cannot change without them."""
    replace: tuple[str, ...] = ()
    """Make these again even when nothing differs."""
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
                diagnostics.no_match(
                    flag, pattern, nearest.nearest(pattern, [*addresses, *(address.partition("[")[0] for address in addresses)])
                )
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
        with_needs = edges.follow(targets, needs)
        allowed &= with_needs
    if excluded:
        needed_by = edges.turn(needs)
        with_users = edges.follow(excluded, needed_by)
        allowed -= with_users
    return allowed


def suspect(created: list[Resource], deleted: list[Record]) -> list[Diagnostic]:
    """Point out pairs of a new and a leaving VM or network that ask for the same; counted instances of one name are not rename."""
    ranges = {record.spec["cidr"]: record.address for record in deleted if record.kind == "network" and record.spec["cidr"]}
    leaving: dict[str, list[Record]] = {}
    for record in deleted:
        if record.kind == "vm":
            leaving.setdefault(_shape(record.spec), []).append(record)
    suspicions = []
    for resource in created:
        cidr = resource.spec["cidr"] if resource.kind == "network" else None
        if cidr and cidr in ranges:
            suspicions.append(network_diagnostics.looks_renamed(ranges[cidr], resource.address, cidr))
        matches = leaving.get(_shape(resource.spec), ()) if resource.kind == "vm" else ()
        for record in list(matches):
            if record.address.partition("[")[0] != resource.address.partition("[")[0]:
                suspicions.append(diagnostics.looks_renamed(record.address, resource.address))
                leaving[_shape(resource.spec)].remove(record)
                break
    return suspicions


_SHAPE = ("image", "vcpus", "labels", "env", "ssh_keys", "user_data", "restart")


def _shape(spec: Spec) -> str:
    """Reduce a specification to what a rename would not change and a file always says."""
    networks = [nic["network"] for nic in spec["networks"]]
    volumes = [use["volume"] for use in spec["volumes"]]
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
    networks: Mapping[str, str] = {}
    """The new names of networks by their old ones."""


def gather(
    desired: Desired, recorded: Recorded, options: PlanOptions, found: list[Diagnostic], named: Mapping[Address, Address] | None = None
) -> Inputs:
    """Follow renames and flags; wrong ones are put into `found`.

    `named` are things that have the names already that the file gives them, each with the name in its record.
    """
    stack = desired.stack
    resources = {} if options.destroy else {resource.address: resource for resource in desired.resources}
    before = needs_of_renamed.follow(recorded.records.get(stack, {}), desired.moved)
    moves = {} if options.destroy else moved_names.follow(desired, before, recorded.lost.get(stack, {}), found, named or {})
    origins = set(moves.values())
    records = {address: record for address, record in before.items() if address not in origins}
    for target, origin in moves.items():
        records[target] = before[origin]._replace(address=target)
    records = volume_names.follow(records, volume_names.renamed(moves))
    networks = {} if options.destroy else network_names.renamed(desired.moved, moves, before)
    records = network_names.follow(records, networks, moves.values())
    known = [*resources, *(address for address in records if address not in resources)]
    needs: dict[Address, Iterable[Address]] = {address: record.needs for address, record in records.items()}
    needs.update({address: resource.depends_on for address, resource in resources.items()})
    targets = select("--target", options.target, known, found) if options.target else None
    excluded = select("--exclude", options.exclude, known, found) if options.exclude else set()
    if options.destroy:
        # Destroying runs against the order of creation: what needs a target has to go before it.
        needs = {**edges.turn(needs)}
    allowed = _allowed(known, targets, excluded, needs, None if options.destroy else users_in_scope.Bound(resources, records, moves), found)
    return Inputs(
        stack,
        resources,
        records,
        moves,
        allowed,
        {address: record for address, record in recorded.lost.get(stack, {}).items() if address not in records},
        networks,
    )


def _allowed(
    known: list[Address],
    targets: set[Address] | None,
    excluded: set[Address],
    needs: Mapping[Address, Iterable[Address]],
    bound: users_in_scope.Bound | None,
    found: list[Diagnostic],
) -> set[Address]:
    """Return what the plan may touch, and say where what uses a target comes along, or keeps what it uses as it is."""
    if targets is None and not excluded:
        return set(known)
    if bound is None:
        return narrow(known, targets, excluded, needs)
    allowed = narrow(known, targets, excluded, bound.among(needs))
    if targets is not None:
        found.extend(bound.come_along(targets, needs, allowed))
    if excluded:
        asked = set(known) if targets is None else edges.follow(targets, needs)
        found.extend(bound.stay(excluded, needs, asked))
    return allowed


def renamed(observed: Observed | None, inputs: Inputs) -> Observed | None:
    """Return what was seen, under the addresses that things have after their renames."""
    if observed is None or not inputs.moves:
        return observed
    seen = observed.things.get(inputs.stack, {})
    origins = set(inputs.moves.values())
    things = {address: thing for address, thing in seen.items() if address not in origins}
    for target, origin in inputs.moves.items():
        if origin in seen:
            things.setdefault(target, seen[origin]._replace(address=target))
    return observed._replace(things={**observed.things, inputs.stack: things})
