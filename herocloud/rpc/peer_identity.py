"""Who calls: read from the kernel where the connection is made, because ASGI does not carry it."""

import asyncio
import functools
import pwd
import socket
import struct
from typing import Any, NamedTuple, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

_CREDENTIALS = struct.Struct("3i")
FIRST_REQUEST_SECONDS = 30.0
"""For how long a connection may be open without its first whole request."""


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


class Protocol(H11Protocol):
    """uvicorn's HTTP protocol with three things more.

    The caller is put into each scope as `caller`. A client that closes its sending side after a request still gets its answer. A
    connection that sends nothing whole for a while is closed, so that slow clients do not keep descriptors for ever.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Remember who it is, and wrap the application so that it knows."""
        connection = transport.get_extra_info("socket")
        self.app = functools.partial(_call_with, self.app, identify(cast("socket.socket", connection)))
        self._first = asyncio.get_running_loop().call_later(FIRST_REQUEST_SECONDS, self._give_up)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._first.cancel()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Stay open for the answer to a request that arrived whole."""
        cycle = self.cycle
        return cycle is not None and not cycle.response_complete and not cycle.more_body

    def _give_up(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


async def _call_with(app: Any, caller: Caller, scope: Any, receive: Any, send: Any) -> None:
    scope["caller"] = caller
    await app(scope, receive, send)
