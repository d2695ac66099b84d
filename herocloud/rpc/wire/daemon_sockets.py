"""Everything that a daemon listens at, bound before it begins anything else: what cannot be had is said while nothing has been done.

Sockets that the service manager has opened are used as they are; it made them, and it removes them.
"""

import contextlib
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.rpc.wire import systemd, tcp, unix_socket
from herocloud.rpc.wire.tcp import Tcp


class Public(NamedTuple):
    """The listener over TCP."""

    socket: socket.socket
    settings: Tcp
    token: str


class Listeners(NamedTuple):
    """All of a daemon."""

    local: Sequence[socket.socket]
    path: Path
    """Where callers on this host find it."""
    public: Public | None = None


@contextlib.contextmanager
def bind(path: Path, group: str | None, public: Tcp | None, environment: Mapping[str, str]) -> Iterator[Listeners]:
    """Listen while inside: at a path, unless the service manager has opened sockets for this process, and over TCP if that is asked for."""
    with contextlib.ExitStack() as stack:
        given = systemd.take_sockets(environment, os.getpid())
        for listener in given:
            stack.callback(listener.close)
        if given:
            local, path = given, _path_of(given)
        else:
            local = [stack.enter_context(_bind_local(path, group))]
        opened = None
        if public is not None:
            token = tcp.read_token(public.token_file)
            opened = Public(stack.enter_context(tcp.bind(public)), public, token)
        yield Listeners(local, path, opened)


@contextlib.contextmanager
def _bind_local(path: Path, group: str | None) -> Iterator[socket.socket]:
    with unix_socket.bind(path, group) as listener:
        identity = unix_socket.identify(path)
        try:
            yield listener
        finally:
            unix_socket.remove(path, identity)


def _path_of(given: Sequence[socket.socket]) -> Path:
    """Return where callers find a socket of the service manager; raises Refused for one that anybody may reach without a token."""
    if any(listener.family != socket.AF_UNIX for listener in given):
        detail = "The service manager has opened a socket other than a unix socket, and over TCP the daemon asks for a token."
        hint = "name a path in `ListenStream=`; `--listen` with `--token-file` listens over TCP"
        raise Refused([Diagnostic("socket-not-local", "A socket of the service manager cannot be served", detail, hint=hint)])
    paths = [name for listener in given if isinstance(name := listener.getsockname(), str) and name.startswith("/")]
    if not paths:
        detail = "The service manager has opened no socket that has a path, so callers could not find it."
        raise Refused([Diagnostic("socket-without-path", "The socket has no path", detail, hint="name a path in `ListenStream=`")])
    return Path(paths[0])
