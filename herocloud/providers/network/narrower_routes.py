"""Routes that somebody made for a part of a network and that lead its packets elsewhere.

The kernel takes the narrowest route, so one for a single address cuts its guest off from the host and from everything beyond, while the
route of the network is as it was. None is ever made by us, so whatever is there is taken away. Routes in tables of their own are only asked
by rules of the host, which are the host's to decide, as its firewall is.
"""

import ipaddress
from collections.abc import Iterable, Iterator

from herocloud.providers.network.dumps import UNICAST, Route

_WORDS = {2: "the host itself", 6: "nowhere (blackhole)", 7: "nowhere (unreachable)", 8: "nowhere (prohibit)", 9: "nowhere (throw)"}
_TABLES = (254, 255)
"""RT_TABLE_MAIN, LOCAL."""


def odd_of(routes: Iterable[Route], bridge: int, cidr: str) -> Iterator[Route]:
    """Yield the routes for parts of a network that do not simply lead to its bridge."""
    network = ipaddress.ip_network(cidr)
    for route in routes:
        leads_there = route.link == bridge and not route.gateway
        if (
            route.table not in _TABLES
            or route.prefix <= network.prefixlen
            or leads_there
            or not (route.kind == UNICAST or route.kind in _WORDS)
        ):
            continue
        if ipaddress.ip_address(route.destination) in network:
            yield route


def words(route: Route, name: str) -> str:
    """Describe a route; `name` is that of its interface."""
    return f"{route.destination}/{route.prefix} to {_WORDS.get(route.kind) or name}"
