"""What hostile input is thrown at: one applied stack, a VM in it whose guest is ours to play, and a server that answers as it likes."""

import contextlib
import json
import os
import pty
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

STACK = """\
stack: shop
images:
  tiny: {source: "https://example.org/tiny.raw", unpinned: true, format: raw}
vms:
  a: {image: tiny}
  b: {image: tiny}
"""


class Wild:
    """An agent that greets politely, and answers each command with a line of the test's choice."""

    def __init__(self, path: Path) -> None:
        self.lines: dict[str, bytes | Callable[[], bytes]] = {}
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._server.accept()
            except OSError:
                return
            with wire, contextlib.suppress(OSError), wire.makefile("rb") as stream:
                while line := stream.readline():
                    request = json.loads(line.rpartition(b"\xff")[2])
                    if request["execute"] == "guest-sync-delimited":
                        wire.sendall(b"\xff" + json.dumps({"return": request["arguments"]["id"]}).encode() + b"\n")
                        continue
                    answer = self.lines.get(request["execute"], b'{"return": {}}')
                    wire.sendall((answer() if callable(answer) else answer) + b"\n")


@pytest.fixture
def shop(herocloud: Any) -> Any:
    """Apply the stack on the simulator, and return the runner."""
    herocloud.write(STACK)
    herocloud.done("apply", "-y", "-q")
    return herocloud


@pytest.fixture
def with_row(shop: Any) -> Callable[[str, Callable[[list[Any]], Any]], None]:
    """Return a function that rewrites the record of an address behind the back of everybody."""

    def rewrite(address: str, change: Callable[[list[Any]], Any]) -> None:
        with contextlib.closing(sqlite3.connect(shop.data_folder / "state.db")) as state, state:
            (body,) = state.execute("SELECT body FROM records WHERE address = ? AND until IS NULL", (address,)).fetchone()
            state.execute(
                "UPDATE records SET body = ? WHERE address = ? AND until IS NULL", (json.dumps(change(json.loads(body))), address)
            )

    return rewrite


@pytest.fixture
def wild(shop: Any, with_row: Any) -> Iterator[Wild]:
    """Make a machine of QEMU of `vm.a`, whose guest answers as the test wants it."""
    from herocloud.model.worlds import Record
    from herocloud.providers.vmm import folders

    where = Record._fields.index("provider")
    with_row("vm.a", lambda body: [*body[:where], "qemu", *body[where + 1 :]])
    with contextlib.closing(sqlite3.connect(shop.data_folder / "state.db")) as state:
        (sid,) = state.execute("SELECT sid FROM records WHERE address = 'vm.a' AND until IS NULL").fetchone()
    path = folders.agent_socket(shop.data_folder, sid)
    agent = Wild(path)
    yield agent
    agent.close()
    shutil.rmtree(path.parent.parent, ignore_errors=True)


@pytest.fixture
def terminal(herocloud: Any) -> Callable[..., bytes]:
    """Return a function that runs a command on a terminal of its own, and returns every byte that reached the terminal."""

    def run(*arguments: str, **environment: str) -> bytes:
        ours, theirs = pty.openpty()
        heard = bytearray()

        def listen() -> None:
            with contextlib.suppress(OSError):
                while piece := os.read(ours, 65536):
                    heard.extend(piece)

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            subprocess.run(
                [sys.executable, "-m", "herocloud", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                cwd=herocloud.folder,
                env={**os.environ, **environment},
                timeout=60,
                check=False,
            )
        finally:
            os.close(theirs)
            listener.join(timeout=30)
            os.close(ours)
        return bytes(heard)

    return run
