"""HTTP to local programs: status codes are answers, silence is an error with a name."""

import contextlib
import http.server
import json
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits import http as client_kit
from herocloud.kits.http import HttpClient, HttpError, TimedOut, Unreachable


class _Handler(http.server.BaseHTTPRequestHandler):
    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        if self.path.endswith("/slow"):
            threading.Event().wait(1)
        if self.path.endswith("/broken"):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort")
            self.close_connection = True
            return
        said = json.dumps({"method": self.command, "path": self.path, "type": self.headers.get("Content-Type"), "body": body}).encode()
        self.send_response(404 if self.path.endswith("/missing") else 302 if self.path.endswith("/moved") else 200)
        if self.path.endswith("/moved"):
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815  (the names that the library looks for)

    def log_message(self, *_words: Any) -> None:
        pass

    def address_string(self) -> str:
        return "local"


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture(params=["port", "socket", "once"])
def client(request: Any, tmp_path: Path) -> Iterator[HttpClient]:
    if request.param == "port":
        server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        made = HttpClient(f"http://127.0.0.1:{server.server_address[1]}/api", timeout=5)
    else:
        server = _UnixServer(str(tmp_path / "s"), _Handler)
        made = HttpClient("http://localhost/api", socket=tmp_path / "s", timeout=5, keep=request.param == "socket")
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    with made:
        yield made
    server.shutdown()
    server.server_close()


def test_a_body_goes_as_json_and_an_answer_comes_back(client: HttpClient) -> None:
    answer = client.request("PUT", "/thing", {"a": 1})
    assert answer.ok
    assert answer.json() == {"method": "PUT", "path": "/api/thing", "type": "application/json", "body": '{"a":1}'}


def test_without_a_body_no_content_type_is_sent(client: HttpClient) -> None:
    assert client.request("PUT", "/thing").json() == {"method": "PUT", "path": "/api/thing", "type": None, "body": ""}


def test_a_status_that_is_not_success_is_an_answer(client: HttpClient) -> None:
    assert (client.request("GET", "/missing").status, client.request("GET", "/missing").ok) == (404, False)


def test_redirects_are_not_followed(client: HttpClient) -> None:
    assert client.request("GET", "/moved").status == 302


def test_a_slow_program_is_timed_out(client: HttpClient) -> None:
    with pytest.raises(TimedOut, match="did not answer GET /slow"):
        client.request("GET", "/slow", timeout=0.1)


def test_an_answer_that_breaks_off_is_an_error(client: HttpClient) -> None:
    with pytest.raises(HttpError, match="broke off"):
        client.request("GET", "/broken")


def test_proxies_of_the_environment_are_not_used(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert client.request("GET", "/thing").ok


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for one in (HttpClient(f"http://127.0.0.1:{port}"), HttpClient("http://localhost", socket=tmp_path / "none")):
        with one, pytest.raises(Unreachable, match="nobody answers"):
            one.request("GET", "/")


def test_a_socket_path_that_no_kernel_takes_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="longer than 107 bytes"):
        HttpClient("http://localhost", socket=tmp_path / ("x" * 120))


def test_text_that_is_not_json_is_an_error_of_reading() -> None:
    with pytest.raises(HttpError, match="not JSON"):
        client_kit.Answer(200, "<html>", {}).json()


def test_a_program_that_speaks_something_else_is_an_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def answer() -> None:
            wire, _ = listener.accept()
            with wire:
                wire.recv(1000)
                wire.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(HttpError, match="not understood"):
            HttpClient("http://localhost", socket=tmp_path / "s", timeout=5, keep=False).request("GET", "/x")


def test_a_program_that_trickles_is_bounded_as_a_whole(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        over = threading.Event()

        def trickle() -> None:
            wire, _ = listener.accept()
            with wire, contextlib.suppress(OSError):
                while not over.wait(0.05):
                    wire.sendall(b"x")

        threading.Thread(target=trickle, daemon=True).start()
        with pytest.raises(TimedOut):
            HttpClient("http://localhost", socket=tmp_path / "s", timeout=0.5, keep=False).request("GET", "/x")
        over.set()


def test_one_that_answers_before_it_has_read_everything_is_heard(tmp_path: Path) -> None:
    """As a program does that takes no long request: it says so, and closes."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def refuse() -> None:
            wire, _ = listener.accept()
            with wire:
                wire.sendall(b"HTTP/1.1 400 \r\nContent-Length: 8\r\n\r\ntoo long")

        answering = threading.Thread(target=refuse, daemon=True)
        answering.start()
        client = HttpClient("http://localhost", socket=tmp_path / "s", timeout=5, keep=False)
        answer = client.request("PUT", "/x", "x" * 4 * 1024**2)
        answering.join()
    assert (answer.status, answer.text) == (400, "too long")


def test_what_answers_on_a_socket_of_its_own_or_not_at_all_needs_no_httpx(tmp_path: Path) -> None:
    lines = [
        "import sys",
        "from pathlib import Path",
        "from herocloud.kits.http import HttpClient, Unreachable",
        f"clients = [HttpClient('http://localhost', socket=Path({str(tmp_path / 's')!r}), keep=False), HttpClient('http://127.0.0.1:9')]",
        "for client in clients:",
        "    try:",
        "        client.request('PUT', '/x', {})",
        "        raise SystemExit('somebody answers')",
        "    except Unreachable:",
        "        pass",
        "raise SystemExit('httpx was loaded' if 'httpx' in sys.modules else 0)",
    ]
    ran = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
