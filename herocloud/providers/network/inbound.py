"""What reaches a guest on the overlay: pure rules per tap, closed but for declared ports, and how they are read back.

Everybody on the overlay can send to every address in it, so each guest is closed unless its VM says what is open. Answers to what the guest
began, errors about it, and pings come through. A chain of its own per tap in the forward hook, as for networks: the guest's neighbors in
the same /64 come this way too, because their ports of the bridge are isolated and the host answers for each of them (see `proxies`).
"""

from collections.abc import Sequence
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.providers.firewall import rule_expressions, table_hooks
from herocloud.providers.firewall.rule_expressions import ACCEPT, DROP, Chain, Expression, Rules
from herocloud.providers.network import marks
from herocloud.providers.network.marks import Mark

FAMILY, TABLE = "inet", "herocloud-inbound"
_HOOK = {"type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}


class Openings(NamedTuple):
    """Which ports of which address are open."""

    address: str
    ports: tuple[str, ...]
    """`22/tcp` each."""


def build(mark: Mark, tap: str, openings: Openings) -> Chain:
    """Return the chain of a tap."""
    here: Expression = rule_expressions.equals(rule_expressions.payload("ip6", "daddr"), openings.address)

    def message(kind: str) -> list[Expression]:
        return [here, rule_expressions.equals(rule_expressions.payload("icmpv6", "type"), kind), ACCEPT]

    rules: list[tuple[str, list[Expression]]] = [
        (marks.comment_of(mark), [here, rule_expressions.has("state", "established", "related"), ACCEPT]),
        # Frames inside the bridge come by here too where the host has them filtered (`bridge-nf-call-ip6tables`).
        ("neighbor", message("nd-neighbor-solicit")),
        ("neighbor", message("nd-neighbor-advert")),
        ("ping", message("echo-request")),
        *(("open", [here, _port(port), ACCEPT]) for port in openings.ports),
        ("closed", [here, DROP]),
    ]
    return Chain(tap, _HOOK, tuple(rules))


def read(rules: Rules, tap: str) -> Openings | None:
    """Return what the rules of a tap open; nothing when there are none."""
    chain = rules.get(tap)
    if not chain:
        return None
    ports = [f"{port}/{protocol}" for rule in chain if rule.comment == "open" for protocol, port in _read_port(rule)]
    return Openings(str(rule_expressions.value(chain[-1], "ip6", "daddr") or ""), tuple(ports))


def is_whole(rules: Rules, mark: Mark, tap: str, openings: Openings, table: table_hooks.Table | None = None) -> bool:
    """Return whether the rules of a tap are those that open exactly this, and every packet to it gets to them."""
    chain = build(mark, tap, openings)
    return (
        read(rules, tap) == openings
        and rule_expressions.outline(chain) == rule_expressions.outline_read(rules[tap])
        and table_hooks.is_hooked(table, chain)
    )


def openings_of(part: Json) -> Openings | None:
    """Return what the part of a NIC opens; nothing for one that is not on the overlay."""
    if part is None or part["network"] != marks.OVERLAY or not part["address"]:
        return None
    return Openings(part["address"], tuple(part.get("open") or ()))


def stale(rules: Rules, taps: Sequence[str]) -> list[str]:
    """Name the chains whose tap is gone: unlike those at a device they outlive it."""
    return [name for name in rules if name not in taps]


def _port(text: str) -> Expression:
    port, _, protocol = text.partition("/")
    return rule_expressions.equals(rule_expressions.payload(protocol, "dport"), int(port))


def _read_port(rule: rule_expressions.Rule) -> list[tuple[str, Json]]:
    """Return the port that a rule opens; nothing for a range or a set, which somebody else opened."""
    return [(protocol, port) for protocol in ("tcp", "udp") if isinstance(port := rule_expressions.value(rule, protocol, "dport"), int)]
