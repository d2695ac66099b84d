"""All checks behind the models, in the order in which a file is read."""

from collections.abc import Mapping, Sequence
from typing import Any

from herocloud.model.hosts import Host
from herocloud.stack.checks import cycles, infrastructure, outside, presence, references, renames, vm_values, waiting_expressions
from herocloud.stack.findings import Findings
from herocloud.stack.layers import Fields, View
from herocloud.stack.names import Names

MAX_VMS = 100_000


def check_counts(data: Fields, findings: Findings) -> bool:
    """Check that the stack as a whole has an end; tells whether instances may be made."""
    total = 0
    for name, vm in (data.get("vms") or {}).items():
        total += vm.get("count", 1)
        if total > MAX_VMS:
            findings.add(
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
    findings: Findings,
    world: outside.World,
) -> None:
    """Run all checks."""
    presence.check_names(tree, data, views, findings)
    presence.check_needed(data, views, findings)
    infrastructure.check_images(data, findings)
    infrastructure.check_networks(data, findings)
    infrastructure.check_overlay(data, findings)
    references.check_blocks(data, views, names, findings)
    references.check_forwards(data, views, names, findings)
    overlay_is_off = (data.get("mycelium") or {}).get("addresses") is False
    vm_values.check_views(views, names, host, findings, overlay_is_off=overlay_is_off)
    cycles.check_cycles(views, findings)
    waiting_expressions.check_expressions(data, views, names, findings)
    renames.check_moves(data, names, findings)
    outside.look(data, world, host_is_here=host is not None and not host.simulated)
