"""The overlay of this host as its operator wants to see it: version, address, subnet, peers, routes, traffic per VM."""

from pathlib import Path
from typing import NamedTuple

from herocloud.model.errors import Temporary
from herocloud.providers.mycelium import api, memberships, node_process, peer_endpoints
from herocloud.providers.mycelium.api import Statistics, Traffic

_NONE = Traffic(0, 0)


class PeerStatus(NamedTuple):
    """One peer."""

    endpoint: str
    kind: str
    state: str
    """`alive`, `connecting`, `dead`; `missing` for a declared one that the daemon does not know."""
    declared: bool
    sent: int
    received: int


class RouteStatus(NamedTuple):
    """One route in use."""

    subnet: str
    next_hop: str
    metric: int


class Report(NamedTuple):
    """What was seen."""

    running: bool
    managed: bool
    version: str | None
    address: str | None
    subnet: str | None
    public_key: str | None
    started: int | None
    peers: tuple[PeerStatus, ...]
    routes: tuple[RouteStatus, ...]
    statistics: Statistics
    trouble: str | None = None

    def traffic_of(self, address: str) -> tuple[Traffic, Traffic]:
        """Return what an address sent and received."""
        return self.statistics.sent.get(address, _NONE), self.statistics.received.get(address, _NONE)


def read(data: Path) -> Report:
    """Ask the daemon of this host."""
    version = node_process.version()
    declared = {peer_endpoints.normalize(endpoint): endpoint for endpoint in memberships.wanted_peers(data)}
    missing = tuple(PeerStatus(endpoint, "static", "missing", True, 0, 0) for endpoint in declared.values())
    try:
        found = node_process.find(data)
        if found is None:
            return Report(False, False, version, None, None, None, None, missing, (), Statistics({}, {}))
        with api.Client(found.api) as client:
            seen, routes, statistics = client.peers(), client.routes(), client.statistics()
    except Temporary as error:
        return Report(False, False, version, None, None, None, None, missing, (), Statistics({}, {}), str(error))
    peers = tuple(
        PeerStatus(peer.endpoint, peer.kind.value, peer.connection.value, peer.endpoint in declared, peer.sent, peer.received)
        for peer in seen
    )
    there = {peer.endpoint for peer in peers}
    return Report(
        True,
        found.managed,
        version,
        found.node.address,
        found.node.subnet,
        found.node.public_key,
        found.node.started,
        (*peers, *(one for one in missing if peer_endpoints.normalize(one.endpoint) not in there)),
        tuple(RouteStatus(route.subnet, route.next_hop, route.metric) for route in routes),
        statistics,
    )
