"""What a guest may send: pure rules at the ingress of its tap, and how they are read back.

A guest that ignores its seed must not be able to take a neighbour's MAC or address. The netdev hook sees every frame of the tap before
the bridge does; a filter in the bridge family never sees those to 01:80:c2:00:00:0x, whose source MAC the bridge learns all the same.
What is not allowed by name is dropped: no DHCP, no router advertisements, no VLANs, no IPv6 on an IPv4 network.

A limited upload goes to a device of its own (`fwd`) as the last act of the same chain. The usual way, a redirect in tc's ingress hook,
comes before this hook and its packets skip it on their return: a rate limit would switch the guard off.
"""

import socket
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.providers.firewall import rule_expressions, table_hooks
from herocloud.providers.firewall.rule_expressions import ACCEPT, DROP, Chain, Expression, Rules
from herocloud.providers.network import marks
from herocloud.providers.network.marks import Mark

FAMILY, TABLE = "netdev", "herocloud"

_NOBODY = "0.0.0.0"  # noqa: S104  (an address in a rule, nothing is bound)

_ICMPV6 = 58
"""By its number: its name is in /etc/protocols, which a small Debian does not have (package netbase)."""
_TARGET = {"payload": {"base": "th", "offset": 64, "len": 128}}
"""The target address of neighbour discovery; nft 1.0.6 has no name for it in JSON."""


class Guarded(NamedTuple):
    """Whom a tap's rules let pass."""

    mac: str
    address: str | None
    upload: str | None
    """The device that slows the upload down."""


def build(mark: Mark, tap: str, guarded: Guarded) -> Chain:
    """Return the chain of a tap."""
    hook = {"type": "filter", "hook": "ingress", "dev": tap, "prio": 0, "policy": "drop"}
    passed: Expression = {"fwd": {"dev": guarded.upload}} if guarded.upload else ACCEPT
    ether = rule_expressions.payload("ether", "type")
    rules: list[tuple[str, list[Expression]]] = [
        (marks.comment_of(mark), [rule_expressions.differs(rule_expressions.payload("ether", "saddr"), guarded.mac), DROP]),
        ("vlan", [rule_expressions.equals(ether, "8021q"), DROP]),
        ("vlans", [rule_expressions.equals(ether, "8021ad"), DROP]),
    ]
    if guarded.address is None:
        pass
    elif ":" in guarded.address:
        rules += _allow_ipv6(guarded.mac, guarded.address, passed)
    else:
        rules += _allow_ipv4(guarded.mac, guarded.address, passed)
    return Chain(tap, hook, tuple(rules))


def read(rules: Rules, tap: str) -> Guarded | None:
    """Return whom the rules of a tap let pass; nothing when there are none."""
    chain = rules.get(tap)
    if not chain:
        return None
    mac = rule_expressions.value(chain[0], "ether", "saddr")
    allowed = next((rule for rule in chain if rule.comment == "address"), None)
    address = (rule_expressions.value(allowed, "ip", "saddr") or rule_expressions.value(allowed, "ip6", "saddr")) if allowed else None
    forwarded = rule_expressions.statement(allowed, "fwd") if allowed else None
    return Guarded(mac or "", address, _device(forwarded))


def is_whole(rules: Rules, mark: Mark, tap: str, guarded: Guarded, table: table_hooks.Table | None = None) -> bool:
    """Return whether the rules of a tap are those that let exactly this pass, and every frame of the tap gets to them."""
    chain = build(mark, tap, guarded)
    return (
        read(rules, tap) == guarded
        and rule_expressions.outline(chain) == rule_expressions.outline_read(rules[tap])
        and table_hooks.is_hooked(table, chain)
    )


def _allow_ipv4(mac: str, address: str, passed: Expression) -> list[tuple[str, list[Expression]]]:
    arp = [
        rule_expressions.equals(rule_expressions.payload("arp", "htype"), 1),
        rule_expressions.equals(rule_expressions.payload("arp", "ptype"), "ip"),
        rule_expressions.equals(rule_expressions.payload("arp", "saddr ether"), mac),
    ]
    sender = rule_expressions.payload("arp", "saddr ip")
    return [
        ("arp", [*arp, rule_expressions.equals(sender, address), passed]),
        # A guest asks for its own address with no sender before it uses it.
        ("probe", [*arp, rule_expressions.equals(sender, _NOBODY), passed]),
        ("address", [rule_expressions.equals(rule_expressions.payload("ip", "saddr"), address), passed]),
    ]


def _allow_ipv6(mac: str, address: str, passed: Expression) -> list[tuple[str, list[Expression]]]:
    local = marks.link_local(mac)
    kind = rule_expressions.payload("icmpv6", "type")
    source = rule_expressions.payload("ip6", "saddr")
    mine, near = _number(address), _number(local)
    return [
        ("router", [rule_expressions.equals(kind, "nd-router-advert"), DROP]),
        ("redirect", [rule_expressions.equals(kind, "nd-redirect"), DROP]),
        (
            "neighbour",
            [
                rule_expressions.equals(kind, "nd-neighbor-advert"),
                rule_expressions.differs(_TARGET, mine),
                rule_expressions.differs(_TARGET, near),
                DROP,
            ],
        ),
        *(
            (
                "probe",
                [
                    rule_expressions.equals(source, "::"),
                    rule_expressions.equals(kind, "nd-neighbor-solicit"),
                    rule_expressions.equals(_TARGET, target),
                    passed,
                ],
            )
            for target in (mine, near)
        ),
        # What a guest says under its link-local address is neighbour discovery and nothing else.
        ("local", [rule_expressions.equals(source, local), rule_expressions.equals(rule_expressions.meta("l4proto"), _ICMPV6), passed]),
        ("address", [rule_expressions.equals(source, address), passed]),
    ]


def _number(address: str) -> str:
    return "0x" + socket.inet_pton(socket.AF_INET6, address).hex()


def _device(forwarded: Json) -> str | None:
    device = forwarded.get("dev") if isinstance(forwarded, dict) else None
    return str(device) if device else None
