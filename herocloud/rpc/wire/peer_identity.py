"""Who calls: read from the kernel where the connection is made, because ASGI does not carry it."""

import asyncio
import functools
import json
import pwd
import select
import socket
import struct
from collections.abc import Hashable
from typing import Any, NamedTuple, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from herocloud.model.diagnostics import Diagnostic
from herocloud.rpc.calls import error_answers
from herocloud.rpc.wire.connection_places import Places

_CREDENTIALS = struct.Struct("3i")
REQUEST_SECONDS = 30.0
"""For how long the head of a request may take to arrive, the first one from the beginning of the connection on."""


class Caller(NamedTuple):
    """The process at the other end of a connection."""

    pid: int | None
    uid: int | None
    name: str
    """As `state log` shows it: the user's name, or how it came in."""


TCP = Caller(None, None, "token")


def identify(connection: socket.socket) -> Caller:
    """Ask the kernel who connected; over TCP nobody knows more than that the token was right."""
    if connection.family != socket.AF_UNIX:
        return TCP
    pid, uid, _gid = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Caller(pid, uid, _user_name(uid))


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\nretry-after: 1\r\n"
    b"content-length: %d\r\n\r\n%s"
)
_ALL_AT_WORK = "All connections that the daemon has for this caller have a request at work; try again when one is answered."


class Protocol(H11Protocol):
    """uvicorn's HTTP protocol with four things more.

    The caller is put into each scope as `caller`. A client that closes its sending side after a request still gets its answer. A
    connection that begins a request and sends nothing whole for a while is closed, so that slow clients do not keep descriptors for ever.
    Nobody gets more than a share of all connections.
    """

    def __init__(self, *given: Any, places: Places, **named: Any) -> None:
        """Take one of these places once a client is there."""
        super().__init__(*given, **named)
        self._places = places
        self._who: Hashable = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember who it is, and wrap the application so that it knows."""
        caller = identify(cast("socket.socket", transport.get_extra_info("socket")))
        self.app = functools.partial(_call_with, self.app, caller)
        super().connection_made(transport)
        self._who = caller.uid if self.client is None else self.client[0]
        if self._places.enter(self._who, self):
            self._wait_for_request()
        else:
            finding = Diagnostic("too-many-connections", "Too many connections", _ALL_AT_WORK)
            body = json.dumps(error_answers.document([finding])).encode()
            transport.write(_FULL % (len(body), body))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer, and give the place back."""
        self._stop_waiting()
        self._places.leave(self._who, self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Give each request the same time to arrive, and not the first alone."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._timer is None:
            self._wait_for_request()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Stay open for the answer to a request that arrived whole; not for the rest of one that nobody reads any more."""
        return self.is_at_work and not (self.cycle.response_started and self._has_hung_up())

    def _has_hung_up(self) -> bool:
        """Return whether the other end is closed, and not its sending side alone: the end of a stream would never be noticed by that."""
        looks = select.poll()
        looks.register(self.transport.get_extra_info("socket").fileno(), 0)
        return any(found & select.POLLHUP for _, found in looks.poll(0))

    @property
    def is_at_work(self) -> bool:
        """Whether a request has arrived whole and is not answered yet."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def give_up(self) -> None:
        """Close the connection."""
        if not self.transport.is_closing():
            self.transport.close()

    def _wait_for_request(self) -> None:
        self._timer = self.loop.call_later(REQUEST_SECONDS, self._end_waiting)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_waiting(self) -> None:
        self._timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.give_up()


async def _call_with(app: Any, caller: Caller, scope: Any, receive: Any, send: Any) -> None:
    scope["caller"] = caller
    await app(scope, receive, send)
