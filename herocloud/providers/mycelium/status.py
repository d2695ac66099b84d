"""The overlay of this host as its operator wants to see it: version, address, subnet, peers, routes, traffic per VM.

One report for the host's own daemon, and one for each daemon of a network (mode `network`). Daemons inside of guests are the guests'.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.model import overlays
from herocloud.model.errors import HerocloudError, Temporary
from herocloud.model.overlays import NETWORK
from herocloud.providers.mycelium import (
    api,
    arithmetic,
    daemon_program,
    host_daemon,
    iproute,
    memberships,
    namespace_calls,
    node_settings,
    peer_endpoints,
)
from herocloud.providers.mycelium.api import PeerKind, Statistics, Traffic
from herocloud.providers.mycelium.memberships import Membership
from herocloud.providers.mycelium.network_site import NetworkSite
from herocloud.providers.mycelium.peer_endpoints import Endpoint

_NONE = Traffic(0, 0)
_NOTHING = Statistics({}, {})


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
    """What was seen of one daemon."""

    running: bool
    managed: bool
    version: str | None
    """Of the program on PATH: a daemon does not tell its own."""
    address: str | None
    subnet: str | None
    public_key: str | None
    started: int | None
    peers: tuple[PeerStatus, ...]
    routes: tuple[RouteStatus, ...]
    statistics: Statistics
    trouble: str | None = None
    carries: bool = True
    """The route 400::/7 is there; a daemon without a TUN has none."""

    def traffic_of(self, address: str) -> tuple[Traffic, Traffic]:
        """Return what an address sent and received."""
        return self.statistics.sent.get(address, _NONE), self.statistics.received.get(address, _NONE)

    def vm_traffic(self) -> tuple[int, int, int]:
        """Return how many addresses of VMs in the daemon's subnet had traffic, and the bytes that they sent and received."""
        vms = {address for address in (*self.statistics.sent, *self.statistics.received) if self._is_vm(address)}
        pairs = [self.traffic_of(address) for address in vms]
        return len(vms), sum(sent.bytes for sent, _ in pairs), sum(received.bytes for _, received in pairs)

    def _is_vm(self, address: str) -> bool:
        return self.subnet is not None and arithmetic.is_vm_address(address, self.subnet)


def read(data: Path) -> Report:
    """Ask the daemon of this host."""
    version = daemon_program.version()
    declared = {peer_endpoints.normalize(endpoint): endpoint for endpoint in memberships.wanted_peers(data)}
    try:
        node = host_daemon.find(data)
        if node is not None:
            return _ask(node.api, version, declared, managed=node.managed)
    except Temporary as error:
        return _silent(version, declared, str(error), managed=False)
    return _silent(version, declared, None, managed=False)


def read_networks(data: Path) -> dict[str, Report]:
    """Ask the daemon of each network that has one, by the name of its stack."""
    version = daemon_program.version()
    return {known.stack: _read_network(data, known, version) for known in memberships.all_of(data) if known.part["mode"] == NETWORK}


def _read_network(data: Path, known: Membership, version: str | None) -> Report:
    if not known.part["subnet"]:
        return _silent(version, {}, "no VM of this stack asks for an address", managed=True)
    process = NetworkSite(known.stack, known.lineage, known.part).process(data)
    if process is None:
        return _silent(version, {}, None, managed=True)
    try:
        return namespace_calls.call_beside(process.pid, lambda: _ask(node_settings.API_PORT, version, None, managed=True))
    except HerocloudError as error:
        return _silent(version, {}, str(error), managed=True)


def _ask(port: int, version: str | None, declared: Mapping[Endpoint, str] | None, *, managed: bool) -> Report:
    """Ask one daemon; where nothing is declared all its static peers are those that it was started with, and so ours."""
    with api.Client(port) as client:
        node, seen, routes, statistics = client.node(), client.peers(), client.routes(), client.statistics()
    peers = tuple(
        PeerStatus(
            peer.endpoint,
            peer.kind.value,
            peer.connection.value,
            peer.kind is PeerKind.STATIC if declared is None else peer.endpoint in declared,
            peer.sent,
            peer.received,
        )
        for peer in seen
    )
    there = {peer.endpoint for peer in peers}
    missing = tuple(peer_status for peer_status in _missing(declared or {}) if peer_endpoints.normalize(peer_status.endpoint) not in there)
    listed = tuple(RouteStatus(route.subnet, route.next_hop, route.metric) for route in routes)
    who = (node.address, node.subnet, node.public_key, node.started)
    carries = iproute.has_route(overlays.RANGE)
    return Report(True, managed, version, *who, (*peers, *missing), listed, statistics, carries=carries)


def _silent(version: str | None, declared: Mapping[Endpoint, str], trouble: str | None, *, managed: bool) -> Report:
    """Report a daemon that does not answer."""
    return Report(False, managed, version, None, None, None, None, _missing(declared), (), _NOTHING, trouble, carries=False)


def _missing(declared: Mapping[Endpoint, str]) -> tuple[PeerStatus, ...]:
    return tuple(PeerStatus(endpoint, PeerKind.STATIC.value, "missing", True, 0, 0) for endpoint in declared.values())
