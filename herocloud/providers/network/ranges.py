"""Ranges of IPv4 addresses: which one an address lies in, and which ones share addresses. Pure."""

import ipaddress


def network_of(address: str, prefix: int) -> str:
    """Return the network that an address lies in: `10.42.0.1` with 24 is in `10.42.0.0/24`."""
    return str(ipaddress.IPv4Interface(f"{address}/{prefix}").network)


def overlap(one: str, other: str) -> bool:
    """Tell whether two networks share an address."""
    return ipaddress.IPv4Network(one).overlaps(ipaddress.IPv4Network(other))
