"""HTTP to programs on this host: over a Unix socket or a loopback port, JSON in and out. The one module here that knows httpx.

Only local programs are called this way, so the environment's proxies are never used, no certificate store is loaded (which alone takes
60 ms), redirects are not followed, and one connection is enough. A status code is an answer and not an error: what 404 means is known by
the caller. What is an error is that no answer came; whether the request was received is then unknown, except for `Unreachable`.
"""

import contextlib
import re
import socket as socket_module
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from herocloud.kits import jsons, own_sockets
from herocloud.kits.jsons import Json

if TYPE_CHECKING:
    import httpx

_LONGEST_SOCKET_PATH = 107
_LARGEST_ANSWER = 16 * 1024**2


_CONNECTING = 3.0
"""Seconds to connect to a port of this host, which answers at once if anything does."""
_STATUS, _LENGTH = re.compile(r"[0-9]{3}"), re.compile(r"[0-9]{1,12}")


class HttpError(Exception):
    """No answer came."""


class Unreachable(HttpError):
    """Nobody accepts connections there; the request was not sent."""


class Dropped(HttpError):
    """Nobody answers the wish to connect, neither with yes nor with no; on one host only a firewall does that."""


class TimedOut(HttpError):
    """The program accepted the connection and did not answer in time."""


class Answer(NamedTuple):
    """What a program answered."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Return whether the status is one of success."""
        return 200 <= self.status < 300

    def json(self) -> Json:
        """Read the body; raises `HttpError` when it is not JSON."""
        try:
            return jsons.loads(self.text)
        except ValueError as error:
            raise HttpError(f"the answer is not JSON: {self.text[:200]!r}") from error


class HttpClient:
    """A client of one local program. It may be used by many threads; make one for each socket, because connections are kept."""

    def __init__(self, base: str, *, socket: Path | None = None, timeout: float = 10.0, connections: int = 4, keep: bool = True) -> None:
        """Remember where the program listens: `base` is `http://127.0.0.1:8989/api/v1`, or any name with a `socket`.

        With `keep` false every request has a connection of its own, for programs that serve only a few.
        """
        if socket is not None and len(str(socket).encode()) > _LONGEST_SOCKET_PATH:
            raise Unreachable(f"the path of the socket `{socket}` is longer than {_LONGEST_SOCKET_PATH} bytes")
        self._base, self._socket, self._timeout = base.rstrip("/"), socket, timeout
        self._connections, self._kept = connections, connections if keep else 0
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()
        self._answers = False

    def request(self, method: str, path: str, body: Json = None, *, timeout: float | None = None) -> Answer:
        """Send a request and return the answer, whatever its status. A body that is not None goes as JSON."""
        content = None if body is None else jsons.dumps(body).encode()
        given = self._timeout if timeout is None else timeout
        if self._socket is not None and not self._kept:
            prefix = "/".join(["", *self._base.split("/")[3:]])
            return _ask_once(self._socket, _Question(method, prefix, path, content), given)
        if self._client is None and self._socket is None:
            self._look_for_port(min(given, _CONNECTING))
        import httpx

        headers = {} if content is None else {"Content-Type": "application/json"}
        longest = given if self._socket is not None else _CONNECTING
        where = str(self._socket) if self._socket is not None else self._base
        if self._socket is not None and not self._answers:
            _knock(self._socket)
        self._answers = False
        try:
            answer = self._ready().request(
                method,
                f"{self._base}{path}",
                content=content,
                headers=headers,
                timeout=httpx.Timeout(given, connect=min(given, longest)),
            )
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if self._socket is None and isinstance(error, httpx.ConnectTimeout):
                raise Dropped(_dropped(where)) from error
            raise Unreachable(f"nobody answers at `{where}` ({error})") from error
        except httpx.TimeoutException as error:
            raise TimedOut(f"`{where}` did not answer {method} {path} in time") from error
        except httpx.HTTPError as error:
            raise HttpError(f"`{where}` broke off {method} {path} ({error})") from error
        self._answers = True
        return Answer(answer.status_code, answer.text, answer.headers)

    def _look_for_port(self, seconds: float) -> None:
        """Find out whether anybody listens on a port: loading httpx only to hear that nobody does takes most of a small plan."""
        host, _, port = self._base.split("/")[2].rpartition(":")
        try:
            socket_module.create_connection((host.strip("[]"), int(port)), seconds).close()
        except TimeoutError as error:
            raise Dropped(_dropped(self._base)) from error
        except OSError as error:
            raise Unreachable(f"nobody answers at `{self._base}` ({error})") from error

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        """Use the client for a while."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the connections."""
        self.close()

    def _ready(self) -> "httpx.Client":
        with self._lock:
            if self._client is None:
                self._client = self._make(None if self._socket is None else str(self._socket))
        return self._client

    def _make(self, socket: str | None) -> "httpx.Client":
        import httpx

        limits = httpx.Limits(max_connections=self._connections, max_keepalive_connections=self._kept)
        transport = httpx.HTTPTransport(uds=socket, verify=False, trust_env=False, limits=limits)
        return httpx.Client(transport=transport, trust_env=False)


