"""What goes over the socket byte by byte: ids, batches, notifications, nesting, sizes, slow and half-closed clients."""

import json
import socket
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from herocloud.rpc.calls import framing
from herocloud.rpc.calls.error_codes import INVALID_REQUEST, PARSE_ERROR

IDS = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.integers(-(10**40), 10**40),
    st.floats(allow_nan=False, allow_infinity=False),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _call(identity: Any, method: str = "rpc.health") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "method": method}


@hypothesis.given(IDS)
@hypothesis.settings(max_examples=30, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_an_id_comes_back_as_it_was(shared: Any, identity: Any) -> None:
    answer = shared.post(json.dumps(_call(identity))).json
    assert answer["id"] == identity
    assert type(answer["id"]) is type(identity)
    assert "result" in answer


@pytest.mark.parametrize("text", ["1.50", "1e2", "-0", "123456789012345678901234567890.125", '"\\ud800"', "null", '""', "0"])
def test_an_id_comes_back_with_the_digits_it_was_sent_with(shared: Any, text: str) -> None:
    reply = shared.post(b'{"jsonrpc":"2.0","id":%s,"method":"rpc.health"}' % text.encode())
    assert reply.body.startswith(b'{"jsonrpc":"2.0","id":%s,' % (b"0" if text == "-0" else text.encode()))


@pytest.mark.parametrize("identity", [True, False, [], {}, [1], {"a": 1}])
def test_an_id_of_another_type_is_an_invalid_request(shared: Any, identity: Any) -> None:
    answer = shared.post(json.dumps(_call(identity))).json
    assert (answer["id"], answer["error"]["code"]) == (None, -32600)


@hypothesis.given(st.lists(st.one_of(IDS.map(_call), JSON), min_size=1, max_size=12))
@hypothesis.settings(max_examples=30, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_a_batch_is_answered_member_by_member_in_order(shared: Any, members: list[Any]) -> None:
    answers = shared.post(json.dumps(members)).json
    assert isinstance(answers, list)
    assert len(answers) == len(members)
    for member, answer in zip(members, answers, strict=True):
        good = isinstance(member, dict) and member.get("jsonrpc") == "2.0"
        assert ("result" in answer) == good
        assert answer["id"] == (member["id"] if good else None)


@hypothesis.given(st.lists(st.sampled_from(["call", "notification"]), min_size=1, max_size=100))
@hypothesis.settings(max_examples=10, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_notifications_are_never_answered(shared: Any, kinds: list[str]) -> None:
    members = [
        _call(number) if kind == "call" else {"jsonrpc": "2.0", "method": "nothing.of.this.name"} for number, kind in enumerate(kinds)
    ]
    reply = shared.post(json.dumps(members))
    expected = [number for number, kind in enumerate(kinds) if kind == "call"]
    if expected:
        assert [answer["id"] for answer in reply.json] == expected
    else:
        assert (reply.status, reply.body) == (204, b"")


def test_a_notification_with_wrong_parameters_is_not_answered_either(shared: Any) -> None:
    assert shared.post('{"jsonrpc": "2.0", "method": "get_slice", "params": {"nonsense": 1}}').status == 204


def test_a_batch_has_a_hundred_members_at_most(shared: Any) -> None:
    assert len(shared.post(json.dumps([_call(number) for number in range(100)])).json) == 100
    answer = shared.post(json.dumps([_call(number) for number in range(101)])).json
    assert (answer["id"], answer["error"]["code"]) == (None, -32600)


def test_a_request_of_a_mebibyte_is_read_and_a_larger_one_is_refused(shared: Any) -> None:
    body = json.dumps(_call(1)).encode()
    assert shared.post(body + b" " * (framing.MOST_BYTES - len(body))).json["id"] == 1
    reply = shared.post(body + b" " * (framing.MOST_BYTES - len(body) + 1))
    assert (reply.status, reply.json["error"]["code"], reply.json["id"]) == (413, -32600, None)


def test_what_is_refused_before_it_is_read_is_told_in_the_form_of_every_diagnostic(shared: Any) -> None:
    (form,) = shared.post(json.dumps(_call(1, "nonsense"))).json["error"]["data"]["diagnostics"]
    too_long, empty, events = shared.post(b" " * (framing.MOST_BYTES + 1)), shared.post(b" "), shared.request("GET", "/events?from=x")
    assert events.status == 400
    for data in (too_long.json["error"]["data"], empty.json["error"]["data"], events.json):
        (found,) = data["diagnostics"]
        assert found.keys() == form.keys()
        assert found["code"] == "bad-request"


def test_a_large_body_without_a_length_is_refused_too(shared: Any) -> None:
    with shared.connect() as connection:
        connection.sendall(b"POST /rpc HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
        try:
            for _ in range(40):
                connection.sendall(piece)
            connection.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return
        assert _read_all(connection).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("depth", [65, 1000, 100_000])
def test_deep_nesting_is_refused(shared: Any, depth: int) -> None:
    answer = shared.post(b"[" * depth + b"]" * depth).json
    assert (answer["id"], answer["error"]["code"]) == (None, -32700)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"\xff\xfe",
        b'{"jsonrpc": "2.0", "id": 1, "method": "rpc.\xc3\x28"}',
        b'\xef\xbb\xbf{"jsonrpc": "2.0", "id": 1, "method": "rpc.health"}',
        b'{"jsonrpc": "2.0", "id": NaN, "method": "rpc.health"}',
        b'{"jsonrpc": "2.0", "id": 1e999, "method": "rpc.health"}',
        b'{"jsonrpc": "2.0", "id": 1, "id": 2, "method": "rpc.health"}',
        b'{"jsonrpc": "2.0", "id": ' + b"9" * 5000 + b', "method": "rpc.health"}',
        '{"jsonrpc": "2.0", "id": 1, "method": "rpc.health"}'.encode("utf-16"),
        b'{"jsonrpc": "2.0", "id": 1, "method": "rpc.health"} {}',
    ],
)
def test_what_is_not_json_to_the_letter_is_a_parse_error(shared: Any, body: bytes) -> None:
    answer = shared.post(body).json
    assert (answer["id"], answer["error"]["code"]) == (None, -32700)


@hypothesis.given(st.binary(max_size=300))
@hypothesis.settings(max_examples=150)
def test_reading_never_fails_whatever_arrives(body: bytes) -> None:
    message = framing.read(body)
    assert message.members
    assert all(isinstance(member, framing.Call) or member.kind in (PARSE_ERROR, INVALID_REQUEST) for member in message.members)


@hypothesis.given(JSON)
@hypothesis.settings(max_examples=150)
def test_reading_takes_any_json(value: Any) -> None:
    assert framing.read(json.dumps(value, allow_nan=True).encode()).members


@pytest.mark.parametrize("params", [None, 1, "x", True])
def test_parameters_that_are_no_structure_are_an_invalid_request(shared: Any, params: Any) -> None:
    answer = shared.post(json.dumps({**_call(7), "params": params})).json
    assert (answer["id"], answer["error"]["code"]) == (7, -32600)


def test_a_client_that_sends_byte_by_byte_is_answered(shared: Any) -> None:
    body = json.dumps(_call("slow")).encode()
    with shared.connect() as connection:
        for byte in b"POST /rpc HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body:
            connection.sendall(bytes([byte]))
        assert b'"id":"slow","result"' in _read_all(connection)


def test_a_client_that_closes_its_sending_side_still_gets_its_answer(shared: Any) -> None:
    body = json.dumps(_call("half")).encode()
    with shared.connect() as connection:
        connection.sendall(b"POST /rpc HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        connection.shutdown(socket.SHUT_WR)
        assert b'"id":"half","result"' in _read_all(connection)


def test_a_client_that_goes_away_in_the_middle_harms_nobody(shared: Any) -> None:
    for cut in (b"POST /rpc HT", b"POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-length: 500\r\n\r\n{", b"\x00\x01\x02\r\n\r\n"):
        with shared.connect() as connection:
            connection.sendall(cut)
    assert shared.call("rpc.health")["status"] == "ok"


def _read_all(connection: socket.socket) -> bytes:
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)
