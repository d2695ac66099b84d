"""What reaches the host itself from the overlay: closed but for declared ports, on the interfaces that carry it for us.

Everybody on the overlay can send to the address of the node and to the gateway of the VMs, and so to every service of the host that
listens on `::`. A chain per interface in the input hook closes that; the rules for VMs are elsewhere, because their traffic is forwarded.
The chain is there before its interface. For the interface of a daemon that somebody else started there is none: its host was as open
before us, and somebody may rely on that.
"""

from collections.abc import Iterable, Iterator

from herocloud.model import overlays
from herocloud.providers.firewall import own_table, rule_expressions
from herocloud.providers.firewall.own_table import Seen
from herocloud.providers.firewall.rule_expressions import ACCEPT, DROP, Chain, Expression
from herocloud.providers.firewall.table_hooks import Hook
from herocloud.providers.mycelium import iproute

FAMILY, TABLE = "inet", "herocloud-overlay-host"
_CHAIN = "in-"
_HOOK = {"type": "filter", "hook": "input", "prio": 0, "policy": "accept"}
_MESSAGES = ("echo-request", "destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem")
"""Pings, and errors about what nobody tracks any more. Neighbors are not looked for on a TUN."""


def ensure(interface: str, openings: Iterable[str], port: int | None = None) -> None:
    """Close an interface but for these openings (`22/tcp`) and the port on which the daemon takes peers."""
    chains, seen = [build(interface, openings, port)], _look()
    if own_table.flaw(seen, chains) is not None:
        for commands in own_table.bring(FAMILY, TABLE, seen, chains):
            iproute.load_rules(commands)


def remove(interface: str) -> None:
    """Open an interface again, and leave nothing behind with the last one."""
    seen = _look()
    if seen is None:
        return
    name = _name(interface)
    if not any(chain.startswith(_CHAIN) for chain in seen.rules.keys() - {name}):
        iproute.load_rules(rule_expressions.drop_table(FAMILY, TABLE))
    elif name in seen.rules:
        iproute.load_rules(rule_expressions.unload(FAMILY, TABLE, [name]))


def flaw(interface: str, openings: Iterable[str], port: int | None = None) -> str | None:
    """Say how an interface is not closed as `ensure` leaves it; nothing when it is."""
    return own_table.flaw(_look(), [build(interface, openings, port)])


def is_gone(interface: str) -> bool:
    """Return whether nothing of an interface is left here."""
    seen = _look()
    return seen is None or _name(interface) not in seen.rules


def build(interface: str, openings: Iterable[str], port: int | None) -> Chain:
    """Return the chain of an interface; the role of a rule is what it lets in."""
    return Chain(_name(interface), _HOOK, tuple(_rules(interface, openings, port)))


def _name(interface: str) -> str:
    return f"{_CHAIN}{interface}"


def _look() -> Seen | None:
    return iproute.look_at_table(FAMILY, TABLE, _is_ours)


def _is_ours(chain: str, _hook: Hook | None) -> bool:
    """Return whether a chain is ours: other data folders have their interfaces in this table as well."""
    return chain.startswith(_CHAIN)


def _rules(interface: str, openings: Iterable[str], port: int | None) -> Iterator[tuple[str, list[Expression]]]:
    source = rule_expressions.payload("ip6", "saddr")
    # What comes by the cable of a network from its daemon, and not from the overlay, has another source.
    here = [
        rule_expressions.equals(rule_expressions.meta("iifname"), interface),
        rule_expressions.equals(source, rule_expressions.network(overlays.RANGE)),
    ]
    yield "answers", [*here, rule_expressions.has("state", "established", "related"), ACCEPT]
    for kind in _MESSAGES:
        yield kind, [*here, rule_expressions.equals(rule_expressions.payload("icmpv6", "type"), kind), ACCEPT]
    for opening in [*sorted(set(openings)), *([f"{port}/tcp", f"{port}/udp"] if port is not None else [])]:
        number, _, protocol = opening.partition("/")
        yield f"open {opening}", [*here, rule_expressions.equals(rule_expressions.payload(protocol, "dport"), int(number)), ACCEPT]
    yield "closed", [*here, DROP]
