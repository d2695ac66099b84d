"""The shapes of what a VMM may answer: the edge between a process that a guest may speak for and everything else.

A guest that broke out of its machine speaks for its VMM, so an answer is foreign input like that of an agent. A shape names only the fields
that are read here and there, each with its type; everything else passes. Models of the whole API would take longer to load than a look
takes. A shape is `int`, `str` or `bool`, a mapping of field names to shapes, or one of the two classes below.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from herocloud.kits.jsons import Json

LARGEST_NUMBER = 2**64 - 1
_LONGEST_TEXT = 4096
_MOST_ENTRIES = 10_000
_MOST_SHOWN = 60


class BadAnswer(ValueError):
    """The answer has another shape."""


class ListOf(NamedTuple):
    """A list of entries of one shape."""

    entry: Any


class AnyNames(NamedTuple):
    """A mapping of any names to values of one shape."""

    value: Any


def require(value: Json, shape: Any, where: str, required: frozenset[str] = frozenset()) -> None:
    """Raise BadAnswer unless a value has a shape. What is missing, or null, was not set, except for the fields that are required."""
    if isinstance(shape, ListOf):
        if not isinstance(value, list) or len(value) > _MOST_ENTRIES:
            raise BadAnswer(f"`{where}` is not a list")
        for entry in value:
            require(entry, shape.entry, where, required)
    elif isinstance(shape, (AnyNames, Mapping)):
        if not isinstance(value, dict) or len(value) > _MOST_ENTRIES:
            raise BadAnswer(f"`{where}` is not an object")
        fields = dict.fromkeys(value, shape.value) if isinstance(shape, AnyNames) else shape
        for name, field in fields.items():
            place = f"{where}.{str(name)[:_MOST_SHOWN]}"
            if value.get(name) is not None:
                require(value[name], field, place, required)
            elif name in required:
                raise BadAnswer(f"`{place}` is missing")
    elif not isinstance(value, shape) or (shape is int and not _is_number(value)) or (shape is str and not _is_text(value)):
        raise BadAnswer(f"`{where}` is not what this API answers")


def _is_number(value: int) -> bool:
    return not isinstance(value, bool) and 0 <= value <= LARGEST_NUMBER


def _is_text(value: str) -> bool:
    """Return whether a text can be a path or a name: half a surrogate pair can be neither."""
    return len(value) <= _LONGEST_TEXT and "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
