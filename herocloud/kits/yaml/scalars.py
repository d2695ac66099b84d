"""Plain values and explicit tags, by the core schema of YAML 1.2.

The schema of 1.1, which most Python loaders still speak, turns `on`, `no` and `52:54:00` into booleans and numbers; half of a stack file is
names and addresses, so only the core schema will do. The tags of the core schema are honored, every other is refused: `!!python/object` and
its kin are how YAML files attack programs, and `!!timestamp`, `!!binary` and `!!set` have no use here.
"""

import re
from typing import Any

_LONGEST_NUMBER = 400
"""Letters of a number. Python refuses to write one of thousands of digits, and nothing here needs such a one."""
_INTEGER = re.compile(r"^[-+]?[0-9]+$")
_OCTAL = re.compile(r"^0o[0-7]+$")
_HEXADECIMAL = re.compile(r"^0x[0-9a-fA-F]+$")
_FLOAT = re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_INFINITE = re.compile(r"^[-+]?\.(inf|Inf|INF)$")
_NAN = frozenset({".nan", ".NaN", ".NAN"})

WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
NUMBERS_BEGIN = frozenset("0123456789+-.")


class WrittenInt(int):
    """An integer that was not written the plain way (`007`, `0x1f`); `text` is how it was written."""

    text: str


class WrittenFloat(float):
    """A number with a point or exponent; `text` is how it was written, because `1.10` as a label must not become `1.1`."""

    text: str


def read_number(text: str) -> Any:
    """Return the number that a plain scalar means, or the text when it is none. Only called where the first character fits."""
    if _INTEGER.match(text):
        try:
            return _written_int(text, int(text))
        except ValueError:  # Python refuses to convert thousands of digits, and nothing here needs such a number.
            return text
    if len(text) > _LONGEST_NUMBER:
        return text
    if _OCTAL.match(text):
        return _written_int(text, int(text, 8))
    if _HEXADECIMAL.match(text):
        return _written_int(text, int(text, 16))
    if _FLOAT.match(text) or _INFINITE.match(text) or text in _NAN:
        number = WrittenFloat(text if _FLOAT.match(text) else text.replace(".", ""))
        number.text = text
        return number
    return text


def _written_int(text: str, number: int) -> int:
    if str(number) == text:
        return number
    written = WrittenInt(number)
    written.text = text
    return written


def read_plain(text: str) -> Any:
    """Return what a plain scalar means."""
    if text in WORDS:
        return WORDS[text]
    return read_number(text) if text[0] in NUMBERS_BEGIN else text


def as_text(value: Any) -> str | None:
    """Return a text or a number as it was written; nothing for what is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(getattr(value, "text", value))


_PREFIX = "tag:yaml.org,2002:"


def shorten(tag: str) -> str:
    """Write a tag as people do."""
    return "!!" + tag[len(_PREFIX) :] if tag.startswith(_PREFIX) else tag


def is_collection(tag: str) -> bool:
    """Return whether a tag says no more than that this is a mapping or a list."""
    return tag in {"!", _PREFIX + "map", _PREFIX + "seq"}


def read_tagged(tag: str, text: str) -> Any:
    """Return what a tagged scalar means; raises `ValueError` for a tag that is not in the core schema or does not fit the text."""
    name = tag.removeprefix(_PREFIX)
    if name in {"str", "!"}:
        return text
    value = read_plain(text)
    wanted: dict[str, type | tuple[type, ...]] = {"int": int, "float": (int, float), "bool": bool, "null": type(None)}
    if name in wanted and isinstance(value, wanted[name]) and isinstance(value, bool) == (name == "bool"):
        return value
    raise ValueError(tag)
