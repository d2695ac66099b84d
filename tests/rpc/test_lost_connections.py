"""Connections that break: a call that nobody would know again is never sent twice, and a stream of events has no gap."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.client import AsyncClient, Client, ConnectionLost
from herocloud.rpc.store.daemon_store import DaemonStore, NewEvent
from herocloud.rpc.store.event_log import EventLog

SECONDS = 30.0
Call = Callable[..., Any]


class Cutter:
    """A daemon that reads every call, and hangs up instead of answering those that it is told to."""

    def __init__(self, path: Path) -> None:
        self.seen: list[str] = []
        self.cuts: list[str] = []
        self.closes_after_answers = False
        self.closed = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            while line := reader.readline():
                length = 0
                while line.strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                    line = reader.readline()
                call = json.loads(reader.read(length))
                self.seen.append(call["method"])
                if call["method"] in self.cuts:
                    self.cuts.remove(call["method"])
                    break
                body = json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": {}}).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
                if self.closes_after_answers:
                    break
            # Everything of this connection is sent before its end is told.
            connection.shutdown(socket.SHUT_RDWR)
        self.closed.set()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def cutter(folder: Path) -> Iterator[Cutter]:
    made = Cutter(folder / "rpc.sock")
    yield made
    made.close()


@pytest.fixture(params=["blocking", "asynchronous"])
def call(request: pytest.FixtureRequest, folder: Path) -> Iterator[Call]:
    """Call methods by their names, through one client with what it keeps."""
    path = folder / "rpc.sock"
    if request.param == "blocking":
        with Client(path) as client:
            yield lambda name, *given: getattr(client, name)(*given)
        return
    with asyncio.Runner() as runner:
        awaited = AsyncClient(path)
        yield lambda name, *given: runner.run(getattr(awaited, name)(*given))
        runner.run(awaited.close())


def test_a_call_without_a_key_is_never_sent_twice(cutter: Cutter, call: Call) -> None:
    call("node_status")
    cutter.cuts = ["vm_exec"]
    with pytest.raises(ConnectionLost):
        call("vm_exec", "s1", "reboot")
    assert cutter.seen == ["node_status", "vm_exec"]
    call("node_status")
    assert cutter.seen == ["node_status", "vm_exec", "node_status"]


def test_a_call_with_a_key_is_sent_again(cutter: Cutter, call: Call) -> None:
    call("node_status")
    cutter.cuts = ["delete_vm", "delete_vm"]
    call("delete_vm", "s1")
    assert cutter.seen == ["node_status", *["delete_vm"] * 3]


def test_a_kept_connection_that_was_closed_meanwhile_is_not_used(cutter: Cutter, call: Call) -> None:
    cutter.closes_after_answers = True
    for _ in range(3):
        cutter.closed.clear()
        call("vm_exec", "s1", "date")
        assert cutter.closed.wait(SECONDS)
    assert cutter.seen == ["vm_exec"] * 3


def tell_something(folder: Path) -> None:
    """Put events into the log while nobody is connected."""
    with DaemonStore(folder) as store:
        log = EventLog(store)
        for _ in range(5):
            log.add(NewEvent("vm_state", data={"state": "running"}))
        log.close()


def test_events_from_now_on_have_no_gap_over_a_restart(start: Any) -> None:
    daemon = start()
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=SECONDS)
    daemon.service.events.flush()
    before = daemon.service.events.last
    seen: dict[str, list[int]] = {"blocking": [], "asynchronous": []}

    def read() -> None:
        for event in Client(daemon.path).stream_events():
            seen["blocking"].append(event["seq"])
            if event["type"] == "job_done":
                return

    async def read_awaited() -> None:
        async with contextlib.aclosing(AsyncClient(daemon.path).stream_events()) as events:
            async for event in events:
                seen["asynchronous"].append(event["seq"])
                if event["type"] == "job_done":
                    return

    readers = [threading.Thread(target=read), threading.Thread(target=lambda: asyncio.run(read_awaited()))]
    subscribed, all_there, leave = daemon.service.events.subscribe, threading.Event(), [0]

    def subscribe(wake: Any) -> Any:
        leave[0] += 1
        if leave[0] == len(readers):
            all_there.set()
        return subscribed(wake)

    daemon.service.events.subscribe = subscribe
    for reader in readers:
        reader.start()
    assert all_there.wait(SECONDS)
    daemon.close()
    tell_something(daemon.folder)
    second = start()
    second.call("stop_vm", sid="vnyhs9", wait=SECONDS)
    for reader in readers:
        reader.join(SECONDS)
    for found in seen.values():
        assert found == list(range(before + 1, before + 1 + len(found)))
        assert len(found) > 5
