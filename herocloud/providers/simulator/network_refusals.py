"""What the simulated host refuses of networks, as a real one does: no two bridges share addresses, and none publishes a port of another.

A rehearsal of real networks relies on the plan, which gives no network what another one still has.
"""

import json
import sqlite3

from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.simulator.rows import Row

_OURS = "simulator"
"""Networks of other providers are here in rehearsals. Some of those have no bridge, and only their provider knows which."""


def check(world: sqlite3.Connection, row: Row, provider: str, current: Part, target: Part) -> None:
    """Refuse a network that wants of the host what another one has that is there."""
    wanted = (target or {}).get("cidr")
    if wanted == (current or {}).get("cidr"):
        wanted = None
    ports = _ports(target) - _ports(current)
    if not (wanted or ports) or not _is_simulated(provider):
        return
    # ipaddress costs 3 ms, which a world without networks does not owe.
    import ipaddress

    for stack, address, other, parts in world.execute("SELECT stack, address, provider, parts FROM things WHERE address GLOB 'network.*'"):
        network = json.loads(parts).get("network")
        if not network or (stack, address) == (row.stack, row.address) or not _is_simulated(other):
            continue
        whose, held = f"`{address}` of stack `{stack}`", network.get("cidr")
        if wanted and held and ipaddress.ip_network(wanted).overlaps(ipaddress.ip_network(held)):
            raise Permanent(f"`{row.address}` wants {wanted}, and this host has {held} on {whose}; give the network another `cidr`")
        for protocol, port in sorted(ports & _ports(network)):
            raise Conflict(f"port {port}/{protocol} of this host is published by {whose} already")


def _ports(network: Part) -> set[tuple[str, int]]:
    return {(rule["protocol"], rule["host_port"]) for rule in (network or {}).get("forward") or ()}


def _is_simulated(provider: str) -> bool:
    return provider == _OURS
