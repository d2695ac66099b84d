"""JSON-RPC 2.0 as bytes: what a request says, and how an answer is written. Pure.

Written by us instead of taken from pjrpc, for four reasons that a test each holds: a member of a batch that is not an object has to be
answered inside an array, an `id` of null is a call and not a notification, a number comes back with the digits it was sent with, and
what is not JSON by the letter (`NaN`, doubled keys, lone bytes) is refused. What is left after that is this page.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from herocloud.kits.jsons import Json
from herocloud.rpc.calls.error_codes import INVALID_REQUEST, PARSE_ERROR, ErrorCode

MOST_BYTES = 1024 * 1024
MOST_CALLS = 100
MOST_LEVELS = 64

Id = str | None
"""The JSON text of an id, kept as text so that it goes back exactly as it came; nothing for a notification."""

NULL: Id = "null"


class Call(NamedTuple):
    """One request that can be dispatched."""

    method: str
    params: Sequence[Json] | Mapping[str, Json]
    id: Id


class Wrong(NamedTuple):
    """One request that cannot."""

    kind: ErrorCode
    why: str
    id: Id = NULL


class Message(NamedTuple):
    """What arrived: one request or a batch."""

    members: tuple[Call | Wrong, ...]
    batch: bool


class _Number(float):
    """A number with a point or an exponent that remembers its text."""

    text: str


def read(body: bytes) -> Message:
    """Take a request body apart; what is wrong with it is part of the answer."""
    if len(body) > MOST_BYTES:
        return _single(Wrong(INVALID_REQUEST, f"A request has at most {MOST_BYTES} bytes."))
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        return _single(Wrong(PARSE_ERROR, f"The body is not UTF-8: byte {error.start} does not fit."))
    try:
        data = json.loads(text, parse_constant=_refuse_constant, parse_float=_read_float, object_pairs_hook=_read_object)
    except RecursionError:
        return _single(Wrong(PARSE_ERROR, f"The body is nested more than {MOST_LEVELS} levels deep."))
    except ValueError as error:
        # A decode error names a place; the others are our own words or those of the limit on digits.
        return _single(Wrong(PARSE_ERROR, f"The body is not JSON: {_words(error)}."))
    if _is_deeper(data, MOST_LEVELS):
        return _single(Wrong(PARSE_ERROR, f"The body is nested more than {MOST_LEVELS} levels deep."))
    if not isinstance(data, list):
        return _single(_read_member(data))
    if not data:
        return _single(Wrong(INVALID_REQUEST, "A batch has at least one member."))
    if len(data) > MOST_CALLS:
        return _single(Wrong(INVALID_REQUEST, f"A batch has at most {MOST_CALLS} members, and this one has {len(data)}."))
    return Message(tuple(_read_member(member) for member in data), batch=True)


def write_result(identity: str, result: Json) -> bytes:
    """Write the answer of a call that went well."""
    return b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (identity.encode(), _dump(result))


def write_error(identity: str, kind: ErrorCode, data: Json = None) -> bytes:
    """Write the answer of a call that did not."""
    error: dict[str, Json] = {"code": kind.code, "message": kind.message}
    if data is not None:
        error["data"] = data
    return b'{"jsonrpc":"2.0","id":%s,"error":%s}' % (identity.encode(), _dump(error))


def write_batch(answers: Sequence[bytes]) -> bytes:
    """Put the answers of a batch together."""
    return b"[%s]" % b",".join(answers)


def _dump(value: Json) -> bytes:
    # Escaped to ASCII: a lone surrogate that a caller sent in a name could not be written as UTF-8 at all.
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _single(member: Call | Wrong) -> Message:
    return Message((member,), batch=False)


def _read_member(data: Json) -> Call | Wrong:
    if not isinstance(data, dict):
        return Wrong(INVALID_REQUEST, "A request is an object.")
    notification = "id" not in data
    identity = None if notification else _write_id(data["id"])
    if not notification and identity is None:
        return Wrong(INVALID_REQUEST, "`id` is a string, a number or null.")
    # What is not a request is answered even without an id: nobody can know that it was meant as a notification.
    answer_to = NULL if identity is None else identity
    if data.get("jsonrpc") != "2.0":
        return Wrong(INVALID_REQUEST, '`jsonrpc` is exactly "2.0".', answer_to)
    method = data.get("method")
    if not isinstance(method, str):
        return Wrong(INVALID_REQUEST, "`method` is a string.", answer_to)
    params = data.get("params", {})
    if not isinstance(params, dict | list):
        return Wrong(INVALID_REQUEST, "`params` is an object or an array.", answer_to)
    return Call(method, params, identity)


def _write_id(value: Json) -> Id:
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        return None
    return json.dumps(value)


def _read_float(text: str) -> float:
    number = _Number(text)
    if number in (float("inf"), float("-inf")):
        msg = f"a number with {len(text)} characters is too large"
        raise ValueError(msg)
    number.text = text
    return number


def _refuse_constant(name: str) -> NoReturn:
    msg = f"`{name}` is not a number in JSON"
    raise ValueError(msg)


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        # Two readers of such a text may see two different requests, which is how checks in front of a server are passed by.
        msg = "an object has the same key twice"
        raise ValueError(msg)
    return fields


def _is_deeper(data: Json, levels: int) -> bool:
    left = [(data, 1)]
    while left:
        value, level = left.pop()
        if isinstance(value, dict | list):
            if level > levels:
                return True
            left += [(inner, level + 1) for inner in (value.values() if isinstance(value, dict) else value)]
    return False


def _words(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg[:1].lower()}{error.msg[1:]} at line {error.lineno}, column {error.colno}"
    text = str(error)
    return text if "key twice" in text or "in JSON" in text or "too large" in text else "a number has too many digits"
