"""The client for programs with an event loop: the same methods, awaited."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from herocloud.rpc.client import wire
from herocloud.rpc.client.async_methods import AsyncMethods
from herocloud.rpc.client.call_errors import ConnectionLost, NoDaemon
from herocloud.rpc.client.schema_types import EventInfo, JobInfo


class _Stream(NamedTuple):
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class AsyncClient(AsyncMethods):
    """A daemon, from the outside. Tasks may share one; each call has a connection of its own while it runs."""

    def __init__(self, path: Path | str | None = None, *, timeout: float | None = 330.0) -> None:
        """Remember where the daemon listens."""
        self.path = wire.default_socket() if path is None else Path(path)
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
            self._idle.pop().writer.close()

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """Call any method by its name."""
        params, again = wire.with_key(params)
        body = wire.write_request(method, params)
        for attempt in range(wire.RETRIES):
            try:
                return wire.read_answer(await asyncio.wait_for(self._post(body), self._timeout))
            except ConnectionLost:
                if not again or attempt + 1 == wire.RETRIES:
                    raise
                await asyncio.sleep(0.2 * (attempt + 1))
        raise AssertionError

    async def _post(self, body: bytes) -> bytes:
        while True:
            kept = bool(self._idle)
            stream = self._idle.pop() if kept else await self._connect()
            try:
                stream.writer.write(_head("POST", "/rpc", {"content-type": "application/json", "content-length": str(len(body))}) + body)
                await stream.writer.drain()
                headers = await _read_head(stream.reader)
                answer = await stream.reader.readexactly(int(headers.get("content-length", "0")))
            except (OSError, EOFError) as error:
                stream.writer.close()
                if kept:
                    # The daemon closes idle connections before it reads anything from them.
                    continue
                raise ConnectionLost(f"the answer did not come: {error}") from error
            except BaseException:
                stream.writer.close()
                raise
            if headers.get("connection") == "close":
                stream.writer.close()
            else:
                self._idle.append(stream)
            return answer

    async def _connect(self) -> _Stream:
        try:
            return _Stream(*await asyncio.open_unix_connection(str(self.path)))
        except OSError as error:
            raise NoDaemon(f"nobody answers at `{self.path}`: {error.strerror or error}") from error

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

    async def stream_events(self, first: int | None = None, *, secret: str = "", reconnect: bool = True) -> AsyncIterator[EventInfo]:
        """Yield events as they happen, from a number on or from now on; a lost connection is made again and nothing is missed."""
        following = first
        while True:
            try:
                async for event in self._stream_once(following, secret):
                    following = event["seq"] + 1
                    yield event
            except (NoDaemon, ConnectionLost):
                if not reconnect:
                    raise
            if not reconnect:
                return
            await asyncio.sleep(0.5)

    async def _stream_once(self, first: int | None, secret: str) -> AsyncIterator[EventInfo]:
        stream = await self._connect()
        frames = wire.FrameReader()
        try:
            where = "/events" if first is None else f"/events?from={first}"
            stream.writer.write(_head("GET", where, {"x-hero-secret": secret} if secret else {}))
            await stream.writer.drain()
            await _read_head(stream.reader)
            while (size := int(await stream.reader.readline() or b"0", 16)) > 0:
                piece = await stream.reader.readexactly(size + 2)
                for event in frames.feed(piece[:-2]):
                    yield event
        except (OSError, EOFError, ValueError) as error:
            raise ConnectionLost(f"the stream broke: {error}") from error
        finally:
            stream.writer.close()


def _head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


async def _read_head(reader: asyncio.StreamReader) -> dict[str, str]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
