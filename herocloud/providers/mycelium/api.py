"""A typed client of the daemon's API: what runs, its peers, routes and traffic.

HTTP and not JSON-RPC. A taken port only switches the HTTP API off, while the daemon dies of a taken JSON-RPC port, so HTTP is there
wherever a daemon is; it is older (JSON-RPC came with 0.6.0); and its codes are those of its document, while JSON-RPC answers -32010 where
its document says 409 and always the same text.

Neither has authentication, so the port is only ever on loopback. All calls of a daemon share one lock, and a program that waits for a
message (`GET /messages?timeout=N`) holds it for its whole wait: silence is `Temporary` and says so, and the patience is long.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from herocloud.kits import http
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.mycelium import arithmetic, peer_endpoints
from herocloud.providers.mycelium.arithmetic import PublicKey
from herocloud.providers.mycelium.peer_endpoints import Endpoint

_Kind = TypeVar("_Kind", bound=Enum)

PATIENCE = 20.0
"""Seconds to wait for an answer."""
INFINITE = 0xFFFF
"""The metric of a route that is not usable."""


class Dropped(Temporary):
    """Something between us and the daemon drops what we send."""


class PeerKind(Enum):
    """How the daemon came to know a peer."""

    STATIC = "static"
    DISCOVERED = "linkLocalDiscovery"
    INBOUND = "inbound"
    UNKNOWN = "unknown"


class Connection(Enum):
    """How a peer is doing."""

    ALIVE = "alive"
    CONNECTING = "connecting"
    DEAD = "dead"
    UNKNOWN = "unknown"


class Node(NamedTuple):
    """What a daemon says of itself."""

    subnet: str
    public_key: str
    address: str | None
    """Since 0.7.8."""
    started: int | None
    """Seconds since 1970; since 0.7.8."""

    @property
    def own_address(self) -> str:
        """Return its address, also where the daemon does not tell it."""
        return self.address or arithmetic.node_address(PublicKey(self.public_key))


class Peer(NamedTuple):
    """A peer as the daemon sees it."""

    endpoint: Endpoint
    kind: PeerKind
    connection: Connection
    sent: int
    received: int
    known_for: int
    connected_ago: int | None


class Route(NamedTuple):
    """A way to the subnet of another node."""

    subnet: str
    next_hop: str
    metric: int
    sequence: int


class Traffic(NamedTuple):
    """What went to or came from one address."""

    packets: int
    bytes: int


class Statistics(NamedTuple):
    """Traffic by address; empty before 0.7.2."""

    sent: dict[str, Traffic]
    """By the address that sent it."""
    received: dict[str, Traffic]
    """By the address that it went to."""


class NotThere(Temporary):
    """No daemon answers."""


class Client:
    """Calls one daemon."""

    def __init__(self, port: int, *, patience: float = PATIENCE) -> None:
        """Remember the port on loopback; nothing is opened yet."""
        self._http = http.HttpClient(f"http://127.0.0.1:{port}/api/v1", timeout=patience, connections=1)

    def node(self) -> Node:
        """Return who the daemon is."""
        with _reading():
            found = self._get("/admin")
            return Node(str(found["nodeSubnet"]), str(found["nodePubkey"]).lower(), found.get("nodeIp"), found.get("nodeStartTime"))

    def peers(self) -> tuple[Peer, ...]:
        """Return all peers: declared, discovered and inbound ones."""
        with _reading():
            return tuple(_peer(answer) for answer in self._get("/admin/peers"))

    def add_peer(self, endpoint: str) -> bool:
        """Add a peer; tells whether it was new. That it is known already is what was wanted."""
        answer = self._call("POST", "/admin/peers", {"endpoint": endpoint})
        if answer.status == 409:
            return False
        if not answer.ok:
            raise Permanent(f"the overlay daemon refused the peer `{endpoint}` ({answer.status}): {answer.text.strip()[:200]}")
        return True

    def remove_peer(self, endpoint: str) -> bool:
        """Remove a peer; tells whether it was there."""
        from urllib.parse import quote

        answer = self._call("DELETE", f"/admin/peers/{quote(endpoint, safe='')}")
        if answer.status == 404:
            return False
        if not answer.ok:
            raise Permanent(f"the overlay daemon did not remove the peer `{endpoint}` ({answer.status}): {answer.text.strip()[:200]}")
        return True

    def routes(self) -> tuple[Route, ...]:
        """Return the routes in use."""
        with _reading():
            return tuple(_route(answer) for answer in self._get("/admin/routes/selected"))

    def statistics(self) -> Statistics:
        """Return the traffic by address; a daemon that does not count answers nothing."""
        answer = self._call("GET", "/admin/stats/packets")
        if answer.status == 404:
            return Statistics({}, {})
        with _reading():
            found = _ok(answer, "/admin/stats/packets").json()
            return Statistics(_traffic(found["bySource"]), _traffic(found["byDestination"]))

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def __enter__(self) -> Self:
        """Use the client for a while."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the connection."""
        self.close()

    def _get(self, path: str) -> Any:
        return _ok(self._call("GET", path), path).json()

    def _call(self, method: str, path: str, body: object = None) -> http.Answer:
        try:
            return self._http.request(method, path, body)
        except http.Unreachable as error:
            raise NotThere(f"no overlay daemon answers: {error}") from error
        except http.Dropped as error:
            raise Dropped(f"the overlay daemon cannot be reached: {error}", 2.0) from error
        except http.TimedOut as error:
            raise Temporary(
                f"the overlay daemon did not answer: {error}; a program that waits for messages keeps it from answering anybody", 2.0
            ) from error
        except http.HttpError as error:
            raise Temporary(f"the overlay daemon broke off: {error}") from error


def _ok(answer: http.Answer, path: str) -> http.Answer:
    if not answer.ok:
        raise Permanent(f"what answers there is not an overlay daemon: `{path}` gives {answer.status}")
    return answer


@contextmanager
def _reading() -> Iterator[None]:
    """Turn an answer in another shape into our own words: something else may listen on that port."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, http.HttpError) as error:
        raise Permanent(f"what answers there is not an overlay daemon, or one of a version that is not known ({error})") from error


def _peer(shape: Any) -> Peer:
    return Peer(
        peer_endpoints.read(shape["endpoint"]),
        _member(PeerKind, shape.get("type"), PeerKind.UNKNOWN),
        _member(Connection, shape.get("connectionState"), Connection.UNKNOWN),
        int(shape.get("txBytes") or 0),
        int(shape.get("rxBytes") or 0),
        int(shape.get("discovered") or 0),
        None if shape.get("lastConnected") is None else int(shape["lastConnected"]),
    )


def _route(shape: Any) -> Route:
    metric = shape["metric"]
    return Route(str(shape["subnet"]), str(shape["nextHop"]), INFINITE if metric == "infinite" else int(metric), int(shape["seqno"]))


def _traffic(listed: Any) -> dict[str, Traffic]:
    return {str(row["ip"]): Traffic(int(row["packetCount"]), int(row["byteCount"])) for row in listed}


def _member(kind: type[_Kind], value: Any, otherwise: _Kind) -> _Kind:
    return next((member for member in kind if member.value == value), otherwise)
