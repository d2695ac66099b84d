"""The examples of the JSON-RPC 2.0 specification, one by one, over the real socket.

Its methods (`subtract`, `sum`, …) are served by a table of their own; framing, dispatch and transport are the daemon's.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from herocloud.rpc.calls import method_table
from herocloud.rpc.calls.method_table import Example, declare

NOTHING = Example({}, None)


@declare("arithmetic", example=NOTHING)
def subtract(_desk: Any, minuend: int, subtrahend: int) -> int:
    """Subtract."""
    return minuend - subtrahend


@declare("arithmetic", example=NOTHING)
def get_data(_desk: Any) -> list[Any]:
    """Get data."""
    return ["hello", 5]


def _sum_of(name: str) -> Any:
    def add(_desk: Any, a: int = 0, b: int = 0, c: int = 0) -> int:
        """Add."""
        return a + b + c

    add.__name__ = name
    return declare("arithmetic", example=NOTHING)(add)


def _silent(name: str) -> Any:
    def take(_desk: Any, a: int = 0, b: int = 0, c: int = 0, d: int = 0, e: int = 0) -> None:
        """Take."""

    take.__name__ = name
    return declare("arithmetic", example=NOTHING)(take)


@pytest.fixture
def served(shared: Any) -> Iterator[Any]:
    before = shared.service.table
    shared.service.table = method_table.collect(
        [subtract, get_data, _sum_of("sum"), _silent("update"), _silent("notify_hello"), _silent("notify_sum")]
    )
    yield shared
    shared.service.table = before


EXAMPLES = {
    "positional parameters": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}',
        '{"jsonrpc": "2.0", "result": 19, "id": 1}',
    ),
    "positional parameters the other way round": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": [23, 42], "id": 2}',
        '{"jsonrpc": "2.0", "result": -19, "id": 2}',
    ),
    "named parameters": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"subtrahend": 23, "minuend": 42}, "id": 3}',
        '{"jsonrpc": "2.0", "result": 19, "id": 3}',
    ),
    "named parameters in another order": (
        '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42, "subtrahend": 23}, "id": 4}',
        '{"jsonrpc": "2.0", "result": 19, "id": 4}',
    ),
    "a notification": ('{"jsonrpc": "2.0", "method": "update", "params": [1,2,3,4,5]}', None),
    "a notification of a method that does not exist": ('{"jsonrpc": "2.0", "method": "foobar"}', None),
    "a method that does not exist": (
        '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
        '{"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"}',
    ),
    "invalid JSON": (
        '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
    ),
    "an invalid request": (
        '{"jsonrpc": "2.0", "method": 1, "params": "bar"}',
        '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}',
    ),
    "a batch of invalid JSON": (
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"]',
        '{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": null}',
    ),
    "an empty batch": ("[]", '{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}'),
    "an invalid batch with one member": (
        "[1]",
        '[{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}]',
    ),
    "an invalid batch": (
        "[1,2,3]",
        "[" + ",".join(['{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null}'] * 3) + "]",
    ),
    "a mixed batch": (
        """[
            {"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
            {"jsonrpc": "2.0", "method": "subtract", "params": [42,23], "id": "2"},
            {"foo": "boo"},
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {"jsonrpc": "2.0", "method": "get_data", "id": "9"}
        ]""",
        """[
            {"jsonrpc": "2.0", "result": 7, "id": "1"},
            {"jsonrpc": "2.0", "result": 19, "id": "2"},
            {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": null},
            {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
            {"jsonrpc": "2.0", "result": ["hello", 5], "id": "9"}
        ]""",
    ),
    "a batch of notifications": (
        '[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]}, {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]',
        None,
    ),
}


def _without_data(answer: Any) -> Any:
    """Leave out `data`, which the specification leaves to the server."""
    if isinstance(answer, list):
        return [_without_data(member) for member in answer]
    if "error" in answer:
        answer["error"].pop("data", None)
    return answer


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_answered_as_the_specification_says(served: Any, name: str) -> None:
    request, expected = EXAMPLES[name]
    reply = served.post(request)
    if expected is None:
        assert (reply.status, reply.body) == (204, b"")
    else:
        assert reply.status == 200
        assert _without_data(reply.json) == json.loads(expected)
