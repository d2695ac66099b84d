"""All checks, in the order in which a file is read."""

from collections.abc import Mapping, Sequence
from typing import Any

from herocloud.model.hosts import Host
from herocloud.stack.checks import outside
from herocloud.stack.findings import Findings
from herocloud.stack.layering import Fields, View


def image_names(data: Fields, tree: Mapping[str, Any]) -> dict[str, str]:
    """Return the name behind every name and alias of an image."""
    del tree
    names: dict[str, str] = {}
    for name, image in (data.get("images") or {}).items():
        names[name] = name
        for alias in image.get("aliases") or ():
            names.setdefault(alias, name)
    return names


def check(
    data: Fields,
    tree: Mapping[str, Any],
    views: Sequence[View],
    images: Mapping[str, str],
    host: Host | None,
    found: Findings,
    world: outside.World,
) -> None:
    """Run all checks."""
    del tree, views, images
    outside.look(data, world, host_is_here=host is not None and not host.simulated)
