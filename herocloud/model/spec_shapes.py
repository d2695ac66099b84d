"""Whether the JSON of a spec has the shape that `model.specs` gives its kind: what neither a database nor a checksum can know of a text.

The checks follow the types, turned once into small functions, because ten thousand records are checked with every plan.
"""

import typing
from collections.abc import Callable
from functools import cache
from types import NoneType, UnionType

from herocloud.kits.jsons import Json
from herocloud.model import specs

Check = Callable[[Json], str | None]
"""Returns what is wrong with a value; nothing when it has the right shape."""

_KINDS = {"vm": specs.VmSpec, "image": specs.ImageSpec, "network": specs.NetworkSpec, "volume": specs.VolumeSpec}


def judge(kind: str, spec: Json) -> str | None:
    """Return what is wrong with the spec of a kind; nothing when it is sound, or of a kind that nobody described."""
    shape = _KINDS.get(kind)
    return None if shape is None else judge_as(shape, spec)


def judge_as(shape: type, value: Json) -> str | None:
    """Return what is wrong with a value that is to be a certain typed dictionary; nothing when it is sound."""
    return _check_of(shape)(value)


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
