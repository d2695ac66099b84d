"""The host's side of the overlay: the bridge that taps join, its address, what is switched on for it, and the way back.

The bridge has `prefix::1/64`, so the kernel's own route to the /64 is nearer than the daemon's 400::/7 and no other is needed. Its ports
are isolated: guests in one /64 reach each other by way of the host, where what comes in to each of them is judged. Guests believe that
their neighbors are on the link, so the host answers for them (proxy neighbors, one entry per tap, made with the tap); it must not answer
a guest that asks whether its own address is free, and not tell guests of the short way by redirects, which the isolation blocks.

Old values of sysctls are kept in a chain of our table that is hooked in nowhere, as the networks of stacks do (see `bridge_rules`).
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Json
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers import devices
from herocloud.providers.firewall.rule_expressions import Rules
from herocloud.providers.mycelium import arithmetic, bridge_rules, iproute

BRIDGE = devices.OVERLAY_BRIDGE
ALIAS = "herocloud-overlay isolated"
"""The second word tells who makes taps that they are kept apart."""
MTU = 1400
"""What the daemon's own interface has."""
LINK_LOCAL = "fe80::1"
_CONF = "net/ipv6/conf"
_ALL = f"{_CONF}/all/forwarding"
_OURS = ("hb-", "hc-", "hi-", "hv-", "lo")
_OF_BRIDGE = {"disable_ipv6": "0", "accept_ra": "0", "proxy_ndp": "1"}


class Bridge(NamedTuple):
    """One bridge of the overlay."""

    name: str
    subnet: str
    owner: str = ""
    """Lineage and stack of one that is a stack's alone; empty for the one of all stacks, in the /64 of the host's node."""

    @property
    def alias(self) -> str:
        """Return its mark."""
        return f"{ALIAS} {self.owner}" if self.owner else ALIAS


def _users_in(rules: Rules, bridge: str | None = None) -> set[str]:
    """Return who uses the overlay of this host: `<lineage>-<stack>` each, of all data folders; of one bridge, or of all."""
    return {user for user, bridges in bridge_rules.users(rules).items() if bridge is None or bridge in (bridges or [BRIDGE])}


def user_of(lineage: str, stack: str) -> str:
    """Name a stack among the users."""
    return f"{lineage}-{stack}"


def check(bridge: Bridge) -> None:
    """Refuse what cannot be: a bridge of somebody else, another /64 in use, IPv6 switched off."""
    seen = iproute.link(bridge.name)
    if seen is not None and seen.get("ifalias") != bridge.alias and not _is_without_mark(seen, bridge):
        raise Conflict(f"an interface `{bridge.name}` exists and carries no mark of herocloud, so it is left alone; rename or remove it")
    if iproute.read_setting(f"{_CONF}/all/disable_ipv6") != "0":
        raise Permanent("IPv6 is switched off on this host (`net.ipv6.conf.all.disable_ipv6`), and the overlay is IPv6; switch it on")


def ensure(bridge: Bridge, user: str) -> None:
    """Bring a bridge about, with what it needs of the host."""
    check(bridge)
    seen = bridge_rules.look()
    rules = seen.rules if seen is not None else {}
    known, switched = bridge_rules.kept(rules), bridge_rules.was_switched(rules)
    missing = [(name, value) for name, value in _values_to_keep(switched=switched) if name not in dict(known)]
    bridge_rules.bring(seen, user, bridge.name, bridge.subnet, missing)
    for name, _ in (*known, *missing):
        # A host that forwards ignores routers, and loses the route it has from them, unless it is configured otherwise first.
        if name.endswith("/accept_ra") and iproute.read_setting(name) == "1":
            iproute.write_setting(name, "2")
    iproute.write_setting(_ALL, "1")
    if iproute.link(bridge.name) is None:
        # The MTU follows that of the ports until it is changed for the first time, so it begins with another one.
        words = ["mtu", str(MTU - 1), "address", _mac(bridge), "type", "bridge", "stp_state", "0", "mcast_snooping", "0"]
        iproute.add("link", "add", bridge.name, *words)
    iproute.change("link", "set", bridge.name, "alias", bridge.alias)
    iproute.change("link", "set", bridge.name, "mtu", str(MTU), "address", _mac(bridge), "addrgenmode", "none")
    for field, value in _OF_BRIDGE.items():
        iproute.write_setting(f"{_CONF}/{bridge.name}/{field}", value)
    iproute.write_setting(f"net/ipv6/neigh/{bridge.name}/proxy_delay", "0")
    iproute.change("link", "set", bridge.name, "up")
    # Without a link-local address the kernel sends no neighbor solicitation for what it forwards.
    iproute.add("address", "add", f"{LINK_LOCAL}/64", "dev", bridge.name, "nodad")
    wanted = arithmetic.gateway(bridge.subnet)
    for address, prefix in _addresses(bridge.name):
        if (address, prefix) != (wanted, 64):
            iproute.remove("address", "del", f"{address}/{prefix}", "dev", bridge.name)
    iproute.add("address", "add", f"{wanted}/64", "dev", bridge.name, "nodad")
    # Re-adding an address that is there brings back no route that somebody removed.
    iproute.add("-6", "route", "add", bridge.subnet, "dev", bridge.name, "proto", "kernel", "metric", "256")


def remove(bridge: Bridge, user: str) -> None:
    """Leave a bridge, and take it away with the last user, with everything that it needed."""
    seen = bridge_rules.look()
    known = seen.rules if seen is not None else {}
    others = _users_in(known) - {user}
    alone = bool(bridge.owner) or not _users_in(known, bridge.name) - {user}
    if alone:
        _remove_bridge(bridge)
    if others:
        bridge_rules.leave(known, user, bridge.name if alone else None)
        return
    for name, value in bridge_rules.kept(known):
        if iproute.read_setting(name) is not None:
            iproute.write_setting(name, value)
    bridge_rules.drop(seen)