def _dropped(where: str) -> str:
    return f"connecting to `{where}` comes to no end; a firewall that drops what comes in by `lo` does that"


class _Question(NamedTuple):
    """What is asked over a socket of its own."""

    method: str
    prefix: str
    path: str
    content: bytes | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def as_bytes(self) -> bytes:
        """Return what is sent."""
        lines = [f"{self.method} {self.prefix}{self.path} HTTP/1.1", "Host: localhost", "Accept: application/json"]
        if self.content is not None:
            lines.append("Content-Type: application/json")
        if self.method != "GET":
            lines.append(f"Content-Length: {len(self.content or b'')}")
        return "\r\n".join([*lines, "", ""]).encode() + (self.content or b"")


def _ask_once(socket: Path, question: _Question, timeout: float) -> Answer:
    """Put one question over a socket of its own. httpx takes longer to load, and ten times as long for each of them."""
    until = time.monotonic() + timeout
    read = bytearray()
    with socket_module.socket(socket_module.AF_UNIX, socket_module.SOCK_STREAM | socket_module.SOCK_CLOEXEC) as wire:
        wire.settimeout(timeout)
        try:
            with own_sockets.held(socket) as place:
                wire.connect(place)
        except OSError as error:
            raise Unreachable(f"nobody answers at `{socket}` ({error.strerror})") from error
        try:
            # One that has read enough may answer and close at once: what it says is the better message.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                wire.sendall(question.as_bytes())
            while (answer := parse_answer(read)) is None:
                wire.settimeout(max(0.001, until - time.monotonic()))
                piece = wire.recv(65536)
                if not piece or len(read) > _LARGEST_ANSWER:
                    raise HttpError(f"`{socket}` broke off {question}")
                read += piece
        except TimeoutError as error:
            raise TimedOut(f"`{socket}` did not answer {question} in time") from error
        except OSError as error:
            raise HttpError(f"`{socket}` broke off {question} ({error.strerror})") from error
    return answer


def parse_answer(read: bytearray) -> Answer | None:
    """Return an answer once all of it is there; one without a length has no body."""
    head, end, body = bytes(read).partition(b"\r\n\r\n")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = headers.get("content-length", "0")
    if (
        not words[0].startswith("HTTP/1.")
        or len(words) < 2
        or not _STATUS.fullmatch(words[1])
        or not _LENGTH.fullmatch(length)
        or "transfer-encoding" in headers
    ):
        raise HttpError(f"the answer is not understood: {first[:100]!r}")
    if len(body) < int(length):
        return None
    return Answer(int(words[1]), body[: int(length)].decode(errors="replace"), headers)


def _knock(path: Path) -> None:
    """Find out whether anybody listens on a socket. httpcore forgets to close its own when nobody does, which warns at random later."""
    with socket_module.socket(socket_module.AF_UNIX, socket_module.SOCK_STREAM | socket_module.SOCK_CLOEXEC) as probe:
        try:
            with own_sockets.held(path) as place:
                probe.connect(place)
        except OSError as error:
            raise Unreachable(f"nobody answers at `{path}` ({error.strerror})") from error
