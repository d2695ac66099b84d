"""From what was seen to parts, in exactly the shape in which plans hold them. Pure.

A part says what was asked for. What a plan does not speak of, and we set all the same (up, MTU, rules in full, the forwarding switch),
appears under a name of its own only when it is not as we leave it: as drift it is then seen, named and mended like any other field.
"""

from typing import Any

from herocloud.kits.jsons import Json, Part
from herocloud.providers.network import guarding, marks, passing, ranges
from herocloud.providers.network.dumping import Link
from herocloud.providers.network.guarding import Guarded
from herocloud.providers.network.marks import Mark, Purpose
from herocloud.providers.network.scenes import Scene

MTU = 1500


def network_part(scene: Scene, link: Link, mark: Mark) -> Part:
    """Return the part of a network."""
    seen = passing.read(scene.network_rules, mark, link.name)
    addresses = scene.addresses_of(link)
    own = next((one for one in addresses if ranges.network_of(one.address, one.prefix) == seen.cidr), addresses[0] if addresses else None)
    cidr = ranges.network_of(own.address, own.prefix) if own else seen.cidr
    part: dict[str, Json] = {
        "cidr": cidr,
        "nat": seen.nat,
        "isolated": seen.isolated,
        "forward": seen.forward,
        "gateway": own.address if own else None,
        "bridge": link.name,
    }
    serving = scene.serving(link)
    odd: dict[str, Any] = {
        "mtu": link.mtu if link.mtu != MTU else None,
        "stp": True if link.stp else None,
        "mac": link.mac if link.mac != marks.own_mac(mark.lineage, link.name) else None,
        "up": None if link.up else False,
        "forwarding": None if scene.forwards and serving.forwarding else False,
        "loopback": None if serving.loopback is bool(seen.forward) else serving.loopback,
        "rules": list(seen.wrong) or None,
        "ports": None if seen.wrong or marks.read_port(link.alias) == passing.port_of(part) else "changed",
        "addresses": [f"{one.address}/{one.prefix}" for one in addresses if one is not own] or None,
        "route": "missing" if own and link.up and not _has_route(scene, link, cidr) else None,
    }
    return _with_odd(part, odd)


def nic_part(scene: Scene, link: Link, mark: Mark) -> Part:
    """Return the part of a NIC, from its tap."""
    guarded = guarding.read(scene.tap_rules, link.name)
    purpose = marks.read_purpose(link.alias) or Purpose(guarded.mac if guarded else "", guarded.address if guarded else None, None)
    forwarded = guarded.upload if guarded else None
    detour = scene.by_name.get(forwarded) if forwarded else None
    upload = scene.rates.get(detour.number) if detour and detour.up else None
    download = scene.rates.get(link.number)
    master = scene.master_of(link)
    network = purpose.network or (_network_of(scene, master) if master else None)
    bridge = scene.bridge_of(mark, network) if network else None
    part: dict[str, Json] = {
        "network": network,
        "mac": purpose.mac,
        "address": purpose.address,
        "tap": link.name,
        "rate": {"download": download, "upload": upload} if download is not None or upload is not None else None,
    }
    wanted = Guarded(purpose.mac, purpose.address, forwarded)
    # The rules bear the name that the tap was made under, as its alias does.
    made = marks.read_mark(link.alias) or mark
    whole = guarded is not None and guarding.is_whole(scene.tap_rules, made, link.name, wanted)
    port = marks.read_port(bridge.alias) if bridge and master == bridge else None
    odd: dict[str, Any] = {
        "guard": None if whole else "changed" if guarded else "missing",
        "bridge": None if master and master == bridge else master.name if master else "none",
        "up": None if link.up else False,
        "mtu": link.mtu if master and link.mtu != master.mtu else None,
        "isolated": link.isolated if port and link.isolated is not port.isolated else None,
        "hairpin": link.hairpin if port and link.hairpin is not port.hairpin else None,
        "detour": marks.upload_device(link.name) if not forwarded and marks.upload_device(link.name) in scene.by_name else None,
        "multi_queue": True if link.multi_queue else None,
    }
    return _with_odd(part, odd)


def left_of_network(scene: Scene, bridge: str) -> list[str]:
    """Name what is left of a network whose bridge is gone."""
    return [f"chain `{chain}`" for chain in passing.chain_names(bridge) if chain in scene.network_rules]


def left_of_tap(scene: Scene, tap: str) -> list[str]:
    """Name what is left of a tap that is gone."""
    detour = marks.upload_device(tap)
    found = [f"`{detour}`"] if detour in scene.by_name else []
    return [f"the rules of `{tap}`", *found] if tap in scene.tap_rules else found


def _network_of(scene: Scene, bridge: Link) -> str | None:
    mark = scene.networks.get(bridge.name)
    return mark.address.partition(".")[2] if mark else None


def _has_route(scene: Scene, link: Link, cidr: str | None) -> bool:
    return any(f"{one.destination}/{one.prefix}" == cidr for one in scene.routes_of(link))


def _with_odd(part: dict[str, Json], odd: dict[str, Json]) -> Part:
    return {**part, **{key: value for key, value in odd.items() if value is not None}}
