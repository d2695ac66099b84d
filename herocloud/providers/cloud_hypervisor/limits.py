"""Checking a request against the models of the API before it is sent.

Cloud Hypervisor ignores fields that it does not know: a misspelt one is answered with success and does nothing. The same goes for a field
that came with a later release. So whatever is sent is compared with the models here, which is where such a mistake still has a name.
"""

import functools
import types
import typing
from typing import Any, NamedTuple

from herocloud.kits import nearest
from herocloud.kits.jsons import Json


class Limits(NamedTuple):
    """What the API says of a field besides its type."""

    minimum: int | None = None
    maximum: int | None = None
    longest: int | None = None
    """Bytes of a text."""
    since: int = 0
    """The major release that brought the field; an older one ignores it."""


class Mistake(NamedTuple):
    """Something in a request that the API would refuse, cut or ignore."""

    path: str
    what: str

    def __str__(self) -> str:
        """Name the field and what is wrong with it."""
        return f"`{self.path}` {self.what}" if self.path else self.what


def check(model: Any, value: Json, release: int, path: str = "") -> list[Mistake]:
    """Compare a value with a model of the API, as the major release `release` has it."""
    origin, inside = _form(model)
    if origin is typing.Required:
        return check(inside[0], value, release, path)
    if origin is typing.Annotated:
        inner, limits = inside
        return check(inner, value, release, path) or _check_limits(limits, value, release, path)
    if typing.is_typeddict(model):
        return _check_fields(model, value, release, path)
    return _check_plain(model, value, release, path)


def _check_fields(model: Any, value: Json, release: int, path: str) -> list[Mistake]:
    if not isinstance(value, dict):
        return [Mistake(path, f"has to be an object, not {_kind(value)}")]
    fields = _fields(model)
    mistakes: list[Mistake] = []
    for name, inner in value.items():
        where = f"{path}.{name}" if path else name
        if name in fields:
            mistakes += check(fields[name], inner, release, where)
        else:
            close = nearest.nearest(name, fields)
            mistakes.append(Mistake(where, "is not a field of the API" + (f"; did you mean `{close}`?" if close else "")))
    missing = sorted(model.__required_keys__ - value.keys())
    return mistakes + [Mistake(f"{path}.{name}" if path else name, "is missing") for name in missing]


def _check_plain(model: Any, value: Json, release: int, path: str) -> list[Mistake]:
    origin, inside = _form(model)
    if model is Any:
        return []
    if origin is list:
        if not isinstance(value, list):
            return [Mistake(path, f"has to be a list, not {_kind(value)}")]
        return [mistake for number, one in enumerate(value) for mistake in check(inside[0], one, release, f"{path}[{number}]")]
    if origin is dict:
        if not isinstance(value, dict):
            return [Mistake(path, f"has to be an object, not {_kind(value)}")]
        return [mistake for name, one in value.items() for mistake in check(inside[1], one, release, f"{path}.{name}")]
    if origin is typing.Literal:
        return [] if value in inside else [Mistake(path, f"is `{value}`, and has to be one of {', '.join(map(str, inside))}")]
    # `True` is an `int` in Python, and not in JSON.
    fits = isinstance(value, model) and not (model is int and isinstance(value, bool))
    return [] if fits else [Mistake(path, f"has to be {_TYPES[model]}, not {_kind(value)}")]


def _check_limits(limits: Limits, value: Json, release: int, path: str) -> list[Mistake]:
    if limits.since > release:
        return [Mistake(path, f"came with release {limits.since} and would be ignored by release {release}")]
    if limits.minimum is not None and value < limits.minimum:
        return [Mistake(path, f"is {value}, and has to be at least {limits.minimum}")]
    if limits.maximum is not None and value > limits.maximum:
        return [Mistake(path, f"is {value}, and has to be at most {limits.maximum}")]
    if limits.longest is not None and len(value.encode()) > limits.longest:
        return [Mistake(path, f"is longer than {limits.longest} bytes")]
    return []


@functools.cache
def _form(model: Any) -> tuple[Any, tuple[Any, ...]]:
    """Take a model apart that is made of others."""
    return typing.get_origin(model), typing.get_args(model)


@functools.cache
def _fields(model: Any) -> types.MappingProxyType[str, Any]:
    return types.MappingProxyType(typing.get_type_hints(model, include_extras=True))


_TYPES = {int: "a whole number", str: "a text", bool: "true or false"}


def _kind(value: Json) -> str:
    if value is None:
        return "nothing"
    return {dict: "an object", list: "a list", **_TYPES}.get(type(value), type(value).__name__)
