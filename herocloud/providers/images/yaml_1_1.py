"""Reading user data as cloud-init does: YAML 1.1, with the spellings that PyYAML knows.

A stack file is YAML 1.2, where `yes` is a text and `0644` is six hundred and forty-four; user data is not ours to reinterpret, so its
scalars are resolved here, from the events of the one parser. What JSON cannot say (dates, tags, keys that are not
texts) makes the whole text unreadable, which callers expect.
"""

import re
from collections.abc import Iterator
from typing import Any

from herocloud.kits.yaml import parser

_TRUE = frozenset({"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE = frozenset({"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_SEXAGESIMAL = r"[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+"
_INTEGER = re.compile(rf"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)|{_SEXAGESIMAL}")
_FLOAT = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*"
)
_BEYOND_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|=|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?")
_DEPTH = 60
_NODES = 100_000


class _BeyondJson(Exception):
    """The text says something that JSON cannot say."""


def read(text: str) -> Any:
    """Return what a text means, or nothing when it is not YAML or says more than JSON can."""
    from yaml import YAMLError

    get = parser.make_parser(text).get_event
    try:
        return _Builder(iter(get, None)).document()
    except (YAMLError, _BeyondJson, ValueError):
        return None


def find_mistake(text: str) -> str:
    """Say why a text is not a mapping in YAML, which a cloud-config is; empty where it is one, or says more than this reader knows."""
    from yaml import MarkedYAMLError, YAMLError

    get = parser.make_parser(text).get_event
    try:
        value = _Builder(iter(get, None)).document()
    except MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1} of it is not YAML" if error.problem_mark else "it is not YAML"
        return f"{where} ({error.problem or error.context})"
    except YAMLError as error:
        return f"it is not YAML ({error})"
    except (_BeyondJson, ValueError):
        return ""
    return "" if value is None or isinstance(value, dict) else f"it is a {'list' if isinstance(value, list) else 'text'} and not a mapping"


class _Builder:
    """Builds values from events. Mutable: it walks along one stream of them."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Any] = {}
        self._nodes = 0

    def document(self) -> Any:
        self._expect("StreamStartEvent")
        self._expect("DocumentStartEvent")
        value = self._value(next(self._events), 0)
        self._expect("DocumentEndEvent")
        self._expect("StreamEndEvent")
        return value

    def _expect(self, name: str) -> None:
        if type(next(self._events)).__name__ != name:
            raise _BeyondJson

    def _value(self, event: Any, depth: int) -> Any:
        self._nodes += 1
        if depth > _DEPTH or self._nodes > _NODES:
            raise _BeyondJson
        kind = type(event).__name__
        if kind == "AliasEvent":
            if event.anchor not in self._anchors:
                raise _BeyondJson
            return self._anchors[event.anchor]
        if event.tag is not None and not (kind == "ScalarEvent" and str(event.tag) in ("!", "tag:yaml.org,2002:str")):
            raise _BeyondJson
        if kind == "MappingStartEvent":
            value: Any = self._mapping(depth)
        elif kind == "SequenceStartEvent":
            value = []
            while type(inner := next(self._events)).__name__ != "SequenceEndEvent":
                value.append(self._value(inner, depth + 1))
        else:
            value = event.value if event.style or event.tag is not None else resolve(event.value)
        if event.anchor:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while type(event := next(self._events)).__name__ != "MappingEndEvent":
            is_merge = type(event).__name__ == "ScalarEvent" and event.value == "<<" and not event.style
            key = self._value(event, depth + 1)
            value = self._value(next(self._events), depth + 1)
            if is_merge:
                for item in value if isinstance(value, list) else [value]:
                    if not isinstance(item, dict):
                        raise _BeyondJson
                    # What comes first counts; what the mapping says itself counts most.
                    merged = {**item, **merged}
            elif not isinstance(key, str) or key in own:
                raise _BeyondJson
            else:
                own[key] = value
        return {**merged, **own} if merged else own


def resolve(text: str) -> Any:
    """Return what a plain scalar means."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _BEYOND_JSON.fullmatch(text):
        raise _BeyondJson
    if _INTEGER.fullmatch(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return _float(text.replace("_", ""))
    return text


def _integer(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0)
    if ":" in digits:
        total = 0
        for part in digits.split(":"):
            total = total * 60 + int(part)
        return sign * total
    return sign * int(digits, 8 if digits.startswith("0") and digits != "0" else 10)


def _float(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    total = 0.0
    for part in text.lstrip("+-").split(":"):
        total = total * 60 + float(part)
    return sign * total
