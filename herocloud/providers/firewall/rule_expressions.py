"""The few words of nftables' JSON that our rules are made of, and how a rule is read back.

JSON and not the text form: what goes in comes out again in the same shape, so one function builds and another reads, and no name from a
stack file can become syntax. No rule holds an anonymous set: each is an object of its own that nft fetches on every call, which made
listing two thousand taps five times slower. Numbers stay below 2^63: nft 1.0.6 ends with success and does nothing above that.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from herocloud.kits.jsons import Json
from herocloud.providers.firewall import normal_form

Expression = dict[str, Json]
Outline = tuple[str, ...]
"""What a rule does with which packets, each expression in its normal form."""

ACCEPT: Expression = {"accept": None}
DROP: Expression = {"drop": None}
MASQUERADE: Expression = {"masquerade": None}
RETURN: Expression = {"return": None}


class Chain(NamedTuple):
    """A chain of one of our tables, with its rules: pairs of role and expressions."""

    name: str
    hook: Mapping[str, Json]
    """Where it is hooked in; empty for one that is only there to be read."""
    rules: tuple[tuple[str, list[Expression]], ...]


class Rule(NamedTuple):
    """A rule as it was read."""

    comment: str
    expr: list[Expression]
    handle: int = 0
    """What the kernel calls it."""


Rules = Mapping[str, tuple[Rule, ...]]
"""The rules of one table, by chain."""


def meta(key: str) -> Expression:
    """Name something known about the packet."""
    return {"meta": {"key": key}}


def payload(protocol: str, field: str) -> Expression:
    """Name a field of the packet."""
    return {"payload": {"protocol": protocol, "field": field}}


def equals(left: Expression, right: Json) -> Expression:
    """Match packets in which `left` is `right`."""
    return {"match": {"op": "==", "left": left, "right": right}}


def differs(left: Expression, right: Json) -> Expression:
    """Match packets in which `left` is anything but `right`."""
    return {"match": {"op": "!=", "left": left, "right": right}}


def has(key: str, *values: str) -> Expression:
    """Match packets whose connection has one of these states (or this status)."""
    return {"match": {"op": "in", "left": {"ct": {"key": key}}, "right": list(values) if len(values) > 1 else values[0]}}


def network(cidr: str) -> Json:
    """Write a range of addresses."""
    address, _, length = cidr.partition("/")
    return {"prefix": {"addr": address, "len": int(length)}}


def load(family: str, table: str, chains: Iterable[Chain]) -> list[Json]:
    """Return the commands that make these chains be exactly this, whatever they are now."""
    place = {"family": family, "table": table}
    commands: list[Json] = [{"add": {"table": {"family": family, "name": table}}}]
    for chain in chains:
        commands += [{"add": {"chain": {**place, "name": chain.name, **chain.hook}}}, {"flush": {"chain": {**place, "name": chain.name}}}]
    for chain in chains:
        commands += [
            {"add": {"rule": {**place, "chain": chain.name, "expr": expr, **({"comment": role} if role else {})}}}
            for role, expr in chain.rules
        ]
    return commands


def unload(family: str, table: str, names: Iterable[str]) -> list[Json]:
    """Return the commands that take chains away; the table has to be there, the chains need not.

    Kernels before 6.16 drop the chain of a device with the device. Adding a chain that exists changes nothing, so it is added first.
    """
    place = {"family": family, "table": table}
    return [{verb: {"chain": {**place, "name": name}}} for name in names for verb in ("add", "flush", "delete")]


def drop_table(family: str, table: str) -> list[Json]:
    """Return the commands that take a whole table of ours away, whether it is there or not."""
    return [{verb: {"table": {"family": family, "name": table}}} for verb in ("add", "delete")]


def outline(chain: Chain) -> list[tuple[str, Outline]]:
    """Reduce a chain to the role of each rule, and to what it does with which packets."""
    return [(role, tuple(map(normal_form.normalize, expr))) for role, expr in chain.rules]


def outline_read(rules: Iterable[Rule]) -> list[tuple[str, Outline]]:
    """Reduce a chain that was read to the same."""
    return [(rule.comment, tuple(map(normal_form.normalize, rule.expr))) for rule in rules]


def read_listing(listing: Json) -> dict[str, tuple[Rule, ...]]:
    """Return the rules in what `nft -j list` printed, by chain."""
    found: dict[str, list[Rule]] = {}
    for item in listing["nftables"]:
        if "chain" in item:
            found.setdefault(item["chain"]["name"], [])
        elif "rule" in item:
            rule = item["rule"]
            found.setdefault(rule["chain"], []).append(Rule(rule.get("comment", ""), rule["expr"], rule.get("handle", 0)))
    return {name: tuple(rules) for name, rules in found.items()}


def value(rule: Rule, protocol: str, field: str) -> Json:
    """Return what a rule compares a field with; nothing when it does not look at it."""
    for expression in rule.expr:
        match: Any = expression.get("match")
        if match and match["left"] == payload(protocol, field):
            return match["right"]
    return None


def statement(rule: Rule, word: str) -> Json:
    """Return the body of a statement of a rule (`dnat`, `fwd`); nothing when it has none."""
    return next((expression[word] for expression in rule.expr if word in expression), None)
