"""What a stack takes from the host's catalogue: images and sizes that it names and has not itself, and the image of VMs that name none.

The catalogue is a file of its own, written like a stack file. What is lent becomes part of the stack before anything is checked, so that it
is planned, recorded and exported like an image of the stack itself, and its mistakes have their lines; what nobody names stays out.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from herocloud.stack import merge
from herocloud.stack.expansion import source_url

_LENT = ("images", "sizes", "defaults")
_EXPRESSION = "{{"
IMAGE_FILES = ("source", "kernel", "initramfs")
"""The fields of an image that name a file."""


def lend(combined: merge.Combined, tree: Mapping[str, Any], number: int) -> None:
    """Add to a combined tree what it names of the catalogue, which is the file `number`."""
    stack = combined.value
    _lend_default(combined, tree, number)
    for section, key in (("images", "image"), ("sizes", "size")):
        theirs, own = tree.get(section), stack.get(section)
        if not isinstance(theirs, dict) or not isinstance(own, dict | None):
            continue
        wanted = set(_named(stack, key))
        taken = set(_names(own or {}))
        lent = {
            name: entry
            for name, entry in theirs.items()
            if name not in taken and (wanted & {name, *_aliases(entry)} or any(_EXPRESSION in word for word in wanted))
        }
        if lent:
            stack[section] = {**(own or {}), **{name: _without(entry, taken) for name, entry in lent.items()}}
            combined.origins.update({(section, name): number for name in lent})


def _lend_default(combined: merge.Combined, tree: Mapping[str, Any], number: int) -> None:
    theirs, own = tree.get("defaults"), combined.value.get("defaults")
    if not isinstance(theirs, dict) or "image" not in theirs or not isinstance(own, dict | None) or (own or {}).get("image") is not None:
        return
    if any(not isinstance(vm, dict) or vm.get("image") is None for vm in _entries(combined.value, "vms")):
        combined.value["defaults"] = {**(own or {}), "image": theirs["image"]}
        combined.origins["defaults", "image"] = number


def _named(stack: Mapping[str, Any], key: str) -> Iterator[str]:
    for block in (stack.get("defaults"), *_entries(stack, "vms")):
        if isinstance(block, dict) and isinstance(block.get(key), str):
            yield block[key]


def _entries(tree: Mapping[str, Any], section: str) -> Iterable[Any]:
    block = tree.get(section)
    return block.values() if isinstance(block, dict) else ()


def _names(section: Mapping[str, Any]) -> Iterator[str]:
    for name, entry in section.items():
        yield name
        yield from _aliases(entry)


def _aliases(entry: Any) -> list[str]:
    aliases = entry.get("aliases") if isinstance(entry, dict) else None
    return [alias for alias in aliases if isinstance(alias, str)] if isinstance(aliases, list) else []


def _without(entry: Any, taken: set[str]) -> Any:
    """Leave out the aliases under which the stack knows something else; its own word is the nearer one."""
    if not taken.intersection(_aliases(entry)):
        return entry
    return {**entry, "aliases": [alias for alias in entry["aliases"] if alias not in taken]}


def files(tree: Mapping[str, Any], folder: str) -> Iterator[str]:
    """Yield the files of the host that its images are made of: everybody may have them, so everybody may name them."""
    for image in _entries(tree, "images"):
        for key in IMAGE_FILES:
            text = image.get(key) if isinstance(image, dict) else None
            if isinstance(text, str) and _EXPRESSION not in text:
                path = source_url(text, folder)
                if os.path.isfile(path):  # noqa: PTH113  (texts in, as everywhere in this package)
                    yield path


def find_strange(tree: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Find the keys that have no meaning in a catalogue."""
    yield from ((key,) for key in tree if key not in _LENT)
    defaults = tree.get("defaults")
    yield from (("defaults", key) for key in (defaults if isinstance(defaults, dict) else ()) if key != "image")
