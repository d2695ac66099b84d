"""The host's side of the overlay: the bridge that taps join, its address, what is switched on for it, and the way back.

The bridge has `prefix::1/64`, so the kernel's own route to the /64 is nearer than the daemon's 400::/7 and no other is needed. Its ports
are isolated: guests in one /64 reach each other by way of the host, where what comes in to each of them is judged. Guests believe that
their neighbors are on the link, so the host answers for them (proxy neighbors, one entry per tap, made with the tap); it must not answer
a guest that asks whether its own address is free, and not tell guests of the short way by redirects, which the isolation blocks.

Old values of sysctls are kept in a chain of our table that is hooked in nowhere, as the networks of stacks do: they vanish with the boot
that they describe.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Json
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers import devices
from herocloud.providers.mycelium import arithmetic, iproute

BRIDGE = devices.OVERLAY_BRIDGE
ALIAS = "herocloud-overlay isolated"
"""The second word tells who makes taps that they are kept apart."""
MTU = 1400
"""What the daemon's own interface has."""
LINK_LOCAL = "fe80::1"
FAMILY, TABLE = "inet", "herocloud-overlay"
KEPT = "before"
USERS = "user-"
ORIGIN = "from-"
"""Begins the name of the chain that keeps the addresses of a bridge's /64 to that bridge."""
_CONF = "net/ipv6/conf"
_ALL = f"{_CONF}/all/forwarding"
_OURS = ("hb-", "hc-", "hi-", "hv-", "lo")
_OF_BRIDGE = {"accept_ra": "0", "proxy_ndp": "1"}


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


def _users_in(rules: dict[str, list[Json]], bridge: str | None = None) -> set[str]:
    """Return who uses the overlay of this host: `<lineage>-<stack>` each, of all data folders; of one bridge, or of all."""
    found = {name.removeprefix(USERS): _comments(listed) or [BRIDGE] for name, listed in rules.items() if name.startswith(USERS)}
    return {user for user, bridges in found.items() if bridge is None or bridge in bridges}


def _comments(rules: Iterable[Json]) -> list[str]:
    return [str(rule.get("comment", "")) for rule in rules]


def user_of(lineage: str, stack: str) -> str:
    """Name a stack among the users."""
    return f"{lineage}-{stack}"


def check(bridge: Bridge) -> None:
    """Refuse what cannot be: a bridge of somebody else, another /64 in use, IPv6 switched off."""
    seen = iproute.link(bridge.name)
    if seen is not None and seen.get("ifalias") != bridge.alias and not _is_half_made(seen, bridge):
        raise Conflict(f"an interface `{bridge.name}` exists and carries no mark of herocloud, so it is left alone; rename or remove it")
    if iproute.read_setting(f"{_CONF}/all/disable_ipv6") != "0":
        raise Permanent("IPv6 is switched off on this host (`net.ipv6.conf.all.disable_ipv6`), and the overlay is IPv6; switch it on")


def ensure(bridge: Bridge, user: str) -> None:
    """Bring a bridge about, with what it needs of the host."""
    check(bridge)
    iproute.load_rules(_rules(user, bridge))
    for name, _ in _kept(iproute.read_rules(FAMILY, TABLE) or {}):
        # A host that forwards ignores routers, and loses the route it has from them, unless it is configured otherwise first.
        if name.endswith("/accept_ra") and iproute.read_setting(name) == "1":
            iproute.write_setting(name, "2")
    iproute.write_setting(_ALL, "1")
    seen = iproute.link(bridge.name)
    if seen is None:
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
    rules = iproute.read_rules(FAMILY, TABLE)
    known = rules or {}
    others = _users_in(known) - {user}
    alone = bool(bridge.owner) or not _users_in(known, bridge.name) - {user}
    if alone:
        _remove_bridge(bridge)
    if others:
        gone = [name for name in (f"{USERS}{user}", *([f"{ORIGIN}{bridge.name}"] if alone else [])) if name in known]
        chains = [{"chain": {"family": FAMILY, "table": TABLE, "name": name}} for name in gone]
        # A chain goes only when it is empty.
        if chains:
            iproute.load_rules([*({"flush": chain} for chain in chains), *({"delete": chain} for chain in chains)])
        return
    for name, value in _kept(known):
        if iproute.read_setting(name) is not None:
            iproute.write_setting(name, value)
    if rules is not None:
        iproute.load_rules([{"delete": {"table": {"family": FAMILY, "name": TABLE}}}])


