"""The network interfaces of this host, by name."""

import socket


def names() -> frozenset[str]:
    """Return the names of all interfaces in the network namespace of this process."""
    return frozenset(name for _, name in socket.if_nameindex())
