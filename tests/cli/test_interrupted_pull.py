"""A pull that is interrupted keeps what has arrived, says so, and is gone on with."""

import hashlib
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

CONTENT = bytes(range(256)) * 16384
HALF = len(CONTENT) // 2


class Server:
    """Sends half of an image and waits, until it is told to send all."""

    def __init__(self) -> None:
        self.go, self.starts = threading.Event(), []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
                outer.starts.append(start)
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(CONTENT) - start))
                if wanted:
                    self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
                self.end_headers()
                self.wfile.write(CONTENT[start : max(start, HALF)])
                self.wfile.flush()
                if outer.go.wait(60):
                    self.wfile.write(CONTENT[max(start, HALF) :])

            def log_message(self, *_: Any) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/a.raw?signature=secret"


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server that waits half-way."""
    found = Server()
    yield found
    found.go.set()
    found.http.shutdown()
    found.http.server_close()


def wait_for_bytes(folder: Path) -> None:
    """Return once something of the download is in its file."""
    deadline, pause = time.monotonic() + 60, threading.Event()
    while not any(path.stat().st_size for path in folder.glob("*.part")):
        assert time.monotonic() < deadline, "nothing has arrived"
        pause.wait(0.02)


def with_interrupts(start: Callable[[], Any]) -> Any:
    """Start a process that hears an interrupt, also where this one was started in the background, which hears none and hands that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return start()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupted_pull_goes_on_where_it_stopped(
    herocloud: Any, data_folder: Path, server: Server, spawn: Callable[..., "subprocess.Popen[str]"], number: signal.Signals
) -> None:
    (data_folder / "host.yaml").unlink()
    digest = hashlib.sha256(CONTENT).hexdigest()
    herocloud.write(f"stack: shop\nimages:\n  a: {{source: '{server.address}', sha256: {digest}, format: raw}}\n")
    process = with_interrupts(lambda: spawn("image", "pull"))
    wait_for_bytes(data_folder / "images" / "downloads")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "What has arrived is kept; the next pull or apply goes on from there." in err
    assert "Traceback" not in err
    server.go.set()
    assert "a       yes" in herocloud.done("image", "pull").out
    assert server.starts[0] == 0
    for listed in (("list",), ("list", "--stored"), ("list", "--json"), ("verify",), ("verify", "--json"), ("prune", "--dry-run")):
        ran = herocloud.done("image", *listed)
        assert "127.0.0.1" in ran.out
        assert "secret" not in ran.both
    assert 0 < server.starts[1] <= HALF
