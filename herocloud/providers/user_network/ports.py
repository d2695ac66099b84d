"""Whether the ports of the host that a network publishes are free.

The VMM opens them when its VM starts, and a VM that cannot start because of a web server that somebody forgot is a bad way to hear of it.
Binding and letting go again is the one question that the system answers for every kind of listener.
"""

import contextlib
import errno
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.user_network import notes

_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_FLOOR = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


def check(data: Path, address: str, path: Path, forwards: Iterable[Mapping[str, Json]], known: Part) -> None:
    """Refuse ports that somebody else has, and forwards that lead nowhere. Those of `known` are in our own hands already."""
    ours = {(rule["protocol"], rule["host_port"]) for rule in (known["forward"] if known else ())}
    others = {
        (rule["protocol"], rule["host_port"]): note
        for note in notes.scan(data)
        if note.path != path
        for rule in note.part.get("forward", ())
    }
    for forward in forwards:
        key = (forward["protocol"], forward["host_port"])
        port = f"port {forward['host_port']}/{forward['protocol']}"
        if forward["address"] is None:
            raise Permanent(f"`{address}` publishes {port} for `{forward['vm']}`, which has no address on it")
        if key in others:
            mark = others[key].mark
            raise Conflict(f"{port} of this host is published by `{mark.address}` of stack `{mark.stack}` already")
        if key not in ours:
            _probe(address, port, *key)


def _probe(address: str, port: str, protocol: str, number: int) -> None:
    with contextlib.closing(socket.socket(socket.AF_INET, _KINDS[protocol])) as probe:
        if protocol == "tcp":
            # As the VMM does: a connection that is still being forgotten holds nobody up.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Conflict(
                    f"a program of this host listens on {port}, which `{address}` publishes; choose another `host_port`"
                ) from error
            if error.errno in (errno.EACCES, errno.EPERM):
                raise Permanent(
                    f"`{address}` publishes {port}, and this user may publish ports from {_floor()} on; choose another `host_port`"
                ) from error
            raise Permanent(f"`{address}` publishes {port}, which cannot be opened here ({error.strerror})") from error


def _floor() -> str:
    try:
        return _FLOOR.read_text().strip()
    except OSError:
        return "1024"
