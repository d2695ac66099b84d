"""All checks behind the models, in the order in which a file is read."""

from collections.abc import Mapping, Sequence
from typing import Any

from herocloud.model.hosts import Host
from herocloud.stack.checks import blocks, machines, moving, naming, ordering, outside, presence, telling
from herocloud.stack.findings import Findings
from herocloud.stack.layering import Fields, View
from herocloud.stack.names import Names

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
    presence.check_names(tree, data, views, found)
    presence.check_needed(data, views, found)
    blocks.check_images(data, found)
    blocks.check_networks(data, found)
    blocks.check_overlay(data, found)
    naming.check_blocks(data, views, names, found)
    naming.check_forwards(data, views, names, found)
    overlay_is_off = (data.get("mycelium") or {}).get("addresses") is False
    machines.check_views(views, names, host, found, overlay_is_off=overlay_is_off)
    ordering.check_cycles(views, found)
    telling.check_expressions(data, views, names, found)
    moving.check_moves(data, names, found)
    outside.look(data, world, host_is_here=host is not None and not host.simulated)
