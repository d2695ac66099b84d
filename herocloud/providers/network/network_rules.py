"""What passes a network's bridge: pure rules for forwarding, published ports and addresses on the way out, and how they are read back.

Every network has base chains of its own, so that it comes, changes and goes as one and nobody else's order matters. Shared chains with
maps by interface would look at fewer rules for a packet; a host has a handful of networks, and a map that misses an entry fails open.
Nothing here accepts on behalf of the host: a base chain's accept ends that chain only, and a host's own firewall still has its say.
"""

from collections.abc import Container, Sequence
from typing import NamedTuple

from herocloud.kits.jsons import Json, Part
from herocloud.providers.firewall import rule_expressions, table_hooks
from herocloud.providers.firewall.rule_expressions import ACCEPT, DROP, MASQUERADE, Chain, Expression, Rules
from herocloud.providers.network import marks
from herocloud.providers.network.marks import Mark, Port

FAMILY, TABLE = "inet", "herocloud"

_FORWARD = {"type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}
_RAW = {"type": "filter", "hook": "prerouting", "prio": -300, "policy": "accept"}
_INCOMING = {"type": "nat", "hook": "prerouting", "prio": -100, "policy": "accept"}
_HERE = {"type": "nat", "hook": "output", "prio": -100, "policy": "accept"}
_LEAVING = {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
_KINDS = ("forward", "raw", "incoming", "here", "leaving")
_HOST = "127.0.0.0/8"


class Seen(NamedTuple):
    """What the rules of a network say."""

    cidr: str | None
    nat: bool
    isolated: bool
    forward: list[Json]
    wrong: tuple[str, ...]
    """The chains that are missing or are not as we load them."""


def chain_names(bridge: str) -> tuple[str, ...]:
    """Name the chains of a network."""
    return tuple(f"{kind}-{bridge}" for kind in _KINDS)


def build(mark: Mark, part: Part) -> tuple[Chain, ...]:
    """Return the chains of a network."""
    bridge, cidr = part["bridge"], rule_expressions.network(part["cidr"])
    names = chain_names(bridge)
    published = tuple(_publish(forward) for forward in part["forward"])
    here: list[Expression] = [_from(bridge), _to_address(rule_expressions.network(_HOST)), DROP]
    return (
        Chain(names[0], _FORWARD, _forward(mark, part)),
        Chain(names[1], _RAW, ((marks.rest_of_comment(mark) or "loopback", here),)),
        Chain(names[2], _INCOMING, published),
        Chain(names[3], _HERE, published),
        Chain(names[4], _LEAVING, _leaving(bridge, cidr, nat=part["nat"])),
    )


def bridges_of(rules: Rules) -> list[str]:
    """Name the bridges that rules have chains for."""
    return sorted({bridge for kind, _, bridge in (name.partition("-") for name in rules) if kind in _KINDS and bridge})


def mark_of(rules: Rules, bridge: str) -> Mark | None:
    """Return whose rules those of a network are, as they say themselves."""
    forward, raw = (next(iter(rules.get(name, ())), None) for name in chain_names(bridge)[:2])
    return marks.read_comment(forward.comment, raw.comment if raw else "") if forward else None


def is_named(rules: Rules, name: str, bridges: Container[str]) -> bool:
    """Return whether a chain is one of a network.

    One whose bridge is not there was loaded before its bridge, or is left of it: no packet gets there while all five are as we load them.
    """
    kind, _, bridge = name.partition("-")
    if kind not in _KINDS:
        return False
    if bridge in bridges:
        return True
    first = next(iter(rules.get(f"{_KINDS[0]}-{bridge}", ())), None)
    mark = marks.read_mark(first.comment) if first else None
    return mark is not None and not read(rules, mark, bridge).wrong


def read(rules: Rules, mark: Mark, bridge: str, table: table_hooks.Table | None = None) -> Seen:
    """Return what the rules of a network say now, and which of its chains are not as they are to be."""
    forward, _, incoming, _, leaving = (rules.get(name, ()) for name in chain_names(bridge))
    source = next((rule for rule in forward if rule.comment == "source"), None)
    cidr = _read_range(source) if source else None
    seen = Seen(
        cidr=cidr,
        nat=any(rule.comment == "nat" for rule in leaving),
        isolated=any(rule.comment == "isolated" for rule in forward),
        forward=[_read_published(rule) for rule in incoming],
        wrong=(),
    )
    like = {
        "bridge": bridge,
        "cidr": seen.cidr or _range_of(leaving) or _HOST,
        "nat": seen.nat,
        "isolated": seen.isolated,
        "forward": seen.forward,
    }
    wrong = tuple(
        chain.name.removesuffix(f"-{bridge}")
        for chain in build(mark, like)
        if chain.name not in rules
        or rule_expressions.outline(chain) != rule_expressions.outline_read(rules[chain.name])
        or not table_hooks.is_hooked(table, chain)
    )
    return seen._replace(wrong=wrong)


def _range_of(leaving: Sequence[rule_expressions.Rule]) -> str | None:
    """Return the range of a network whose rules in the forward chain do not tell."""
    return next((found for rule in leaving if rule.comment == "hairpin" and (found := _read_range(rule))), None)


def _read_range(rule: rule_expressions.Rule) -> str | None:
    """Return the range of addresses that a rule is about; nothing for what is none, as somebody may have left it."""
    match rule_expressions.value(rule, "ip", "saddr"):
        case {"prefix": {"addr": str(address), "len": int(length)}}:
            return f"{address}/{length}"
    return None


def port_of(part: Part) -> Port:
    """Return how the bridge of a network treats its ports.

    Where the host has bridged frames filtered (`bridge-nf-call-iptables`, which containers like), a published port that leads back to the
    caller is translated inside the bridge and has to leave through the port it came from. Guests that are kept apart need none of it.
    """
    return Port(part["isolated"], hairpin=bool(part["forward"]) and not part["isolated"])


def published(rules: Rules) -> dict[tuple[str, int], str]:
    """Return which bridge every published port of this host leads to, by protocol and port."""
    found: dict[tuple[str, int], str] = {}
    for name, chain in rules.items():
        if name.startswith("incoming-"):
            for rule in chain:
                port = _read_published(rule)
                found[port["protocol"], port["host_port"]] = name.removeprefix("incoming-")
    return found


def _forward(mark: Mark, part: Part) -> tuple[tuple[str, list[Expression]], ...]:
    bridge = part["bridge"]
    inside, outside = _from(bridge), _to(bridge)
    rules: list[tuple[str, list[Expression]]] = [
        # The mark takes the place of a role in the first rule: comments are all that tells of an owner in nftables' JSON.
        (marks.comment_of(mark), [_not_from(bridge), _not_to(bridge), ACCEPT]),
        (
            "source",
            [inside, rule_expressions.differs(rule_expressions.payload("ip", "saddr"), rule_expressions.network(part["cidr"])), DROP],
        ),
        ("version", [inside, rule_expressions.equals(rule_expressions.meta("nfproto"), "ipv6"), DROP]),
        # Kept apart means kept apart: through a published port a guest would reach its neighbour as well.
        ("isolated", [inside, outside, DROP]) if part["isolated"] else ("within", [inside, outside, ACCEPT]),
        ("answers", [rule_expressions.has("state", "established", "related"), ACCEPT]),
        ("published", [rule_expressions.has("status", "dnat"), ACCEPT]),
        ("elsewhere", [inside, _to(marks.BRIDGES), DROP]),
        ("from-elsewhere", [_from(marks.BRIDGES), outside, DROP]),
    ]
    if part["nat"]:
        # Behind an address translation nobody outside can begin, as with any router; without it the network is routed both ways.
        rules.append(("closed", [outside, DROP]))
    return tuple(rules)


def _leaving(bridge: str, cidr: Json, *, nat: bool) -> tuple[tuple[str, list[Expression]], ...]:
    rules: list[tuple[str, list[Expression]]] = [
        # A VM that calls a published port of its own network would be answered past us, by an address that it never called.
        ("hairpin", [_from_address(cidr), _to_address(cidr), rule_expressions.has("status", "dnat"), _to(bridge), MASQUERADE]),
        # The host calls a published port on 127.0.0.1: no guest could answer to that.
        ("loopback", [_from_address(rule_expressions.network(_HOST)), _to(bridge), MASQUERADE]),
    ]
    if nat:
        rules.append(
            (
                "nat",
                [
                    _from_address(cidr),
                    rule_expressions.differs(rule_expressions.payload("ip", "daddr"), cidr),
                    rule_expressions.differs(rule_expressions.meta("oifname"), marks.BRIDGES),
                    MASQUERADE,
                ],
            )
        )
    return tuple(rules)


def _publish(forward: Json) -> tuple[str, list[Expression]]:
    here = {"fib": {"result": "type", "flags": ["daddr"]}}
    return forward["vm"], [
        rule_expressions.equals(here, "local"),
        rule_expressions.equals(rule_expressions.payload(forward["protocol"], "dport"), forward["host_port"]),
        {"dnat": {"family": "ip", "addr": forward["address"], "port": forward["port"]}},
    ]


def _read_published(rule: rule_expressions.Rule) -> Json:
    body = rule_expressions.statement(rule, "dnat")
    target = body if isinstance(body, dict) else {}
    for protocol in ("tcp", "udp"):
        port = rule_expressions.value(rule, protocol, "dport")
        if port is not None:
            break
    # Somebody may have made it a range or a set, which nobody can publish.
    port = port if isinstance(port, int) else None
    return {"host_port": port, "vm": rule.comment, "port": target.get("port"), "protocol": protocol, "address": target.get("addr")}


def _from(name: str) -> Expression:
    return rule_expressions.equals(rule_expressions.meta("iifname"), name)


def _to(name: str) -> Expression:
    return rule_expressions.equals(rule_expressions.meta("oifname"), name)


def _not_from(name: str) -> Expression:
    return rule_expressions.differs(rule_expressions.meta("iifname"), name)


def _not_to(name: str) -> Expression:
    return rule_expressions.differs(rule_expressions.meta("oifname"), name)


def _from_address(cidr: Json) -> Expression:
    return rule_expressions.equals(rule_expressions.payload("ip", "saddr"), cidr)


def _to_address(cidr: Json) -> Expression:
    return rule_expressions.equals(rule_expressions.payload("ip", "daddr"), cidr)
