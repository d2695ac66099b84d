"""A daemon on a simulated host, in a thread of its own, reached over its real socket."""

import asyncio
import contextlib
import http.client
import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from herocloud.rpc.daemon.service import Service, Settings
from herocloud.rpc.methods import all_methods
from herocloud.rpc.wire import daemon_sockets

HOST_FILE = """\
name: example
simulated: {memory: 32 GiB, disk: 2 TiB, cpus: 16, uplink: 10 Gbit/s}
images: {catalogue: ./images.yaml}
"""
IMAGES = """\
images:
  tiny:
    source: https://example.org/tiny.qcow2
    sha256: "0000000000000000000000000000000000000000000000000000000000000000"
    format: qcow2
    aliases: [small]
"""
SECONDS = 60.0
STANDARD = {-32700, -32600, -32601, -32602, -32603}
"""Errors that every method has; all others stand in the document of the method that gives them."""


class Reply(NamedTuple):
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Refusal(Exception):
    """A call was answered with an error."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(json.dumps(error))
        self.code = error["code"]
        self.data = error.get("data")


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))


class Daemon:
    """A running daemon."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.path = folder / "rpc.sock"
        chosen = Settings(folder, self.path, **settings)
        self.service = Service(chosen)
        self._files = contextlib.ExitStack()
        self._listeners = self._files.enter_context(daemon_sockets.bind(self.path, None, chosen.tcp, {}))
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(SECONDS)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self.service.serve(self._listeners, self._stop, self._ready.set))
        self._loop.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(SECONDS)
        self.service.close()
        self._files.close()

    def request(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
        connection = Connection(self.path)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
        finally:
            connection.close()

    def post(self, body: bytes | str) -> Reply:
        return self.request("POST", "/rpc", body.encode() if isinstance(body, str) else body)

    def call(self, method: str, /, **params: Any) -> Any:
        answer = self.post(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).json
        assert answer["id"] == 1
        if "error" in answer:
            known = self.service.table.get(method)
            codes = {error.code for error in known.errors} | STANDARD if known else STANDARD
            assert answer["error"]["code"] in codes, f"`{method}` does not declare {answer['error']}"
            raise Refusal(answer["error"])
        return answer["result"]

    def refused(self, method: str, /, **params: Any) -> Refusal:
        with pytest.raises(Refusal) as caught:
            self.call(method, **params)
        return caught.value

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SECONDS)
        connection.connect(str(self.path))
        return connection


def make_folder(host_file: str = HOST_FILE) -> Path:
    # pytest's own folders are too deep for the path of a socket.
    folder = Path(tempfile.mkdtemp(prefix="hc-rpc-"))
    (folder / "host.yaml").write_text(host_file, encoding="utf-8")
    (folder / "images.yaml").write_text(IMAGES, encoding="utf-8")
    return folder


def _unless_gone(_function: Callable[..., Any], _path: str, error: Any) -> None:
    # A step that nobody waits for any more lets go of its files when it notices.
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


@pytest.fixture
def folder() -> Iterator[Path]:
    made = make_folder()
    yield made
    shutil.rmtree(made, onerror=_unless_gone)


Start = Callable[..., Daemon]


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start daemons on the folder; a second one only after the first was closed."""
    running: list[Daemon] = []

    def begin(**settings: Any) -> Daemon:
        daemon = Daemon(folder, **settings)
        running.append(daemon)
        return daemon

    yield begin
    for daemon in running:
        if daemon._thread.is_alive():
            daemon.close()


@pytest.fixture
def daemon(start: Start) -> Daemon:
    return start()


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    """One daemon for all tests of a module that change nothing."""
    folder = make_folder()
    running = Daemon(folder)
    yield running
    running.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def document() -> dict[str, Any]:
    return all_methods.openrpc()
