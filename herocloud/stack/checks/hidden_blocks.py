"""Blocks that do not count, because their key was there already: their mistakes are mistakes all the same.

Without a look at them, somebody who repairs a duplicate name finds the next mistakes in a second run.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml.documents import Document, Spotted
from herocloud.kits.yaml.tree import Path
from herocloud.stack import layers, substitution
from herocloud.stack.checks import outside, presence, references
from herocloud.stack.fields import fast_validation
from herocloud.stack.findings import Findings
from herocloud.stack.layers import Fields
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
    locate: Callable[..., Spotted]
    """Takes a path below the block, and where to point; gives the place."""


def of_duplicate(document: Document, duplicate: Any, address: str | None) -> Hidden:
    """Return the block behind a key that one file has twice."""

    def locate(path: Path, *, on_key: bool, needle: str | None) -> Spotted:
        return document.locate(path, on_key=on_key, needle=needle, begin=(duplicate.value, duplicate.second))

    return Hidden(duplicate.path, address, duplicate.value, locate)


def of_second_file(document: Document, path: Path, value: Any, address: str | None) -> Hidden:
    """Return the block behind a name that an earlier file defines."""

    def locate(inner: Path, *, on_key: bool, needle: str | None) -> Spotted:
        return document.locate((*path, *inner), on_key=on_key, needle=needle)

    return Hidden(path, address, value, locate)


def judge(
    blocks: Sequence[Hidden],
    substitute: Callable[[Mapping[str, Any], Findings], substitution.Substituted],
    main: Fields,
    names: Names,
    world: Callable[[Findings], outside.World],
    findings: Findings,
) -> None:
    """Look for mistakes in the blocks that nothing else looks at; clashes with the rest of the stack are left out."""
    if not blocks:
        return
    from herocloud.stack.fields import validation

    for block in blocks[:_ENOUGH]:
        if block.path[0] not in SECTIONS or block.path[0] == "variables":
            continue
        own = Findings()
        tree = validation.straighten(_wrap(block), own)
        data = fast_validation.validate("StackFile", substitute(tree, own).value, own)
        # The rest of the stack lends its values to this block as it would to any other.
        views = list(layers.make_views({**main, "vms": data.get("vms")}, {}, names.images))
        references.check_blocks(data, views, names, own)
        if len(block.path) == 2:
            presence.check_needed(data, views, own)
        outside.look(data, world(own), host_is_here=False)
        for finding in own.items:
            inner = finding.path or ()
            if inner[: len(block.path)] == block.path:
                place, snippet = block.locate(inner[len(block.path) :], on_key=finding.on_key, needle=finding.needle)
                findings.items.append(finding._replace(path=None, place=place, snippet=snippet, address=block.address))


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
