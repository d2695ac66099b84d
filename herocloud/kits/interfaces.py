"""The network interfaces of this host, by name, and the namespace that they are in."""

import socket

_COOKIE = 71
"""SO_NETNS_COOKIE, which the standard library does not name."""


def names() -> frozenset[str]:
    """Return the names of all interfaces in the network namespace of this process."""
    return frozenset(name for _, name in socket.if_nameindex())


def namespace_number() -> int | None:
    """Return the number of the network namespace of this process, which none gets a second time in a boot; nothing before Linux 5.14."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as some:
            return int.from_bytes(some.getsockopt(socket.SOL_SOCKET, _COOKIE, 8), "little")
    except OSError:
        return None
