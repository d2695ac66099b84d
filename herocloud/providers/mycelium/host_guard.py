"""What reaches the host itself from the overlay: closed but for declared ports, on the interfaces that carry it for us.

Everybody on the overlay can send to the address of the node and to the gateway of the VMs, and so to every service of the host that
listens on `::`. A chain per interface in the input hook closes that; the rules for VMs are elsewhere, because their traffic is forwarded.
The chain is there before its interface. For the interface of a daemon that somebody else started there is none: its host was as open
before us, and somebody may rely on that.
"""

from collections.abc import Iterable, Iterator

from herocloud.kits.jsons import Json
from herocloud.model import overlays
from herocloud.providers.mycelium import iproute

FAMILY, TABLE = "inet", "herocloud-overlay-host"
_CHAIN = "in-"
_PLACE = {"family": FAMILY, "table": TABLE}
_MESSAGES = ("echo-request", "destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem")
"""Pings, and errors about what nobody tracks any more. Neighbors are not looked for on a TUN."""


def ensure(interface: str, openings: Iterable[str], port: int | None = None) -> None:
    """Close an interface but for these openings (`22/tcp`) and the port on which the daemon takes peers."""
    rules = list(_rules(interface, openings, port))
    if _comments(interface) == [comment for comment, _ in rules]:
        return
    name = f"{_CHAIN}{interface}"
    hook = {**_PLACE, "name": name, "type": "filter", "hook": "input", "prio": 0, "policy": "accept"}
    iproute.load_rules(
        [
            {"add": {"table": {"family": FAMILY, "name": TABLE}}},
            {"add": {"chain": hook}},
            {"flush": {"chain": {**_PLACE, "name": name}}},
            *({"add": {"rule": {**_PLACE, "chain": name, "expr": expression, "comment": comment}}} for comment, expression in rules),
        ]
    )


def remove(interface: str) -> None:
    """Open an interface again, and leave nothing behind with the last one."""
    chains = iproute.read_rules(FAMILY, TABLE)
    if chains is None:
        return
    name = f"{_CHAIN}{interface}"
    if not chains.keys() - {name}:
        iproute.load_rules([{"delete": {"table": {"family": FAMILY, "name": TABLE}}}])
    elif name in chains:
        chain = {"chain": {**_PLACE, "name": name}}
        iproute.load_rules([{"flush": chain}, {"delete": chain}])


def is_whole(interface: str, openings: Iterable[str], port: int | None = None) -> bool:
    """Return whether an interface is closed as `ensure` leaves it."""
    return _comments(interface) == [comment for comment, _ in _rules(interface, openings, port)]


def is_gone(interface: str) -> bool:
    """Return whether nothing of an interface is left here."""
    return _comments(interface) is None


def _comments(interface: str) -> list[str] | None:
    chain = (iproute.read_rules(FAMILY, TABLE) or {}).get(f"{_CHAIN}{interface}")
    return None if chain is None else [str(rule.get("comment", "")) for rule in chain]


def _rules(interface: str, openings: Iterable[str], port: int | None) -> Iterator[tuple[str, list[Json]]]:
    """Yield each rule with the text by which it is recognized: what it lets in."""
    address, _, length = overlays.RANGE.partition("/")
    overlay = {"prefix": {"addr": address, "len": int(length)}}
    # What comes by the cable of a network from its daemon, and not from the overlay, has another source.
    here = [_equals({"meta": {"key": "iifname"}}, interface), _equals({"payload": {"protocol": "ip6", "field": "saddr"}}, overlay)]
    states = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
    yield "answers", [*here, states, {"accept": None}]
    kind = {"payload": {"protocol": "icmpv6", "field": "type"}}
    yield "messages", [*here, _equals(kind, {"set": list(_MESSAGES)}), {"accept": None}]
    for opening in [*sorted(set(openings)), *([f"{port}/tcp", f"{port}/udp"] if port is not None else [])]:
        number, _, protocol = opening.partition("/")
        yield f"open {opening}", [*here, _equals({"payload": {"protocol": protocol, "field": "dport"}}, int(number)), {"accept": None}]
    yield "closed", [*here, {"drop": None}]


def _equals(left: Json, right: Json) -> Json:
    return {"match": {"op": "==", "left": left, "right": right}}
