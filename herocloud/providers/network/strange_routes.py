"""Routes that somebody made for a network, or for a part of it, and that lead its packets elsewhere.

The kernel takes the narrowest route, and of those that are as wide the first, so one for a single address cuts its guest off from the host
and from everything beyond, and one before that of the network cuts all of them off, while the route of the network is as it was. None is
ever made by us, so whatever is there is taken away; one that leads to another interface of the host is refused before that, because the
range is taken then. Routes in tables of their own are only asked by rules of the host, which are the host's to decide, as its firewall is;
so are those for more than the network.
"""

import ipaddress
import socket
import struct
from collections.abc import Collection, Iterable, Iterator

from herocloud.providers import netlink
from herocloud.providers.network.dumps import UNICAST, Route

_WORDS = {2: "the host itself", 6: "nowhere (blackhole)", 7: "nowhere (unreachable)", 8: "nowhere (prohibit)", 9: "nowhere (throw)"}
_MAIN, _LOCAL = 254, 255
_TO_ITSELF, _THROW = 2, 9
"""RTN_LOCAL, THROW."""
_NEW, _DELETE, _CREATE = 24, 25, 0x400
"""RTM_NEWROUTE, DELROUTE, NLM_F_CREATE: without more, a route comes before those that are as wide."""
_HEAD = struct.Struct("=BBBBBBBBI")
_OF_KERNEL, _OF_LINK, _OF_HOST, _OF_ANY = 2, 253, 254, 255
"""RTPROT_KERNEL, RT_SCOPE_LINK, HOST, and NOWHERE, which matches every scope."""


def is_own(route: Route, bridge: int, cidr: str, sources: Collection[str]) -> bool:
    """Return whether a route is that of a network: to its bridge, with an address of that (`sources`) as the sender's."""
    return (
        (route.kind, route.table, route.tos, f"{route.destination}/{route.prefix}") == (UNICAST, _MAIN, 0, cidr)
        and route.link == bridge
        and _leads_there(route, bridge, sources)
    )


def is_to_gateway(route: Route, bridge: int, gateway: str) -> bool:
    """Return whether a route has the host take what is sent to the gateway of a network: without it no guest gets an answer from there."""
    return (route.kind, route.table, route.link, route.destination, route.prefix) == (_TO_ITSELF, _LOCAL, bridge, gateway, 32)


def odd_of(routes: Iterable[Route], bridge: int, cidr: str, sources: Collection[str]) -> Iterator[Route]:
    """Yield the routes for a network or parts of it that do not simply lead to its bridge, of those that are as wide only what comes first.

    `routes` come in the order in which the kernel tries them.
    """
    network = ipaddress.ip_network(cidr)
    is_known = False
    for route in routes:
        if is_own(route, bridge, cidr, sources):
            is_known = True
            continue
        if route.table not in (_MAIN, _LOCAL) or route.prefix < network.prefixlen or _leads_there(route, bridge, sources):
            continue
        if not (route.kind == UNICAST or route.kind in _WORDS) or (route.kind == _THROW and route.table == _LOCAL):
            continue
        if is_known and (route.table, route.tos, f"{route.destination}/{route.prefix}") == (_MAIN, 0, cidr):
            continue
        if ipaddress.ip_address(route.destination) in network:
            yield route


def words(route: Route, name: str) -> str:
    """Describe a route; `name` is that of its interface."""
    return f"{route.destination}/{route.prefix} to {_WORDS.get(route.kind) or name}"


def make(bridge: int, cidr: str, source: str) -> None:
    """Make the route of a network, before all that are as wide, and have the host take what is sent to its gateway."""
    gateway = socket.inet_aton(source)

    def message(to: str, table: int, kind: int, scope: int, sender: bytes) -> bytes:
        destination, _, prefix = to.partition("/")
        head = _HEAD.pack(socket.AF_INET, int(prefix), 0, 0, table, _OF_KERNEL if sender else 0, scope, kind, 0)
        # RTA_DST, OIF, PREFSRC.
        values = {1: socket.inet_aton(destination), 4: struct.pack("=i", bridge), **({7: sender} if sender else {})}
        return head + b"".join(struct.pack("=HH", 4 + len(value), name) + value for name, value in values.items())

    refused = netlink.change(
        [
            # One that is there already would stay where it is.
            (_DELETE, 0, message(cidr, _MAIN, UNICAST, _OF_ANY, b"")),
            (_NEW, _CREATE, message(f"{source}/32", _LOCAL, _TO_ITSELF, _OF_HOST, gateway)),
            (_NEW, _CREATE, message(cidr, _MAIN, UNICAST, _OF_LINK, gateway)),
        ]
    )
    for error in refused:
        if error is not None and not isinstance(error, (ProcessLookupError, FileExistsError)):
            raise error


def _leads_there(route: Route, bridge: int, sources: Collection[str]) -> bool:
    return route.link == bridge and not route.gateway and route.source in ("", *sources)