def _remove_bridge(bridge: Bridge) -> None:
    seen = iproute.link(bridge.name)
    if seen is None or (seen.get("ifalias") != bridge.alias and not _is_without_mark(seen, bridge)):
        return
    refuse_ports(bridge)
    iproute.remove("link", "del", bridge.name)


def refuse_ports(bridge: Bridge) -> None:
    """Refuse to take away what VMs are connected to."""
    ports = [port["ifname"] for port in iproute.show("link", "show", "master", bridge.name)]
    if ports:
        raise Conflict(f"the overlay is in use: {', '.join(f'`{port}`' for port in ports)} of VMs are connected to its bridge")


def find_flaws(bridge: Bridge, user: str) -> dict[str, Json]:
    """Name what is not as `ensure` leaves it; empty when all is well."""
    seen = iproute.link(bridge.name)
    if seen is None:
        return {"bridge": "missing"}
    if seen.get("ifalias") != bridge.alias:
        if _is_half_made(seen, bridge):
            return {"bridge": "not marked yet"}
        return {"bridge": "with another alias" if _is_without_mark(seen, bridge) else "somebody else's"}
    odd: dict[str, Json] = {
        "bridge": None if "UP" in seen.get("flags", ()) else "down",
        "mtu": seen.get("mtu") if seen.get("mtu") != MTU else None,
        "gateway": None if _addresses(bridge.name) == [(arithmetic.gateway(bridge.subnet), 64)] else "wrong",
        "link_local": None if LINK_LOCAL in _link_locals(bridge.name) else "missing",
        "route": None if iproute.show("-6", "route", "show", bridge.subnet, "dev", bridge.name) else "missing",
        "forwarding": None if iproute.read_setting(_ALL) == "1" else False,
        "rules": bridge_rules.flaw(bridge_rules.look(), user, bridge.name, bridge.subnet),
    }
    for field, value in _OF_BRIDGE.items():
        odd[field] = None if iproute.read_setting(f"{_CONF}/{bridge.name}/{field}") == value else False
    return {name: value for name, value in odd.items() if value is not None}


def is_gone(user: str, bridge: Bridge) -> bool:
    """Return whether nothing of a user is left here."""
    table = bridge_rules.look()
    seen = iproute.link(bridge.name)
    there = seen is not None and (seen.get("ifalias") == bridge.alias or _is_renamed(seen, bridge))
    users = _users_in(table.rules) if table is not None else set()
    if table is None or not users:
        return bridge_rules.is_forgotten(table) and not there
    shared = not bridge.owner and bool(_users_in(table.rules, bridge.name) - {user})
    return user not in users and (shared or not there)


def _values_to_keep(*, switched: bool) -> Iterable[tuple[str, str]]:
    """Yield the settings that `ensure` changes, in the order in which they are put back: the switch first, because it resets the others.

    A host that forwarded before us ignored routers before us too, where it is not configured otherwise: nothing changes there. What came
    after we `switched` forwarding on is kept as well.
    """
    forwards = iproute.read_setting(_ALL) != "0"
    if forwards and not switched:
        return
    for name in () if forwards else ("all", "default", *_interfaces()):
        path = f"{_CONF}/{name}/forwarding"
        value = iproute.read_setting(path)
        if value is not None and (name in ("all", "default") or value != "0"):
            yield path, value
    for name in _listening_for_routers():
        yield f"{_CONF}/{name}/accept_ra", "1"


def _listening_for_routers() -> list[str]:
    return [name for name in _interfaces() if iproute.read_setting(f"{_CONF}/{name}/accept_ra") == "1"]


def _interfaces() -> list[str]:
    tuns = {link["ifname"] for link in iproute.show("link", "show", "type", "tun")}
    return [link["ifname"] for link in iproute.show("link", "show") if not link["ifname"].startswith(_OURS) and link["ifname"] not in tuns]


def _link_locals(name: str) -> list[str]:
    listed = [info for link in iproute.show("-6", "address", "show", "dev", name) for info in link.get("addr_info", ())]
    return [str(info["local"]) for info in listed if info.get("scope") == "link"]


def _addresses(name: str) -> list[tuple[str, int]]:
    listed = [info for link in iproute.show("-6", "address", "show", "dev", name) for info in link.get("addr_info", ())]
    return [(str(info["local"]), int(info["prefixlen"])) for info in listed if info.get("scope") != "link"]


def _mac(bridge: Bridge) -> str:
    # Guests remember it: it must not follow that of the lowest port, and must be the same after a reboot.
    digest = jsons.digest(["overlay bridge", bridge.name])
    return "06:" + ":".join(digest[at : at + 2] for at in range(0, 10, 2))


def _is_half_made(seen: dict[str, Any], bridge: Bridge) -> bool:
    return not seen.get("ifalias") and seen.get("address") == _mac(bridge)


def _is_renamed(seen: dict[str, Any], bridge: Bridge) -> bool:
    """Return whether somebody changed the alias of our bridge: it has the MAC of ours, and our rules are for it."""
    alias, rules = str(seen.get("ifalias") or ""), bridge_rules.look()
    if not alias or alias.startswith(ALIAS) or seen.get("address") != _mac(bridge) or rules is None:
        return False
    return bool(_users_in(rules.rules, bridge.name))


def _is_without_mark(seen: dict[str, Any], bridge: Bridge) -> bool:
    return _is_half_made(seen, bridge) or _is_renamed(seen, bridge)
