"""What an agent may answer: the one schema between a guest and everything else.

A guest is somebody else's machine. What its agent says is read here into plain values, within limits on length, depth, count and size of
numbers; anything else is a `BadAnswer`, which is a finding about the guest and never a defect of ours. Checking where a value is used was
the alternative, and was forgotten in half of the places.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

from herocloud.kits.jsons import Json
from herocloud.model.errors import Permanent

LONGEST = 48 * 1024**2
"""Bytes of one answer: QEMU's agent keeps 16 MiB of output of each stream, which base64 makes longer."""
_MOST_MARKS = 50_000
"""Brackets, braces and commas of one answer. A list of a hundred commands has five hundred; each mark may cost a hundred bytes to hold."""
_DEEPEST = 32
_LARGEST_NUMBER = 2**53
_LONGEST_TEXT = 2000
"""Characters of a reason that are shown."""
_MOST_COMMANDS = 2000
_STATUS = range(-(2**31), 2**32)
"""Windows has exit codes of 32 bits without a sign; everybody else has fewer."""
_MOST_SIGNALS = 127
_STRING = re.compile(rb'"(?:[^"\\\\]|\\\\.)*"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class BadAnswer(Permanent):
    """An agent answered something that no agent answers."""


class Status(NamedTuple):
    """How a program is doing."""

    exited: bool
    code: int = 0
    signal: int = 0
    out: bytes = b""
    err: bytes = b""
    truncated: bool = False


class Piece(NamedTuple):
    """A piece of a file in the guest."""

    content: bytes
    end: bool


class Info(NamedTuple):
    """What an agent says of itself."""

    version: str
    commands: frozenset[str]
    """Those that it carries out; distributions switch some off."""


def parse(line: bytes) -> Json:
    """Read one line; nothing for what is not JSON, which is half an answer to somebody else. Raises BadAnswer past the limits."""
    marks = sum(line.count(mark) for mark in (b"[", b"{", b","))
    if marks > _MOST_MARKS:
        _refuse(f"it has {marks} brackets and commas, and {_MOST_MARKS} are the most")
    if marks > _DEEPEST and _depth(line) > _DEEPEST:
        _refuse(f"it is nested more than {_DEEPEST} levels deep")
    try:
        return json.loads(line, parse_int=_number, parse_constant=_constant)
    except ValueError:
        return None


def refusal(error: Json) -> tuple[str, str]:
    """Return the kind of an agent's refusal and its words."""
    if not isinstance(error, dict):
        return "", "the agent gives no reason"
    kind, words = error.get("class", ""), error.get("desc", "")
    return _text(kind), _text(words) or "the agent gives no reason"


def read_info(said: Json) -> Info:
    """Read the answer to `guest-info`."""
    listed = _mapping(said, "guest-info").get("supported_commands", [])
    if not isinstance(listed, list) or len(listed) > _MOST_COMMANDS:
        _refuse("`supported_commands` is not a list of commands")
    found = set()
    for command in listed:
        name = _mapping(command, "supported_commands").get("name")
        if not isinstance(name, str):
            _refuse("a command has no name")
        if command.get("enabled", True) is True:
            found.add(name)
    return Info(_text(said.get("version")), frozenset(found))


def read_pid(said: Json) -> int:
    """Read the answer to `guest-exec`."""
    return _integer(_mapping(said, "guest-exec"), "pid", range(_LARGEST_NUMBER))


def read_handle(said: Json) -> int:
    """Read the answer to `guest-file-open`."""
    return _integer({"return": said}, "return", range(_LARGEST_NUMBER))


def read_piece(said: Json, most: int) -> Piece:
    """Read the answer to `guest-file-read`, which may bring `most` bytes."""
    answer = _mapping(said, "guest-file-read")
    content = _bytes(answer, "buf-b64")
    if len(content) > most:
        _refuse(f"a piece of {len(content)} bytes came, and {most} were asked for")
    # A piece without content ends the file as well, or reading would go on for ever.
    return Piece(content, _flag(answer, "eof") or not content)


def read_status(said: Json) -> Status:
    """Read the answer to `guest-exec-status`."""
    answer = _mapping(said, "guest-exec-status")
    exited = _flag(answer, "exited")
    return Status(
        exited,
        _integer(answer, "exitcode", _STATUS) if exited and answer.get("exitcode") is not None else 0,
        _integer(answer, "signal", range(_MOST_SIGNALS + 1)) if exited and answer.get("signal") is not None else 0,
        _bytes(answer, "out-data"),
        _bytes(answer, "err-data"),
        _flag(answer, "out-truncated") or _flag(answer, "err-truncated"),
    )


def _depth(line: bytes) -> int:
    """Return how deep an answer is nested."""
    deepest = depth = 0
    for mark in _STRING.sub(b"", line).translate(None, _NO_BRACKETS):
        depth += 1 if mark in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _number(text: str) -> int:
    # Digits of any number would be turned into a number of any size, slowly.
    if len(text) > 20 or abs(number := int(text)) > _LARGEST_NUMBER:
        _refuse(f"the number {text[:24]}{'…' if len(text) > 24 else ''} is out of range")
    return number


def _constant(text: str) -> NoReturn:
    _refuse(f"`{text}` is not a number of JSON")


def _mapping(said: Json, command: str) -> Mapping[str, Json]:
    if not isinstance(said, dict):
        _refuse(f"the answer to `{command}` is not an object")
    return said


def _integer(answer: Mapping[str, Json], name: str, allowed: range) -> int:
    value = answer.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        _refuse(f"`{name}` is not a whole number from {allowed.start} to {allowed.stop - 1}")
    return value


def _text(value: Json) -> str:
    """Return a text that can be printed and recorded: half a surrogate pair can be neither."""
    return value[:_LONGEST_TEXT].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _flag(answer: Mapping[str, Json], name: str) -> bool:
    value = answer.get(name)
    if value is not None and not isinstance(value, bool):
        _refuse(f"`{name}` is neither true nor false")
    return bool(value)


def _bytes(answer: Mapping[str, Json], name: str) -> bytes:
    value = answer.get(name)
    if value is None:
        return b""
    if not isinstance(value, str):
        _refuse(f"`{name}` is not a text")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        _refuse(f"`{name}` is not base64")


def _refuse(why: str) -> NoReturn:
    raise BadAnswer(f"the agent in the guest gave an answer that no agent gives: {why}")
