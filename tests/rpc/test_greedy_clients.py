"""Clients that announce too much, send too slowly or open too many connections: they harm themselves alone."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.client import Client
from herocloud.rpc.client.call_errors import ClientError
from herocloud.rpc.wire import connection_places, peer_identity
from herocloud.rpc.wire.connection_places import Places

SECONDS = 60.0
HEALTH = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"


def read_all(connection: socket.socket) -> bytes:
    pieces = []
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def read_until(connection: socket.socket, last: bytes) -> bytes:
    found = b""
    while last not in found:
        piece = connection.recv(65536)
        assert piece, found
        found += piece
    return found


@pytest.mark.parametrize("length", ["1048577", "99999999999999"])
def test_a_body_that_is_announced_too_long_is_refused_before_it_comes(shared: Any, length: str) -> None:
    with shared.connect() as connection:
        connection.settimeout(10.0)
        connection.sendall(f"POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 413")


def test_the_head_of_a_later_request_has_no_more_time_than_that_of_the_first(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_identity, "REQUEST_SECONDS", 2.0)
    with daemon.connect() as connection:
        connection.settimeout(10.0)
        connection.sendall(HEALTH)
        answer = b""
        while not answer.endswith(b"}"):
            answer += (piece := connection.recv(65536))
            assert piece
        connection.sendall(b"GET /hea")
        assert read_all(connection) == b""


def test_where_all_of_a_caller_s_places_are_at_work_the_next_connection_is_refused(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_places, "of_this_process", lambda: Places(6, 3))
    # Nothing is written to a stream that would tell the daemon that its reader is gone.
    daemon = start(heartbeat=3600.0, upkeep=False)
    with contextlib.ExitStack() as streams:
        for _ in range(3):
            stream = streams.enter_context(daemon.connect())
            stream.sendall(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
            # To the end of what was sent: who closes with something unread is heard at once.
            assert read_until(stream, b"\n\n\r\n").startswith(b"HTTP/1.1 200")
        with daemon.connect() as connection:
            assert read_all(connection).startswith(b"HTTP/1.1 503")
        with pytest.raises(ClientError), Client(daemon.path) as client:
            client.rpc_health()
    # The daemon hears a moment later that the three are gone.
    ends = time.monotonic() + SECONDS
    while not is_ready(daemon.path):
        assert time.monotonic() < ends
        threading.Event().wait(0.01)


def test_a_stream_whose_reader_sends_no_more_goes_on(start: Any) -> None:
    daemon = start(heartbeat=3600.0, upkeep=False)
    with daemon.connect() as stream:
        stream.settimeout(SECONDS)
        stream.sendall(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
        read_until(stream, b"\n\n")
        stream.shutdown(socket.SHUT_WR)
        daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
        read_until(stream, b"event: job_done")


def is_ready(path: Path) -> bool:
    try:
        with Client(path) as client:
            return bool(client.rpc_health()["ready"])
    except ClientError:
        return False


class Idle:
    """A connection that stands for one of the daemon."""

    def __init__(self, *, at_work: bool = False) -> None:
        self.is_at_work = at_work
        self.given_up = False

    def give_up(self) -> None:
        self.given_up = True


def test_a_caller_s_own_idle_connections_go_first_and_then_those_of_whoever_has_most() -> None:
    places = Places(5, 3)
    greedy, others = [Idle(at_work=True), Idle(), Idle()], [Idle(), Idle()]
    assert all(places.enter("greedy", one) for one in greedy)
    assert all(places.enter("other", one) for one in others)
    assert places.enter("greedy", Idle())
    assert [one.given_up for one in greedy + others] == [False, True, False, False, False]
    assert places.enter("third", Idle())
    assert [one.given_up for one in greedy + others] == [False, True, True, False, False]
    places.leave("greedy", greedy[1])
    assert places.enter("third", Idle())
    assert [one.given_up for one in others] == [False, False]


@pytest.fixture
def limited(folder: Path) -> Iterator[Path]:
    """The socket of a daemon that may open few files."""
    path = folder / "rpc.sock"
    words = ["-m", "herocloud", "--data-dir", str(folder), "daemon", "run", "--socket", str(path)]
    command = ["/bin/sh", "-c", 'ulimit -Sn 256; exec "$@"', "sh", sys.executable, *words]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    ends = time.monotonic() + SECONDS
    with Client(path) as client:
        while True:
            try:
                client.rpc_health()
                break
            except ClientError:
                assert process.poll() is None
                assert time.monotonic() < ends
                threading.Event().wait(0.05)
    yield path
    os.kill(process.pid, signal.SIGTERM)
    process.wait(SECONDS)


HEAD = b"POST /rpc HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n"


@pytest.mark.parametrize("begun", [b"", b"POST /rpc HT", HEAD + b"{", HEALTH], ids=["nothing", "head", "body", "idle"])
def test_many_connections_of_one_caller_keep_nobody_out(limited: Path, begun: bytes) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            connection = stack.enter_context(socket.socket(socket.AF_UNIX))
            connection.settimeout(10.0)
            connection.connect(str(limited))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(begun)
                # One whose request is at work keeps its place.
                assert begun != HEALTH or connection.recv(65536)
        with Client(limited, timeout=10.0) as client:
            assert client.list_slices()[0]["state"] == "Free"
