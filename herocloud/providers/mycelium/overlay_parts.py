"""From the world to parts, in exactly the shape in which plans hold them.

A part says what was asked. What a plan does not speak of appears under a name of its own only when it is not as we leave it: as drift it
is then seen, named and mended like any other field.
"""

from collections.abc import Mapping
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Temporary
from herocloud.model.parts import OverlayPart, PeerPart
from herocloud.providers.mycelium import api, host_daemon, peer_endpoints, sites
from herocloud.providers.mycelium.memberships import Membership


def node_part(data: Path, known: Membership) -> Part:
    """Return the part `overlay` of a stack."""
    site = sites.site_of(known.stack, known.lineage, known.part)
    return {**known.part, **(site.flaws(data) if site is not None else {})}


def peer_part(data: Path, known: Membership | None, endpoint: str, there: Mapping[str, str] | None = None) -> Part:
    """Return the part `peer` of an endpoint; nothing when the stack does not want it.

    `there` spares asking the daemon again. While it does not answer nothing is known to be missing.
    """
    if known is None or endpoint not in known.peers:
        return None
    there = peers_there(data) if there is None else there
    part: dict[str, Json] = {"endpoint": endpoint}
    if there is not None and peer_endpoints.normalize(endpoint) not in there:
        part["known"] = False
    return part


def peers_there(data: Path) -> dict[str, str] | None:
    """Return every endpoint that the daemon knows, as whatever, with its state; nothing while it does not answer."""
    try:
        node = host_daemon.find(data)
        if node is None:
            return None
        with api.Client(node.api) as client:
            return {str(peer.endpoint): peer.connection.value for peer in client.peers()}
    except Temporary:
        return None


def describe(part: Part) -> str:
    """Say what a part is, for a probe."""
    if part is None:
        return "nothing is there"
    odd = [f"{name} is {value}" for name, value in part.items() if name not in _ASKED]
    return ", ".join(odd) or "as another plan left it"


_ASKED = frozenset({*OverlayPart.__annotations__, *PeerPart.__annotations__})
