"""Plans as JSON and back, without loss: what the state keeps for resume and undo, and what a saved plan file holds.

The shape follows the annotations of the named tuples, so that a field added to the vocabulary is filed without a second list of
fields to forget. A field that has its default is left out, which makes a step of 13 fields short and lets an older file be read
after a field with a default was added. Anything else that does not fit (an unknown field, a wrong type, an unknown word) is
`NotFiled`: a plan that is read only in part would be executed in part. pickle would be shorter to write, and would run whatever
code a tampered file names.
"""

import math
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar

from herocloud.kits.jsons import Json
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.plans import Change, Plan
from herocloud.model.steps import Step

Filed = TypeVar("Filed")
_Turn = Callable[[Any], Any]


class NotFiled(ValueError):
    """The JSON does not have the shape of what it should be."""


class _Field(NamedTuple):
    """One field of a named tuple, and how its values go out and come in."""

    name: str
    optional: bool
    default: Any
    write: _Turn | None
    """Nothing for values that are JSON already, which saves a call for most fields."""
    read: _Turn


def encode_plan(plan: Plan) -> dict[str, Json]:
    """Return the plan as JSON values; the mappings inside are shared with the plan and not copied."""
    return encode(plan)


def head_of(plan: Plan) -> Plan:
    """Return the plan without its changes and steps, of which there may be many thousand: they are kept in pieces of their own."""
    return plan._replace(changes=(), steps=())


def join_plan(head: Plan, changes: Iterable[Change], steps: Iterable[Step]) -> Plan:
    """Put a plan together again from its head and the rest."""
    return head._replace(changes=tuple(changes), steps=tuple(steps))


def decode_plan(data: Json) -> Plan:
    """Return the plan that was encoded."""
    return decode(Plan, data)


def encode(value: Any) -> dict[str, Json]:
    """Return any named tuple of the vocabulary as JSON values."""
    kind: Any = type(value)
    return _write_fields(_fields(kind), value)


def decode(kind: type[Filed], data: Json) -> Filed:
    """Return the named tuple of this kind that was encoded."""
    return typing.cast("Filed", _read_fields(kind, data))


def _write_fields(fields: tuple[_Field, ...], value: Any) -> dict[str, Json]:
    filed = {}
    for (name, optional, default, write, _), item in zip(fields, value, strict=True):
        # Equality alone would take 0 for False and 0.0 for 0.
        if optional and (item is default or (type(item) is type(default) and item == default)):
            continue
        filed[name] = item if write is None else write(item)
    return filed


def _read_fields(kind: type, data: Json) -> Any:
    if not isinstance(data, dict):
        raise NotFiled(f"a {kind.__name__} is written as a mapping, and here is {_name(data)}")
    values = []
    known = 0
    for name, optional, default, _, read in _fields(kind):
        if name in data:
            known += 1
            try:
                values.append(read(data[name]))
            except NotFiled as error:
                raise NotFiled(f"{name}: {error}") from None
        elif optional:
            values.append(default)
        else:
            raise NotFiled(f"a {kind.__name__} without `{name}`")
    if known != len(data):
        unknown = sorted(set(data) - {field.name for field in _fields(kind)})
        raise NotFiled(f"a {kind.__name__} has no `{unknown[0]}`")
    return kind(*values)


@cache
def _fields(kind: Any) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(kind)
    defaults = kind._field_defaults
    listed = []
    for name in kind._fields:
        write, read = _turns(hints[name])
        listed.append(_Field(name, name in defaults, defaults.get(name), write, read))
    return tuple(listed)


def _turns(annotation: Any) -> tuple[_Turn | None, _Turn]:
    """Return how values of this annotation go out and come in."""
    while isinstance(annotation, typing.NewType):
        annotation = annotation.__supertype__
    origin = typing.get_origin(annotation)
    if annotation is Any:
        return None, _same
    if annotation in (str, bool, int, float):
        return None, _plain(annotation)
    if origin in (typing.Union, UnionType):
        return _optional_turns(annotation)
    if origin is tuple:
        return _row_turns(annotation)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return None, _plain(dict)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _word_turns(annotation)
    if hasattr(annotation, "_fields"):
        return (lambda value: _write_fields(_fields(annotation), value)), (lambda data: _read_fields(annotation, data))
    msg = f"no way to file {annotation}"
    raise TypeError(msg)


def _optional_turns(annotation: Any) -> tuple[_Turn | None, _Turn]:
    (inner,) = (option for option in typing.get_args(annotation) if option is not NoneType)
    write, read = _turns(inner)

    def read_optional(data: Json) -> Any:
        return None if data is None else read(data)

    if write is None:
        return None, read_optional
    return (lambda value: None if value is None else write(value)), read_optional


def _row_turns(annotation: Any) -> tuple[_Turn | None, _Turn]:
    inner, _ = typing.get_args(annotation)
    write, read = _turns(inner)

    def read_row(data: Json) -> Any:
        if not isinstance(data, list):
            raise NotFiled(f"a list is wanted, and here is {_name(data)}")
        return tuple([read(item) for item in data])

    return (list if write is None else (lambda values: [write(value) for value in values])), read_row


def _word_turns(words: type[Enum]) -> tuple[_Turn, _Turn]:
    def read_word(data: Json) -> Enum:
        try:
            return words(data)
        except ValueError:
            raise NotFiled(f"`{data}` is not a value of {words.__name__}") from None

    return (lambda word: word.value), read_word


def _plain(kind: type) -> _Turn:
    accepted = (int, float) if kind is float else kind

    def read_plain(data: Json) -> Any:
        # True is an int to isinstance, and never one to a person.
        if not isinstance(data, accepted) or (isinstance(data, bool) and kind is not bool):
            raise NotFiled(f"{kind.__name__} is wanted, and here is {_name(data)}")
        if isinstance(data, float) and not math.isfinite(data):
            raise NotFiled("a finite number is wanted")
        return data

    return read_plain


def _same(data: Json) -> Json:
    return data


def _name(data: Json) -> str:
    return type(data).__name__
