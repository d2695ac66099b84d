"""The models' verdict on a sound tree, without the models.

Importing pydantic and building the models takes as long as all the rest of a new plan of a hundred VMs, and most stacks have nothing wrong
with them. So a tree is first read by the models' shapes, a checked-in table made out of them: what passes comes out exactly as the
models would return it. Whatever is refused here, or merely unusual, goes to the models, which know the words for it.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from herocloud.kits import shared_values, sizes
from herocloud.kits.yaml import scalars
from herocloud.stack.fields import spellings
from herocloud.stack.findings import Findings

_TABLE = json.loads(Path(__file__).with_name("shapes.json").read_bytes())
NEEDED: Mapping[str, Mapping[str, str]] = _TABLE["needed"]
"""The keys that a block has to have, each with its description."""

_Reader = Callable[[Any], Any]


class Doubtful(Exception):
    """A value is for the models to judge."""


def validate(model: str, tree: Any, findings: Findings, instance_of: str | None = None) -> dict[str, Any]:
    """Return what the file says, normalised; mistakes go to `findings` and are left out.

    `instance_of` names the VM when only some of its fields are looked at, for one of its instances.
    """
    try:
        return read(model, tree)
    except Doubtful:
        from herocloud.stack.fields import validation

        return validation.validate(model, tree, findings, instance_of)


def read(model: str, tree: Any) -> dict[str, Any]:
    """Return a tree as its model would return it; raises when the model has to be asked."""
    read_tree: dict[str, Any] = _reader(["block", model])(tree)
    return read_tree


def _reader(shape: Any) -> _Reader:
    """Return what reads a shape; each is made once, when it is first met."""
    key = json.dumps(shape)
    if key not in _READERS:
        _READERS[key] = _FIXED[shape] if isinstance(shape, str) else _MAKERS[shape[0]](*shape[1:])
    return _READERS[key]


def _block(name: str) -> _Reader:
    readers: dict[str, tuple[_Reader, bool]] = {}
    for key, shape in _TABLE["blocks"][name].items():
        maybe = isinstance(shape, list) and shape[0] == "maybe"
        readers[key] = _reader(shape[1] if maybe else shape), maybe or shape == "any"

    def read_block(value: Any) -> Any:
        if not _exact(value, dict).keys() <= readers.keys():
            raise Doubtful
        # In the order of the model, not of the file.
        block = {}
        for key, (reader, maybe) in readers.items():
            if key in value:
                inner = value[key]
                if inner is not None:
                    block[key] = reader(inner)
                elif not maybe:
                    raise Doubtful
        return block

    return read_block


def _list(shape: Any) -> _Reader:
    reader = _reader(shape)
    return lambda value: [reader(inner) for inner in _exact(value, list)]


def _named(shape: Any) -> _Reader:
    reader = _reader(shape)

    def read_named(value: Any) -> Any:
        # Entries that are written alike are one object, before as after.
        read: shared_values.MadeOnce[Any] = shared_values.MadeOnce()
        return {_text(key): read.make(inner, reader) for key, inner in _exact(value, dict).items()}

    return read_named


def _int(low: int | None, high: int | None) -> _Reader:
    def read_int(value: Any) -> Any:
        _exact(value, int)
        if (low is not None and value < low) or (high is not None and value > high):
            raise Doubtful
        return value

    return read_int


def _bounded(low: int | None, high: int | None) -> _Reader:
    def read_bounded(value: Any) -> Any:
        if (low is not None and len(_text(value)) < low) or (high is not None and len(value) > high):
            raise Doubtful
        return value

    return read_bounded


def _words(*words: str) -> _Reader:
    known = frozenset(words)

    def read_word(value: Any) -> Any:
        if _text(value) not in known:
            raise Doubtful
        return value

    return read_word


def _like(pattern: str) -> _Reader:
    def read_like(value: Any) -> Any:
        text = _as_written(value)
        if not re.fullmatch(pattern, text):
            raise Doubtful
        return text

    return read_like


def _short(key: str, shape: Any) -> _Reader:
    reader = _reader(shape)
    return lambda value: reader({key: value} if type(value) is str else value)


def _many(shape: Any) -> _Reader:
    reader = _reader(shape)
    return lambda value: reader([value] if type(value) is str else value)


def _entry(shape: Any) -> _Reader:
    reader = _reader(shape)
    return lambda value: reader({} if value is None else value)


def _switch(shape: Any) -> _Reader:
    reader = _reader(shape)
    return lambda value: value if value is False else reader({} if value is True else value)


def _exact(value: Any, kind: type) -> Any:
    """Return a value of exactly this type; a subclass is a number that was written in an unusual way."""
    if type(value) is not kind:
        raise Doubtful
    return value


def _text(value: Any) -> Any:
    if not _exact(value, str).isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Doubtful from None
    return value


def _bool(value: Any) -> Any:
    if value is not True and value is not False:
        raise Doubtful
    return value


def _as_written(value: Any) -> str:
    text = scalars.as_text(value)
    if text is None:
        raise Doubtful
    return text


def _anything(value: Any) -> Any:
    if type(value) is list:
        return [_anything(inner) for inner in value]
    if type(value) is dict:
        return {_text(key): _anything(inner) for key, inner in value.items()}
    if type(value) is int or value is True or value is False:
        return value
    return _text(value)


def _measured(read: Callable[[str], int]) -> _Reader:
    def read_measured(value: Any) -> Any:
        if len(_exact(value, str)) > spellings.LONGEST:
            raise Doubtful
        try:
            number = read(value)
        except sizes.NotASize:
            raise Doubtful from None
        if number <= 0:
            raise Doubtful
        return number

    return read_measured


_READERS: dict[str, _Reader] = {}
_FIXED: Mapping[str, _Reader] = {
    "any": _anything, "bool": _bool, "number": _int(None, None), "str": _text, "text": _as_written,
    "size": _measured(sizes.parse_size), "rate": _measured(sizes.parse_rate),
    "room": _measured(sizes.parse_size), "duration": _measured(sizes.parse_seconds),
}  # fmt: skip
_MAKERS: Mapping[str, Callable[..., _Reader]] = {
    "block": _block, "entry": _entry, "int": _int, "like": _like, "list": _list, "many": _many, "named": _named, "short": _short,
    "str": _bounded, "switch": _switch, "words": _words,
}  # fmt: skip