def _remove_bridge(bridge: Bridge) -> None:
    seen = iproute.link(bridge.name)
    if seen is None or (seen.get("ifalias") != bridge.alias and not _is_half_made(seen, bridge)):
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
    rules = iproute.read_rules(FAMILY, TABLE)
    seen = iproute.link(bridge.name)
    if seen is None:
        return {"bridge": "missing"}
    if seen.get("ifalias") != bridge.alias:
        return {"bridge": "not marked yet" if _is_half_made(seen, bridge) else "somebody else's"}
    odd: dict[str, Json] = {
        "bridge": None if "UP" in seen.get("flags", ()) else "down",
        "mtu": seen.get("mtu") if seen.get("mtu") != MTU else None,
        "gateway": None if _addresses(bridge.name) == [(arithmetic.gateway(bridge.subnet), 64)] else "wrong",
        "link_local": None if LINK_LOCAL in _link_locals(bridge.name) else "missing",
        "route": None if iproute.show("-6", "route", "show", bridge.subnet, "dev", bridge.name) else "missing",
        "forwarding": None if iproute.read_setting(_ALL) == "1" else False,
        "rules": None
        if rules is not None and {*_guards(switched=False), f"{USERS}{user}"} <= rules.keys() and _is_whole(rules, bridge)
        else "missing",
    }
    for field, value in _OF_BRIDGE.items():
        odd[field] = None if iproute.read_setting(f"{_CONF}/{bridge.name}/{field}") == value else False
    return {name: value for name, value in odd.items() if value is not None}


def is_gone(user: str, bridge: Bridge) -> bool:
    """Return whether nothing of a user is left here."""
    rules = iproute.read_rules(FAMILY, TABLE)
    seen = iproute.link(bridge.name)
    there = seen is not None and seen.get("ifalias") == bridge.alias
    if rules is None or not _users_in(rules):
        return rules is None and not there
    shared = not bridge.owner and bool(_users_in(rules, bridge.name) - {user})
    return f"{USERS}{user}" not in rules and (shared or not there)


def _rules(user: str, bridge: Bridge) -> list[Json]:
    place = {"family": FAMILY, "table": TABLE}
    rules = iproute.read_rules(FAMILY, TABLE) or {}
    commands: list[Json] = [{"add": {"table": {"family": FAMILY, "name": TABLE}}}]
    kept = {name for name, _ in _kept(rules)}
    missing = [(name, value) for name, value in _values_to_keep(switched=KEPT in rules) if name not in kept]
    if missing:
        commands.append({"add": {"chain": {**place, "name": KEPT}}})
        commands += [_note(KEPT, f"{name}={value}") for name, value in missing]
    commands += [{"add": {"chain": {**place, "name": f"{USERS}{user}"}}}, {"flush": {"chain": {**place, "name": f"{USERS}{user}"}}}]
    commands.append(_note(f"{USERS}{user}", bridge.name))
    switched = KEPT in rules or bool(missing)
    chains = [(hook, hook, expressions) for hook, expressions in _guards(switched=switched).items()]
    for name, hook, expressions in [*chains, (f"{ORIGIN}{bridge.name}", "forward", [_foreign(bridge)])]:
        chain = {**place, "name": name, "type": "filter", "hook": hook, "prio": 0, "policy": "accept"}
        commands += [{"add": {"chain": chain}}, {"flush": {"chain": {**place, "name": name}}}]
        commands += [{"add": {"rule": {**place, "chain": name, "expr": expression, "comment": hook}}} for expression in expressions]
    return commands


def _note(chain: str, text: str) -> Json:
    """Keep a text in a chain that is hooked in nowhere."""
    return {"add": {"rule": {"family": FAMILY, "table": TABLE, "chain": chain, "expr": [{"return": None}], "comment": text}}}


