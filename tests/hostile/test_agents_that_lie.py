"""What a guest's agent answers is a finding about that guest: never a defect, a traceback, or a way to hold a command up."""

import base64
import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.world

INFO = b'{"return": {"version": "1", "supported_commands": []}}'
READS = json.dumps(
    {
        "return": {
            "version": "1",
            "supported_commands": [{"name": f"guest-file-{verb}", "enabled": True} for verb in ("open", "read", "close")],
        }
    }
).encode()
STARTED = b'{"return": {"pid": 7}}'
EXEC, STATUS = "guest-exec", "guest-exec-status"

ODD = {
    "info is a list": ("guest-info", b'{"return": [1]}'),
    "info is a number": ("guest-info", b'{"return": 1}'),
    "info is nothing": ("guest-info", b'{"return": null}'),
    "commands are a text": ("guest-info", b'{"return": {"supported_commands": "abc"}}'),
    "commands are numbers": ("guest-info", b'{"return": {"supported_commands": [1, 2]}}'),
    "a command without a name": ("guest-info", b'{"return": {"supported_commands": [{}]}}'),
    "a command with a list for a name": ("guest-info", b'{"return": {"supported_commands": [{"name": []}]}}'),
    "commands without end": ("guest-info", b'{"return": {"supported_commands": [' + b",".join([b'{"name":"a"}'] * 60_000) + b"]}}"),
    "pid is a text": (EXEC, b'{"return": {"pid": "x"}}'),
    "pid is missing": (EXEC, b'{"return": {}}'),
    "pid is a list": (EXEC, b'{"return": {"pid": [7]}}'),
    "pid is nothing": (EXEC, b'{"return": {"pid": null}}'),
    "pid is true": (EXEC, b'{"return": {"pid": true}}'),
    "pid is negative": (EXEC, b'{"return": {"pid": -1}}'),
    "pid has 5000 digits": (EXEC, b'{"return": {"pid": ' + b"9" * 5000 + b"}}"),
    "pid is infinite": (EXEC, b'{"return": {"pid": Infinity}}'),
    "exec answers with a list": (EXEC, b'{"return": []}'),
    "exec answers with a text": (EXEC, b'{"return": "pid"}'),
    "exit code is 2**70": (STATUS, b'{"return": {"exited": true, "exitcode": %d}}' % 2**70),
    "exit code is a text": (STATUS, b'{"return": {"exited": true, "exitcode": "none"}}'),
    "exit code is a float": (STATUS, b'{"return": {"exited": true, "exitcode": 1.5}}'),
    "exit code is a list": (STATUS, b'{"return": {"exited": true, "exitcode": [0]}}'),
    "exit code is not a number": (STATUS, b'{"return": {"exited": true, "exitcode": NaN}}'),
    "signal is 10**30": (STATUS, b'{"return": {"exited": true, "signal": %d}}' % 10**30),
    "signal is a text": (STATUS, b'{"return": {"exited": true, "signal": "KILL"}}'),
    "exited is a text": (STATUS, b'{"return": {"exited": "yes"}}'),
    "output is a number": (STATUS, b'{"return": {"exited": true, "exitcode": 0, "out-data": 5}}'),
    "output is not base64": (STATUS, b'{"return": {"exited": true, "exitcode": 0, "out-data": "%%%%"}}'),
    "output is not ASCII": (STATUS, '{"return": {"exited": true, "exitcode": 0, "err-data": "ü"}}'.encode()),
    "status is a list": (STATUS, b'{"return": []}'),
    "status is a number": (STATUS, b'{"return": 0}'),
    "nested a hundred thousand deep": (STATUS, b'{"return": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "nested forty deep": (STATUS, b'{"return": {"exited": true, "exitcode": 0, "more": ' + b"[" * 40 + b"]" * 40 + b"}}"),
}
"""Each made `vm exec` print "a defect in herocloud", a traceback, or a code that no program ended with."""


@pytest.mark.parametrize("name", ODD)
def test_an_odd_answer_is_the_guests_fault(shop: Any, wild: Any, name: str) -> None:
    command, line = ODD[name]
    wild.lines = {"guest-info": INFO, EXEC: STARTED, STATUS: b'{"return": {"exited": true, "exitcode": 0}}', command: line}
    ran = shop("vm", "exec", "a", "--timeout", "20", "--no-stdin", "--", "true")
    assert "defect" not in ran.err, ran.both
    assert "Traceback" not in ran.err, ran.both
    assert ran.code == 1, ran.both
    assert "The guest's agent misbehaves" in ran.err, ran.both


@pytest.mark.parametrize(
    "error",
    [b'"text"', b"[]", b"null", b'{"class": 5, "desc": {"a": 1}}', b'{"desc": "\\ud800"}'],
    ids=["a text", "a list", "nothing", "other types", "half a letter"],
)
def test_an_odd_refusal_is_a_refusal(shop: Any, wild: Any, error: bytes) -> None:
    wild.lines = {"guest-info": INFO, EXEC: b'{"error": ' + error + b"}"}
    ran = shop("vm", "exec", "a", "--timeout", "20", "--no-stdin", "--", "true")
    assert (ran.code, "the agent does not run programs" in ran.err, "defect" in ran.err) == (1, True, False), ran.both


@pytest.fixture
def endless(wild: Any) -> None:
    """Let the guest have a file that never ends."""
    piece = json.dumps({"return": {"count": 49152, "eof": False, "buf-b64": base64.b64encode(b"x" * 49152).decode()}}).encode()
    shell = json.dumps({"return": {"exited": True, "exitcode": 0, "out-data": base64.b64encode(b"/tmp/d\n").decode()}}).encode()
    statuses = itertools.chain([shell], itertools.repeat(b'{"return": {"exited": true, "exitcode": 0}}'))
    turn: Callable[[], bytes] = lambda: next(statuses)  # noqa: E731
    wild.lines = {"guest-info": READS, EXEC: STARTED, STATUS: turn, "guest-file-open": b'{"return": 1}', "guest-file-read": piece}


def test_a_file_without_end_ends_with_the_commands_time(shop: Any, wild: Any, endless: None) -> None:
    stop = time.monotonic() + 15
    piece = wild.lines["guest-file-read"]
    wild.lines["guest-file-read"] = lambda: piece if time.monotonic() < stop else b'{"return": {"count": 0, "eof": true}}'
    began = time.monotonic()
    ran = shop("vm", "exec", "a", "--timeout", "2", "--no-stdin", "--", "true")
    assert time.monotonic() - began < 8, "the command outlasted its time"
    assert (ran.code, "has not ended in time" in ran.err) == (1, True), ran.err[-500:]


def test_a_piece_that_is_larger_than_what_was_asked_for_is_refused(shop: Any, wild: Any, endless: None) -> None:
    content = base64.b64encode(b"x" * 1_000_000).decode()
    pieces = itertools.chain(
        [json.dumps({"return": {"count": 10, "eof": True, "buf-b64": content}}).encode()], itertools.repeat(b'{"return": {"eof": true}}')
    )
    wild.lines["guest-file-read"] = lambda: next(pieces)
    ran = shop("vm", "exec", "a", "--timeout", "20", "--no-stdin", "--", "true")
    assert (ran.code, "misbehaves" in ran.err, len(ran.out)) == (1, True, 0), ran.err


def test_json_output_has_an_end(shop: Any, wild: Any) -> None:
    much = base64.b64encode(b"x" * 9_000_000)
    status = b'{"return": {"exited": false, "out-data": "' + much + b'"}}'
    turns = itertools.count()
    wild.lines = {
        "guest-info": INFO,
        EXEC: STARTED,
        STATUS: lambda: status if next(turns) < 12 else b'{"return": {"exited": true, "exitcode": 0}}',
    }
    ran = shop("vm", "exec", "a", "--json", "--timeout", "60", "--no-stdin", "--", "true")
    assert (ran.code, "The output is too long" in ran.err) == (1, True), ran.err[-500:]


def test_a_code_beyond_a_byte_does_not_become_success(shop: Any, wild: Any) -> None:
    wild.lines = {"guest-info": INFO, EXEC: STARTED, STATUS: b'{"return": {"exited": true, "exitcode": 256}}'}
    assert shop("vm", "exec", "a", "--no-stdin", "--", "true").code == 1
    assert json.loads(shop("vm", "exec", "a", "--json", "--no-stdin", "--", "true").out)["exit_code"] == 256
