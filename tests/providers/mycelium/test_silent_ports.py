"""Somebody else holds the daemon's port and keeps silent: a short wait, once, and the name of who does it."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.kits import http, listeners
from herocloud.model.errors import Temporary
from herocloud.providers.mycelium import host_daemon, node_settings, running_daemon, silent_ports


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(node_settings, "API_PORT", server.getsockname()[1])
        yield server


def test_it_is_given_three_seconds_once_and_named(silent: socket.socket, tmp_path: Path) -> None:
    assert silent_ports.PATIENCE == 3.0
    begun = time.monotonic()
    words = rf"port {node_settings.API_PORT} .* is held by .* \(process {os.getpid()}\), which does not answer"
    for _ in range(3):
        with pytest.raises(Temporary, match=words):
            host_daemon.find(tmp_path)
    seen = running_daemon.look_up(tmp_path)
    assert seen is not None
    assert "does not answer" in seen.trouble
    assert time.monotonic() - begun < 2 * silent_ports.PATIENCE


def test_nothing_is_remembered_of_one_that_is_gone(silent: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silent_ports, "PATIENCE", 0.1)
    with pytest.raises(Temporary):
        host_daemon.find(tmp_path)
    silent.close()
    assert host_daemon.find(tmp_path) is None


def test_a_daemon_that_is_kept_busy_is_given_its_time(silent: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = listeners.find_holder(node_settings.API_PORT)
    assert holder is not None
    monkeypatch.setattr(listeners, "find_holder", lambda _port: holder._replace(program="mycelium"))
    asked = []

    def ask(_port: int, patience: float) -> str:
        asked.append(patience)
        if len(asked) == 1:
            raise Temporary("silent")
        return "node"

    assert silent_ports.ask(node_settings.API_PORT, ask) == "node"
    assert asked == [3.0, 20.0]


def test_a_port_that_nobody_holds_has_no_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listeners.find_holder(port) is not None
    assert listeners.find_holder(port) is None


def test_a_port_to_which_connections_are_dropped_is_given_little_time_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, silent: socket.socket
) -> None:
    """A program that accepts nothing looks as a firewall on `lo` does: nobody answers the wish to connect."""
    monkeypatch.setattr(http, "_CONNECTING", 0.5)
    holder = listeners.find_holder(node_settings.API_PORT)
    assert holder is not None
    monkeypatch.setattr(listeners, "find_holder", lambda _port: holder._replace(program="mycelium"))
    silent.listen(0)
    waiting = [socket.socket() for _ in range(4)]
    try:
        for one in waiting:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(silent.getsockname())
        begun = time.monotonic()
        for _ in range(3):
            with pytest.raises(Temporary, match=r"cannot be reached: connecting to .* comes to no end; a firewall"):
                host_daemon.find(tmp_path)
        assert time.monotonic() - begun < 3.0
    finally:
        for one in waiting:
            one.close()
