"""Named tuples that cost little to define: `NamedTuple` as in `typing`, for the types that every command loads.

The one of `typing` compiles the constructor of each type when it is defined, checks its annotations and writes its helper methods again.
A plan without changes defines 160 of these types and makes values of half of them, so that this was a fifth of its time. Here the helper
methods are inherited, and a constructor is compiled for the first value. Values are made, read and compared as fast as ever.
"""

import sys
from collections import namedtuple
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

_NAMES = [f"field{number}" for number in range(40)]


def _readers_of(row: type) -> list[Any]:
    # The class is an argument, so that it is held: a collection of garbage in the middle of this empties one that nobody holds.
    return [vars(row)[name] for name in _NAMES]


_READERS = _readers_of(namedtuple("_Row", _NAMES))  # noqa: PYI024  (only its readers are used)
"""What reads the n-th value of any tuple as an attribute, in C."""


class _Fields(tuple[Any, ...]):
    """What every named tuple inherits."""

    __slots__ = ()
    if TYPE_CHECKING:  # hints that are asked for at run time are those of the fields alone
        _fields: ClassVar[tuple[str, ...]]
        _field_defaults: ClassVar[dict[str, Any]]

    def __new__(cls, /, *values: Any, **named: Any) -> Self:
        """Make the first value of a type, and a constructor for all others."""
        owner = next(base for base in cls.__mro__ if "_fields" in vars(base))
        constructor = _compile_constructor(owner)
        owner.__new__ = constructor  # type: ignore[method-assign]
        made: Self = constructor(cls, *values, **named)
        return made

    @classmethod
    def _make(cls, values: Iterable[Any]) -> Self:
        made = tuple.__new__(cls, values)
        if len(made) != len(cls._fields):
            raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
        return made

    def _replace(self, /, **changes: Any) -> Self:
        made = self._make(map(changes.pop, self._fields, self))
        if changes:
            raise ValueError(f"Got unexpected field names: {list(changes)!r}")
        return made

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map('{}={!r}'.format, self._fields, self))})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


def _compile_constructor(owner: type[_Fields]) -> Any:
    """Write the constructor out, which is what makes it fast. Field names come from a class body, so that they are nothing but names."""
    names = "".join(f"{name}, " for name in owner._fields)
    source = f"lambda _cls, {names}: _new(_cls, ({names}))"
    constructor: Any = eval(source, {"_new": tuple.__new__, "__builtins__": {}})  # noqa: S307  (see above)
    constructor.__name__ = "__new__"
    constructor.__qualname__ = f"{owner.__qualname__}.__new__"
    constructor.__defaults__ = tuple(owner._field_defaults.values())
    return constructor


def _list_fields(body: dict[str, Any]) -> tuple[str, ...]:
    """Return the names that a class body annotates."""
    if sys.version_info >= (3, 14) and "__annotations__" not in body:
        # There a class body holds a function that tells its annotations.
        import annotationlib

        annotate = annotationlib.get_annotate_from_class_namespace(body)
        return () if annotate is None else tuple(annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF))
    return tuple(body.get("__annotations__", ()))


class _Definition(type):
    """Turns a class body into a named tuple. The types themselves are ordinary ones, so that a class below them is an ordinary class."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        if not bases:
            return super().__new__(cls, name, bases, body)
        fields = _list_fields(body)
        defaults = {field: body[field] for field in fields if field in body}
        if fields[len(fields) - len(defaults) :] != tuple(defaults):
            raise TypeError(f"in {name} a field without a default follows one that has a default")
        if wrong := next((field for field in fields if field.startswith("_")), None):
            raise ValueError(f"Field names cannot start with an underscore: {wrong!r}")
        body |= zip(fields, _READERS[: len(fields)], strict=True)
        body |= {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
        return type(name, (_Fields, *bases[1:]), body)


if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414  (the name is handed on)
else:

    class NamedTuple(metaclass=_Definition):
        """Base of a named tuple's definition."""
