"""The names that a stack declares, sound or not.

A resource whose block is full of mistakes is still there for those that refer to it: they made no mistake.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from herocloud.kits import nearest as nearest_names
from herocloud.kits.named_tuples import NamedTuple
from herocloud.stack.findings import Findings
from herocloud.stack.layers import Fields, View

SECTIONS = {"image": "images", "network": "networks", "volume": "volumes", "vm": "vms"}
UNCERTAIN = -1
"""The number of instances of a VM whose `count` was refused."""


_LONGEST = 200


class Names(NamedTuple):
    """Who is there."""

    images: Mapping[str, str]
    """The name of an image by its name or alias."""
    sizes: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]
    vms: Mapping[str, int | None]
    """How many instances each VM has; nothing for one without `count`, `UNCERTAIN` where that is not known."""

    def of_kind(self, kind: str) -> Iterable[str]:
        """Return the names behind `kind.`, as in an address."""
        found: Iterable[str] = getattr(self, SECTIONS[kind])
        return found


def collect_names(tree: Mapping[str, Any], data: Fields, findings: Findings) -> Names:
    """Gather all names of a tree, also of entries that the models refused."""
    vms: dict[str, int | None] = {}
    sound = data.get("vms") or {}
    for name in _block(tree, "vms"):
        certain = findings.knows("vms", name, "count")
        vms[name] = sound.get(name, {}).get("count") if certain else UNCERTAIN
    for name in list(vms):
        vms.setdefault(_as_meant(name), vms[name])
    return Names(_image_names(tree), _keys(tree, "sizes"), _keys(tree, "networks"), _keys(tree, "volumes"), vms)


def _block(tree: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    block = tree.get(section)
    return block if isinstance(block, dict) else {}


def _keys(tree: Mapping[str, Any], section: str) -> frozenset[str]:
    return frozenset(spelling for name in _block(tree, section) for spelling in (name, _as_meant(name)))


def _as_meant(name: str) -> str:
    """Return a name in the form that references have to use: who declares `Web_1` and refers to `web-1` has made one mistake."""
    return name.lower().replace("_", "-")


def _image_names(tree: Mapping[str, Any]) -> dict[str, str]:
    images = _block(tree, "images")
    names = {_as_meant(name): name for name in images} | {name: name for name in images}
    for name, image in images.items():
        aliases = image.get("aliases") if isinstance(image, dict) else None
        for alias in aliases if isinstance(aliases, list) else [aliases]:
            if isinstance(alias, str):
                names.setdefault(alias, name)
    return names


def nearest(wrong: str, valid: Iterable[str], findings: Findings) -> str | None:
    """Return the nearest valid name, as long as there are few mistakes and the word is one that a person wrote."""
    return None if findings.is_long or len(wrong) > _LONGEST else nearest_names.nearest(wrong, valid)


def suggest(wrong: str, valid: Iterable[str], section: str, findings: Findings, prefix: str = "") -> str:
    """Return a hint: the nearest name, all names when there are few, or where to declare one."""
    if findings.is_long:
        return f"declare it under `{section}`"
    known = sorted(valid)
    near = nearest(wrong, known, findings)
    if near is not None:
        return f"did you mean `{prefix}{near}`?"
    if 0 < len(known) <= 6:
        return f"`{section}` has " + ", ".join(f"`{name}`" for name in known)
    return f"declare it under `{section}`"


def instance_trouble(
    name: str, number: int | None, names: Names, findings: Findings, *, one: bool, prefix: str = "vm."
) -> tuple[str, str | None] | None:
    """Return what is wrong with naming this VM, as detail and hint; `one` means that a single VM has to be meant."""
    if name not in names.vms:
        return f"There is no VM `{name}` in this stack.", suggest(name, names.vms, "vms", findings, prefix)
    many, full = names.vms[name], f"{prefix}{name}"
    if many == UNCERTAIN:
        return None
    if many is None:
        return None if number is None else (f"`{name}` has no `count`, and so no instance {number}.", f"write `{full}`")
    if number is None:
        return (f"There are {many} of `{name}`, and one has to be meant.", f"write `{full}[0]`") if one else None
    if number >= many:
        return (
            f"`{name}` has no instance {number}; its `count` is {many}.",
            f"write `{full}[{many - 1}]` for the last one" if many else None,
        )
    return None


def own_blocks(data: Fields, views: Iterable[View]) -> Iterable[tuple[tuple[str | int, ...], Fields]]:
    """Yield the blocks with fields of VMs as they are written: the defaults, then every VM."""
    if data.get("defaults"):
        yield ("defaults",), data["defaults"]
    for view in views:
        layer = view.layers[0]
        yield layer.path, layer.fields or {}
