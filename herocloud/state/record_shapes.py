"""Whether the JSON of a record has the shape of one: what a database cannot know of the texts in its rows.

The checks follow the types in `model.specs`, turned once into small functions, because ten thousand records are checked with every plan.
A record that fails is set aside with its reason, so that one bad row does not keep every other stack from being planned.
"""

import typing
from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType

from herocloud.kits.jsons import Json
from herocloud.model import specs
from herocloud.model.worlds import Record

Check = Callable[[Json], str | None]
"""Returns what is wrong with a value; nothing when it has the right shape."""

_KINDS = {"vm": specs.VmSpec, "image": specs.ImageSpec, "network": specs.NetworkSpec, "volume": specs.VolumeSpec}
_SHORTEST, _LONGEST = Record._fields.index("needs") + 1, len(Record._fields)
_TEXTS = ("stack", "address", "kind", "provider")


def judge(fields: Json, stack: str, address: str, *, inside: bool = False) -> str | None:
    """Return why this is not the record of an address; nothing when it is. `inside` looks into its spec as well."""
    if type(fields) is not list or not _SHORTEST <= len(fields) <= _LONGEST:
        return f"it is not a list of {_SHORTEST} to {_LONGEST} values"
    for name, value in zip(_TEXTS, fields, strict=False):
        if type(value) is not str:
            return f"its {name} is not a text"
    if fields[0] != stack or fields[1] != address:
        return f"it is the record of `{fields[1][:80]}` in stack `{fields[0][:80]}`"
    if fields[2] != address.partition(".")[0]:
        return f"its kind is `{fields[2][:80]}`"
    spec, parts, complete, protect, sid, needs = fields[4:10]
    if type(spec) is not dict or type(parts) is not dict:
        return f"its {'spec' if type(spec) is not dict else 'parts'} is not a mapping"
    if type(complete) is not bool or type(protect) is not bool:
        return f"`{'complete' if type(complete) is not bool else 'protect'}` is neither true nor false"
    if sid is not None and type(sid) is not str:
        return "its sid is not a text"
    if type(needs) is not list or any(type(need) is not str for need in needs):
        return "`needs` is not a list of addresses"
    if type(fields[-1]) is not str and len(fields) == _LONGEST:
        return "its host is not a text"
    kind = _KINDS.get(fields[2]) if inside else None
    return None if kind is None else _check_of(kind)(spec)


@cache
def _check_of(annotation: Json) -> Check:
    """Turn a type into a check."""
    annotation = _bare(annotation)
    leaf = _leaf(annotation)
    if leaf is not None:
        return lambda value: None if type(value) in leaf else f"is not {_names(leaf)}"
    origin: Json = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin in (typing.Union, UnionType):
        (inner,) = (_check_of(option) for option in arguments if option is not NoneType)
        return lambda value: None if value is None else inner(value)
    if origin is list:
        return _items(arguments[0], list, lambda value: value)
    if origin is dict:
        return _items(arguments[1], dict, lambda value: value.values())
    return _fields(annotation) if typing.is_typeddict(annotation) else lambda _value: None


def _bare(annotation: Json) -> Json:
    marks: tuple[Json, ...] = (typing.NotRequired, typing.Required)
    while isinstance(annotation, typing.NewType) or typing.get_origin(annotation) in marks:
        annotation = annotation.__supertype__ if isinstance(annotation, typing.NewType) else typing.get_args(annotation)[0]
    return annotation


def _leaf(annotation: Json) -> frozenset[type] | None:
    """Return the types that a value of this annotation may have, where its type says all."""
    options = [_bare(option) for option in typing.get_args(annotation)] if isinstance(annotation, UnionType) else [annotation]
    return frozenset(options) if all(option in (str, int, bool, NoneType) for option in options) else None


def _names(leaf: frozenset[type]) -> str:
    named = {str: "a text", int: "a whole number", bool: "a truth value"}
    return " or ".join(name for kind, name in named.items() if kind in leaf)


def _items(annotation: Json, kind: type, items: Callable[[Json], Json]) -> Check:
    inner, leaf = _check_of(annotation), _leaf(_bare(annotation))

    def check(value: Json) -> str | None:
        if type(value) is not kind:
            return f"is not a {'list' if kind is list else 'mapping'}"
        if leaf is None or not leaf.issuperset(map(type, items(value))):
            for item in items(value):
                if found := inner(item):
                    return found
        return None

    return check


def _fields(kind: Json) -> Check:
    hints = typing.get_type_hints(kind, include_extras=True)
    required = kind.__required_keys__
    checks = tuple((name, _check_of(hint)) for name, hint in hints.items())
    leaves = tuple((name, leaf) for name, hint in hints.items() if name in required and (leaf := _leaf(_bare(hint))) is not None)
    rest = tuple((name, check) for name, check in checks if name not in dict(leaves))

    def check(value: Json) -> str | None:
        if type(value) is not dict:
            return "is not a mapping"
        if not required <= value.keys():
            return f"`{min(required - value.keys())}` is missing"
        for name, leaf in leaves:
            if type(value[name]) not in leaf:
                return f"`{name}` is not {_names(leaf)}"
        for name, inner in rest:
            if name in value and (found := inner(value[name])):
                return f"`{name}.{found[1:]}" if found.startswith("`") else f"`{name}` {found}"
        return None

    return check
