"""Explicit YAML tags: those of the core schema are honoured, every other is refused.

`!!python/object` and its kin are how YAML files attack programs; `!!timestamp`, `!!binary` and `!!set` have no use in a stack file.
"""

from typing import Any

from herocloud.stack import scalars

_PREFIX = "tag:yaml.org,2002:"


def shorten(tag: str) -> str:
    """Write a tag as people do."""
    return "!!" + tag[len(_PREFIX) :] if tag.startswith(_PREFIX) else tag


def is_collection(tag: str) -> bool:
    """Tell whether a tag says no more than that this is a mapping or a list."""
    return tag in {"!", _PREFIX + "map", _PREFIX + "seq"}


def read_tagged(tag: str, text: str) -> Any:
    """Return what a tagged scalar means; raises `ValueError` for a tag that is not in the core schema or does not fit the text."""
    name = tag.removeprefix(_PREFIX)
    if name in {"str", "!"}:
        return text
    value = scalars.read_plain(text)
    wanted: dict[str, type | tuple[type, ...]] = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}
    if name in wanted and isinstance(value, wanted[name]) and isinstance(value, bool) == (name == "bool"):
        return value
    raise ValueError(tag)
