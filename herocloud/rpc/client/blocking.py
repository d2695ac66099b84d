"""The client that blocks."""

import contextlib
import http.client
import socket
import threading
import time
import weakref
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from herocloud.rpc.client import addresses, wire
from herocloud.rpc.client.addresses import Address
from herocloud.rpc.client.call_errors import ConnectionLost, NoDaemon
from herocloud.rpc.client.schema_types import EventInfo, JobInfo
from herocloud.rpc.client.sync_methods import SyncMethods

if TYPE_CHECKING:
    import ssl


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket, or over TCP with a token."""

    def __init__(self, address: Address, timeout: float | None) -> None:
        super().__init__(address.host, address.port, timeout=timeout)
        self._address = address

    def connect(self) -> None:
        try:
            self.sock = self._open()
        except OSError as error:
            raise NoDaemon(f"nobody answers at `{self._address.text}`: {error.strerror or error}") from error

    def _open(self) -> socket.socket:
        found = self._address
        if found.path is None:
            opened = socket.create_connection((found.host, found.port), self.timeout)
        else:
            opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if found.path is not None:
                opened.settimeout(self.timeout)
                opened.connect(str(found.path))
            return opened if found.tls is None else found.tls.wrap_socket(opened, server_hostname=found.host)
        except BaseException:
            opened.close()
            raise

    @property
    def is_closed(self) -> bool:
        """Whether the daemon has closed it since it was used."""
        return self.sock is not None and wire.is_closed(self.sock.fileno())


class Client(SyncMethods):
    """A daemon, from the outside. Threads may share one; each has its own connection."""

    def __init__(
        self,
        path: Path | str | None = None,
        *,
        timeout: float | None = 330.0,
        token: str | None = None,
        tls: "ssl.SSLContext | None" = None,
    ) -> None:
        """Remember where the daemon listens; `timeout` is for one answer and longer than any the daemon waits.

        Over TCP `path` is a URL like `https://192.0.2.7:8443`, with the `token`, and with `tls` where its certificate is not a usual one.
        """
        self.address = addresses.read(wire.default_socket() if path is None else path, token, tls)
        self.path = self.address.path
        self._timeout = timeout
        self._local = threading.local()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._is_broken_off = False

    def __enter__(self) -> Self:
        """Allow `with Client(…) as client`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close at the end of the block."""
        self.close()

    def close(self) -> None:
        """Close the connection of this thread."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def break_off(self) -> None:
        """End whatever a thread waits for here, and all that is asked later, with `ConnectionLost`; from any thread."""
        self._is_broken_off = True
        for connection in list(self._connections):
            if (opened := connection.sock) is not None:
                with contextlib.suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)

    def _connect(self, timeout: float | None) -> _Connection:
        connection = _Connection(self.address, timeout)
        self._connections.add(connection)
        return connection

    def _require_unbroken(self) -> None:
        if self._is_broken_off:
            raise ConnectionLost("it was broken off here")

    def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """Call any method by its name."""
        params, again = wire.with_key(params)
        body = wire.write_request(method, params)
        lost: ConnectionLost | None = None
        for pause in wire.PAUSES:
            try:
                return wire.read_answer(self._post(body))
            except NoDaemon:
                if lost is None:
                    raise
            except ConnectionLost as error:
                if not again or self._is_broken_off:
                    raise
                lost = error
            time.sleep(pause)
        assert lost is not None  # noqa: S101  (else there was an answer)
        raise lost

    def _post(self, body: bytes) -> bytes:
        self._require_unbroken()
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is not None and connection.is_closed:
            connection.close()
        if connection is None:
            connection = self._local.connection = self._connect(self._timeout)
        try:
            connection.request("POST", "/rpc", body, {**self.address.headers, "content-type": "application/json"})
            return connection.getresponse().read()
        except NoDaemon:
            self.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ConnectionLost(f"the answer did not come: {error}") from error

    def wait(self, job: JobInfo | str, *, secret: str = "", timeout: float | None = None) -> JobInfo:
        """Wait until a job has ended, over lost connections and restarts of the daemon; raises unless it is done."""
        identity = job if isinstance(job, str) else job["job_id"]
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = wire.WAIT_SECONDS if deadline is None else min(wire.WAIT_SECONDS, deadline - time.monotonic())
            try:
                found = self.wait_job(identity, timeout=max(0.0, left), secret=secret)
            except (ConnectionLost, NoDaemon):
                if deadline is not None and time.monotonic() >= deadline:
                    raise
                time.sleep(0.5)
                continue
            if wire.has_ended(found):
                wire.require_done(found)
                return found
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{identity} is {found['status']} after {timeout} s")

    def stream_events(self, first: int | None = None, *, secret: str = "", reconnect: bool = True) -> Generator[EventInfo, None, None]:
        """Yield events as they happen, from a number on or from now on; a lost connection is made again and nothing is missed."""
        frames = wire.FrameReader(None if first is None else first - 1)
        while True:
            try:
                yield from self._stream_once(frames, secret)
            except (NoDaemon, ConnectionLost):
                if not reconnect:
                    raise
                time.sleep(0.5)
            else:
                if not reconnect:
                    return
                time.sleep(0.1)

    def follow_job(self, job: JobInfo | str, *, secret: str = "") -> Iterator[EventInfo]:
        """Yield what happens to a job from now on until it has ended, over lost connections and restarts of the daemon.

        It ends with the job also where the event of that is not in the log any more. How the job ended, `wait` returns.
        """
        identity = job if isinstance(job, str) else job["job_id"]
        first: int | None = None
        while True:
            try:
                # In this order: an end that is not seen in the job comes as an event behind these.
                first = self.events(from_=wire.NEWEST, limit=1)["last"] + 1 if first is None else first
                if wire.has_ended(self.get_job(identity, secret=secret)):
                    return
                with contextlib.closing(self.stream_events(first, secret=secret, reconnect=False)) as events:
                    for event in events:
                        first = event["seq"] + 1
                        if event["type"] == wire.FORGOTTEN:
                            break
                        if event["job_id"] == identity:
                            yield event
                            if event["type"] in wire.JOB_ENDS:
                                return
            except (ConnectionLost, NoDaemon):
                pass
            time.sleep(0.2)

    def _stream_once(self, frames: wire.FrameReader, secret: str) -> Iterator[EventInfo]:
        self._require_unbroken()
        connection = self._connect(60.0)
        try:
            connection.request("GET", frames.begin(), headers={**self.address.headers, **wire.secret_header(secret)})
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                wire.read_answer(response.read())
            while piece := response.read1(65536):
                yield from frames.feed(piece)
        except NoDaemon:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionLost(f"the stream broke: {error}") from error
        finally:
            connection.close()
