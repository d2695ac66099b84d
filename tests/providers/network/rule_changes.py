"""Every way in which somebody may change one thing about a rule: an operand, an operator, a left side, a mask, a statement, a verdict."""

import copy
from collections.abc import Iterator
from typing import Any

from herocloud.providers.firewall.rule_expressions import Chain, Rule

OPERATORS = ("==", "!=", "in", "<", ">=")
VERDICTS: tuple[dict[str, Any], ...] = ({"accept": None}, {"drop": None}, {"return": None}, {"continue": None})
MORE: tuple[dict[str, Any], ...] = (
    {"match": {"op": "==", "left": {"meta": {"key": "mark"}}, "right": 7}},
    {"counter": {"packets": 0, "bytes": 0}},
)
OTHERS: dict[str, list[Any]] = {
    "ct state": ["new", ["established", "new"], ["established", "related", "new"], "established", {"set": ["established", "related"]}],
    "ct status": ["snat", ["dnat", "snat"], "assured"],
    "icmpv6 type": ["nd-redirect", "nd-router-solicit", "echo-reply", 130, {"set": ["nd-redirect", "echo-request"]}],
    "meta nfproto": ["ipv4", 10 + 1],
    "meta l4proto": ["tcp", 6],
    "ether type": ["ip", "arp"],
    "arp ptype": ["ip6"],
    "fib type": ["unicast", "broadcast"],
}


def as_read(*chains: Chain) -> dict[str, tuple[Rule, ...]]:
    """Return chains as they would be read back."""
    return {chain.name: tuple(Rule(role, copy.deepcopy(expr)) for role, expr in chain.rules) for chain in chains}


def of_chain(rules: tuple[Rule, ...]) -> Iterator[tuple[str, tuple[Rule, ...]]]:
    """Yield the rules of a chain with one change each, and what it is."""
    for number, rule in enumerate(rules):
        around = f"rule {number} ({rule.comment})"
        for what, expr in of_rule(rule.expr):
            yield f"{around}: {what}", (*rules[:number], rule._replace(expr=expr), *rules[number + 1 :])
        yield f"{around}: gone", rules[:number] + rules[number + 1 :]
        for verdict in VERDICTS[:2]:
            yield f"{around}: {next(iter(verdict))} in front", (*rules[:number], Rule("", [verdict]), *rules[number:])


def of_rule(expr: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the expressions of a rule with one change each."""
    for number, expression in enumerate(expr):
        for what, other in _of_expression(expression):
            yield f"{expression} becomes {what}", [*expr[:number], other, *expr[number + 1 :]]
        yield f"without {expression}", expr[:number] + expr[number + 1 :]
    for more in MORE:
        yield f"with {more}", [more, *expr]


def that_nft_takes(expr: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield the expressions of a rule with one other operand, operator or statement: those that are sound rules as well."""
    for number, expression in enumerate(expr):
        match = expression.get("match")
        if match is None:
            others = [*VERDICTS, *_statements(expression)]
        else:
            others = [{"match": {**match, "right": right}} for right in _rights(match["left"], match["right"])]
            others.append({"match": {**match, "op": "!=" if match["op"] != "!=" else "=="}})
        for other in others:
            if other != expression:
                yield f"{expression} becomes {other}", [*expr[:number], other, *expr[number + 1 :]]


def _of_expression(expression: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    match = expression.get("match")
    if match is None:
        for other in (*VERDICTS, *_statements(expression)):
            if other != expression:
                yield str(other), other
        return
    for operator in OPERATORS:
        if operator != match["op"]:
            yield operator, {"match": {**match, "op": operator}}
    for left in (*_lefts(match["left"]), {"&": [match["left"], 1]}):
        yield str(left), {"match": {**match, "left": left}}
    for right in _rights(match["left"], match["right"]):
        yield str(right), {"match": {**match, "right": right}}


def _statements(expression: dict[str, Any]) -> Iterator[dict[str, Any]]:
    word, body = next(iter(expression.items()))
    if word == "fwd":
        yield {"fwd": {"dev": "lo"}}
    if word == "dnat":
        yield {"dnat": {**body, "port": body["port"] + 1}}
        yield {"dnat": {**body, "addr": "10.42.0.77"}}
        yield {"dnat": {"family": "ip", "addr": body["addr"]}}
    if word == "masquerade":
        yield {"masquerade": {"flags": "random"}}


def _lefts(left: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield other things to look at, of the same type where there are any."""
    match left:
        case {"meta": {"key": "iifname" | "oifname" as key}}:
            yield {"meta": {"key": "oifname" if key == "iifname" else "iifname"}}
        case {"payload": {"protocol": protocol, "field": "saddr" | "daddr" as field}}:
            yield {"payload": {"protocol": protocol, "field": "daddr" if field == "saddr" else "saddr"}}
        case {"payload": {"protocol": "tcp" | "udp" as protocol, "field": field}}:
            yield {"payload": {"protocol": "udp" if protocol == "tcp" else "tcp", "field": field}}
            yield {"payload": {"protocol": protocol, "field": "sport"}}
        case {"payload": {"base": "th", "offset": 64, "len": 128}}:
            yield {"payload": {"base": "th", "offset": 32, "len": 128}}
            yield {"payload": {"base": "nh", "offset": 64, "len": 128}}
        case {"ct": {"key": "state"}}:
            yield {"ct": {"key": "status"}}
        case {"fib": {"result": "type"}}:
            yield {"fib": {"result": "type", "flags": ["saddr"]}}
            yield {"fib": {"result": "type", "flags": ["daddr", "iif"]}}
    yield {"meta": {"key": "mark"}}


def _rights(left: dict[str, Any], right: Any) -> Iterator[Any]:
    word, body = next(iter(left.items()))
    subject = f"{word} {body.get('key') or body.get('result')}" if word != "payload" else f"{body.get('protocol')} {body.get('field')}"
    yield from (other for other in OTHERS.get(subject, ()) if other != right)
    match right:
        case int():
            yield right + 1
            yield {"range": [right, right + 1]}
            yield {"set": [right, right + 1]}
        case {"prefix": {"addr": address, "len": length}}:
            yield {"prefix": {"addr": address, "len": length - 1}}
            yield {"prefix": {"addr": "fd00::" if ":" in address else "172.16.0.0", "len": length}}
            yield address
        case {"set": [first, *others]}:
            yield {"set": others}
            yield first
        case str() if right.startswith("0x"):
            yield hex(int(right, 16) ^ 1)
        case str() if right.count(".") == 3 and right[0].isdigit():
            yield "10.42.0.78"
        case str() if right.count(":") == 5:
            yield f"{right[:-1]}{'1' if right[-1] != '1' else '2'}"
        case str() if ":" in right:
            yield "45a:1:2:3:ff0f::77"
        case str() if subject.endswith("ifname"):
            yield "somebody0"
            yield "h*"
