"""All checks behind the models, in the order in which a file is read, also of blocks that do not count.

Blocks that do not count, because their key was there already: their mistakes are mistakes all the same.

Without a look at them, whoever repairs a duplicate name finds the next mistakes in a second run.

All checks behind the models, in the order in which a file is read.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from herocloud.model.hosts import Host
from herocloud.stack import gating, layering, placing, substituting
from herocloud.stack.checks import blocks, machines, moving, naming, ordering, outside
from herocloud.stack.findings import Findings, Path
from herocloud.stack.layering import Fields, View
from herocloud.stack.names import Names

SECTIONS = ("variables", "images", "sizes", "networks", "volumes", "vms", "outputs")
"""The blocks whose keys are names that the user gives."""

_ENOUGH = 100
"""So many are looked at; a file with more was not written by a person."""


class Hidden(NamedTuple):
    """One such block."""

    path: Path
    address: str | None
    value: Any
    locate: Callable[..., placing.Spotted]
    """Takes a path below the block, and where to point; gives the place."""


def of_duplicate(document: placing.Document, duplicate: Any, address: str | None) -> Hidden:
    """Return the block behind a key that one file has twice."""

    def locate(path: Path, *, on_key: bool, needle: str | None) -> placing.Spotted:
        return document.locate(path, on_key=on_key, needle=needle, begin=(duplicate.value, duplicate.second))

    return Hidden(duplicate.path, address, duplicate.value, locate)


def of_second_file(document: placing.Document, path: Path, value: Any, address: str | None) -> Hidden:
    """Return the block behind a name that an earlier file defines."""

    def locate(inner: Path, *, on_key: bool, needle: str | None) -> placing.Spotted:
        return document.locate((*path, *inner), on_key=on_key, needle=needle)

    return Hidden(path, address, value, locate)


def judge(
    blocks: Sequence[Hidden],
    substitute: Callable[[Mapping[str, Any], Findings], substituting.Substituted],
    main: Fields,
    names: Names,
    world: Callable[[Findings], outside.World],
    found: Findings,
) -> None:
    """Look for mistakes in the blocks that nothing else looks at; clashes with the rest of the stack are left out."""
    if not blocks:
        return
    from herocloud.stack import validating

    for block in blocks[:_ENOUGH]:
        if block.path[0] not in SECTIONS or block.path[0] == "variables":
            continue
        own = Findings()
        tree = validating.straighten(_wrap(block), own)
        data = gating.validate("StackFile", substitute(tree, own).value, own)
        # The rest of the stack lends its values to this block as it would to any other.
        views = list(layering.make_views({**main, "vms": data.get("vms")}, {}, names.images))
        naming.check_blocks(data, views, names, own)
        if len(block.path) == 2:
            ordering.check_needed(data, views, own)
        outside.look(data, world(own), host_is_here=False)
        for finding in own.items:
            inner = finding.path or ()
            if inner[: len(block.path)] == block.path:
                place, snippet = block.locate(inner[len(block.path) :], on_key=finding.on_key, needle=finding.needle)
                found.items.append(finding._replace(path=None, place=place, snippet=snippet, address=block.address))


def _wrap(block: Hidden) -> dict[str, Any]:
    """Put the block where it would stand in a file of its own."""
    value = block.value
    for part in reversed(block.path):
        value = [*[{}] * part, value] if isinstance(part, int) else {part: value}
    if block.path[0] == "vms" and len(block.path) > 2 and isinstance(value["vms"][block.path[1]], dict):
        # The rest of the VM is judged elsewhere; all that matters here is that `{{ index }}` may be used.
        value["vms"][block.path[1]].setdefault("count", 1)
    whole: dict[str, Any] = value
    return whole


MAX_VMS = 100_000


def check_counts(data: Fields, found: Findings) -> bool:
    """Check that the stack as a whole has an end; tells whether instances may be made."""
    total = 0
    for name, vm in (data.get("vms") or {}).items():
        total += vm.get("count", 1)
        if total > MAX_VMS:
            found.add(
                "too-many",
                ("vms", name, "count"),
                f"Up to here the stack has {total:,} VMs; {MAX_VMS:,} are allowed.",
                "make it several stacks",
            )
            return False
    return True


def check(
    data: Fields,
    tree: Mapping[str, Any],
    views: Sequence[View],
    names: Names,
    host: Host | None,
    found: Findings,
    world: outside.World,
) -> None:
    """Run all checks."""
    ordering.check_names(tree, data, views, found)
    ordering.check_needed(data, views, found)
    blocks.check_images(data, found)
    blocks.check_networks(data, found)
    blocks.check_overlay(data, found)
    naming.check_blocks(data, views, names, found)
    naming.check_forwards(data, views, names, found)
    overlay_is_off = (data.get("mycelium") or {}).get("addresses") is False
    machines.check_views(views, names, host, found, overlay_is_off=overlay_is_off)
    ordering.check_cycles(views, found)
    naming.check_expressions(data, views, names, found)
    moving.check_moves(data, names, found)
    outside.look(data, world, host_is_here=host is not None and not host.simulated)