def _kept(rules: dict[str, list[Json]]) -> list[tuple[str, str]]:
    """Return the settings that were changed, with the values from before, in the order in which they are put back."""
    pairs = (text.partition("=") for text in _comments(rules.get(KEPT, ())))
    return [(name, value) for name, _, value in pairs]


def _foreign(bridge: Bridge) -> list[Json]:
    """Drop what the host would forward for somebody outside who takes the address of a VM: into the overlay, and so in its name."""
    address, _, length = bridge.subnet.partition("/")
    inside = {"prefix": {"addr": address, "len": int(length)}}
    source = {"payload": {"protocol": "ip6", "field": "saddr"}}
    return [
        {"match": {"op": "==", "left": source, "right": inside}},
        {"match": {"op": "!=", "left": {"meta": {"key": "iifname"}}, "right": bridge.name}},
        {"drop": None},
    ]


def _guards(*, switched: bool) -> dict[str, list[list[Json]]]:
    """Return what must not pass: between bridges and the rest of the world, and to neighbors about taken addresses and closed ways.

    Where we `switched` forwarding on, the host forwarded nothing before, and forwards nothing between the overlay and others than VMs now.
    """

    def equals(left: Json, right: Json) -> Json:
        return {"match": {"op": "==", "left": left, "right": right}}

    kind = {"payload": {"protocol": "icmpv6", "field": "type"}}
    source = {"payload": {"protocol": "ip6", "field": "saddr"}}
    bridges = "hb-my*"
    target = {"payload": {"protocol": "ip6", "field": "daddr"}}
    overlay = {"prefix": {"addr": "400::", "len": 7}}

    def differs(left: Json, right: Json) -> Json:
        return {"match": {"op": "!=", "left": left, "right": right}}

    into, out_of = equals({"meta": {"key": "oifname"}}, bridges), equals({"meta": {"key": "iifname"}}, bridges)
    apart = [differs({"meta": {"key": key}}, bridges) for key in ("iifname", "oifname")] if switched else []
    through = [[*apart, equals(target, overlay), {"drop": None}], [*apart, equals(source, overlay), {"drop": None}]] if switched else []
    return {
        # The overlay is not a way out of the host, and nothing but the overlay a way in.
        "forward": [[out_of, differs(target, overlay), {"drop": None}], [into, differs(source, overlay), {"drop": None}], *through],
        "input": [[out_of, equals(source, "::"), equals(kind, "nd-neighbor-solicit"), {"drop": None}]],
        "output": [[into, equals(kind, "nd-redirect"), {"drop": None}]],
    }


def _is_whole(rules: dict[str, list[Json]], bridge: Bridge) -> bool:
    return len(rules.get(f"{ORIGIN}{bridge.name}", ())) == 1 and all(
        len(rules[hook]) == len(expressions) for hook, expressions in _guards(switched=KEPT in rules).items()
    )


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
    tuns = {one["ifname"] for one in iproute.show("link", "show", "type", "tun")}
    return [one["ifname"] for one in iproute.show("link", "show") if not one["ifname"].startswith(_OURS) and one["ifname"] not in tuns]


def _link_locals(name: str) -> list[str]:
    listed = [info for one in iproute.show("-6", "address", "show", "dev", name) for info in one.get("addr_info", ())]
    return [str(info["local"]) for info in listed if info.get("scope") == "link"]


def _addresses(name: str) -> list[tuple[str, int]]:
    listed = [info for one in iproute.show("-6", "address", "show", "dev", name) for info in one.get("addr_info", ())]
    return [(str(info["local"]), int(info["prefixlen"])) for info in listed if info.get("scope") != "link"]


def _mac(bridge: Bridge) -> str:
    # Guests remember it: it must not follow that of the lowest port, and must be the same after a reboot.
    digest = jsons.digest(["overlay bridge", bridge.name])
    return "06:" + ":".join(digest[at : at + 2] for at in range(0, 10, 2))


def _is_half_made(seen: dict[str, Any], bridge: Bridge) -> bool:
    return not seen.get("ifalias") and seen.get("address") == _mac(bridge)
