"""The client that blocks."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from herocloud.rpc.client import wire
from herocloud.rpc.client.call_errors import ConnectionLost, NoDaemon
from herocloud.rpc.client.schema_types import EventInfo, JobInfo
from herocloud.rpc.client.sync_methods import SyncMethods


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(str(self._path))
        except OSError as error:
            self.sock.close()
            self.sock = None
            raise NoDaemon(f"nobody answers at `{self._path}`: {error.strerror or error}") from error


class Client(SyncMethods):
    """A daemon, from the outside. Threads may share one; each has its own connection."""

    def __init__(self, path: Path | str | None = None, *, timeout: float | None = 330.0) -> None:
        """Remember where the daemon listens; `timeout` is for one answer and longer than any the daemon waits."""
        self.path = wire.default_socket() if path is None else Path(path)
        self._timeout = timeout
        self._local = threading.local()

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

    def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """Call any method by its name."""
        params, again = wire.with_key(params)
        body = wire.write_request(method, params)
        for attempt in range(wire.RETRIES):
            try:
                return wire.read_answer(self._post(body))
            except ConnectionLost:
                if not again or attempt + 1 == wire.RETRIES:
                    raise
                time.sleep(0.2 * (attempt + 1))
        raise AssertionError

    def _post(self, body: bytes) -> bytes:
        connection: _Connection | None = getattr(self._local, "connection", None)
        fresh = connection is None
        if connection is None:
            connection = self._local.connection = _Connection(self.path, self._timeout)
        try:
            connection.request("POST", "/rpc", body, {"content-type": "application/json"})
            return connection.getresponse().read()
        except NoDaemon:
            self.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not fresh and isinstance(error, http.client.RemoteDisconnected | BrokenPipeError | ConnectionResetError):
                # A connection that was kept and closed meanwhile: the daemon closes idle ones before it reads anything.
                return self._post(body)
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

    def stream_events(self, first: int | None = None, *, secret: str = "", reconnect: bool = True) -> Iterator[EventInfo]:
        """Yield events as they happen, from a number on or from now on; a lost connection is made again and nothing is missed."""
        following = first
        while True:
            try:
                for event in self._stream_once(following, secret):
                    following = event["seq"] + 1
                    yield event
            except (NoDaemon, ConnectionLost):
                if not reconnect:
                    raise
                time.sleep(0.5)
            else:
                if not reconnect:
                    return
                time.sleep(0.1)

    def _stream_once(self, first: int | None, secret: str) -> Iterator[EventInfo]:
        connection = _Connection(self.path, 60.0)
        reader = wire.FrameReader()
        try:
            where = "/events" if first is None else f"/events?from={first}"
            connection.request("GET", where, headers={"x-hero-secret": secret} if secret else {})
            response = connection.getresponse()
            while piece := response.read1(65536):
                yield from reader.feed(piece)
        except NoDaemon:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise ConnectionLost(f"the stream broke: {error}") from error
        finally:
            connection.close()
