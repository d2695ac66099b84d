"""The client for programs with an event loop: the same methods, awaited."""

import asyncio
import contextlib
import http
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from herocloud.rpc.client import addresses, wire
from herocloud.rpc.client.async_methods import AsyncMethods
from herocloud.rpc.client.call_errors import ConnectionLost, NoDaemon
from herocloud.rpc.client.schema_types import EventInfo, JobInfo

if TYPE_CHECKING:
    import ssl


class _Stream(NamedTuple):
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def descriptor(self) -> int:
        """Return the descriptor of its socket."""
        return int(self.writer.get_extra_info("socket").fileno())


class AsyncClient(AsyncMethods):
    """A daemon, from the outside. Tasks may share one; each call has a connection of its own while it runs."""

    def __init__(
        self,
        path: Path | str | None = None,
        *,
        timeout: float | None = 330.0,
        token: str | None = None,
        tls: "ssl.SSLContext | None" = None,
    ) -> None:
        """Remember where the daemon listens; over TCP `path` is a URL like `https://192.0.2.7:8443`, with the `token`."""
        self.address = addresses.read(wire.default_socket() if path is None else path, token, tls)
        self.path = self.address.path
        self._timeout = timeout
        self._idle: list[_Stream] = []

    async def __aenter__(self) -> Self:
        """Allow `async with AsyncClient(…) as client`."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close at the end of the block."""
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        while self._idle:
            writer = self._idle.pop().writer
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """Call any method by its name."""
        params, again = wire.with_key(params)
        body = wire.write_request(method, params)
        lost: ConnectionLost | None = None
        for pause in wire.PAUSES:
            try:
                return wire.read_answer(await asyncio.wait_for(self._post(body), self._timeout))
            except NoDaemon:
                if lost is None:
                    raise
            except ConnectionLost as error:
                if not again:
                    raise
                lost = error
            await asyncio.sleep(pause)
        assert lost is not None  # noqa: S101  (else there was an answer)
        raise lost

    async def _post(self, body: bytes) -> bytes:
        stream = self._find_idle() or await self._connect()
        headers = {**self.address.headers, "content-type": "application/json", "content-length": str(len(body))}
        try:
            stream.writer.write(_head("POST", "/rpc", headers) + body)
            await stream.writer.drain()
            _, answered = await _read_head(stream.reader)
            answer = await stream.reader.readexactly(int(answered.get("content-length", "0")))
        except (OSError, EOFError) as error:
            stream.writer.transport.abort()
            raise ConnectionLost(f"the answer did not come: {error}") from error
        except BaseException:
            stream.writer.transport.abort()
            raise
        if answered.get("connection") == "close":
            stream.writer.close()
        else:
            self._idle.append(stream)
        return answer

    def _find_idle(self) -> _Stream | None:
        """Return a connection that was kept and that the daemon has not closed since."""
        while self._idle:
            stream = self._idle.pop()
            if not stream.reader.at_eof() and not stream.writer.is_closing() and not wire.is_closed(stream.descriptor):
                return stream
            stream.writer.transport.abort()
        return None

    async def _connect(self) -> _Stream:
        found = self.address
        try:
            if found.path is not None:
                return _Stream(*await asyncio.open_unix_connection(str(found.path)))
            return _Stream(*await asyncio.open_connection(found.host, found.port, ssl=found.tls))
        except OSError as error:
            raise NoDaemon(f"nobody answers at `{found.text}`: {error.strerror or error}") from error

    async def wait(self, job: JobInfo | str, *, secret: str = "", timeout: float | None = None) -> JobInfo:
        """Wait until a job has ended, over lost connections and restarts of the daemon; raises unless it is done."""
        identity = job if isinstance(job, str) else job["job_id"]
        async with asyncio.timeout(timeout):
            while True:
                try:
                    found = await self.wait_job(identity, timeout=wire.WAIT_SECONDS, secret=secret)
                except (ConnectionLost, NoDaemon):
                    await asyncio.sleep(0.5)
                    continue
                if wire.has_ended(found):
                    wire.require_done(found)
                    return found

    async def stream_events(self, first: int | None = None, *, secret: str = "", reconnect: bool = True) -> AsyncGenerator[EventInfo, None]:
        """Yield events as they happen, from a number on or from now on; a lost connection is made again and nothing is missed."""
        frames = wire.FrameReader(None if first is None else first - 1)
        while True:
            try:
                async for event in self._stream_once(frames, secret):
                    yield event
            except (NoDaemon, ConnectionLost):
                if not reconnect:
                    raise
            if not reconnect:
                return
            await asyncio.sleep(0.5)

    async def follow_job(self, job: JobInfo | str, *, secret: str = "") -> AsyncIterator[EventInfo]:
        """Yield what happens to a job from now on until it has ended, over lost connections and restarts of the daemon.

        It ends with the job also where the event of that is not in the log any more. How the job ended, `wait` returns.
        """
        identity = job if isinstance(job, str) else job["job_id"]
        first: int | None = None
        while True:
            try:
                # In this order: an end that is not seen in the job comes as an event behind these.
                first = (await self.events(from_=wire.NEWEST, limit=1))["last"] + 1 if first is None else first
                if wire.has_ended(await self.get_job(identity, secret=secret)):
                    return
                async with contextlib.aclosing(self.stream_events(first, secret=secret, reconnect=False)) as events:
                    async for event in events:
                        first = event["seq"] + 1
                        if event["type"] == wire.FORGOTTEN:
                            break
                        if event["job_id"] == identity:
                            yield event
                            if event["type"] in wire.JOB_ENDS:
                                return
            except (ConnectionLost, NoDaemon):
                pass
            await asyncio.sleep(0.2)

    async def _stream_once(self, frames: wire.FrameReader, secret: str) -> AsyncIterator[EventInfo]:
        stream = await self._connect()
        try:
            stream.writer.write(_head("GET", frames.begin(), {**self.address.headers, **wire.secret_header(secret)}))
            await stream.writer.drain()
            status, headers = await _read_head(stream.reader)
            if status != http.HTTPStatus.OK:
                wire.read_answer(await stream.reader.readexactly(int(headers.get("content-length", "0"))))
            while (size := int(await stream.reader.readline() or b"0", 16)) > 0:
                piece = await stream.reader.readexactly(size + 2)
                for event in frames.feed(piece[:-2]):
                    yield event
        except (OSError, EOFError, ValueError) as error:
            raise ConnectionLost(f"the stream broke: {error}") from error
        finally:
            stream.writer.transport.abort()


def _head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    return int(first.split(" ")[1]), {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
