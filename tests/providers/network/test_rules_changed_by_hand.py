"""A rule of ours in which anything at all was changed is seen as changed, and what nft prints of an unchanged one is not."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from herocloud.providers.firewall import rule_expressions
from herocloud.providers.firewall.rule_expressions import Chain, Rules
from herocloud.providers.network import inbound, network_rules, tap_rules
from herocloud.providers.network.marks import Mark
from tests.providers.network import rule_changes

TAP = Mark("ours", "shop", "vm.web", "nic.0")
NETWORK = Mark("ours", "shop", "network.lan", "network")
PART: dict[str, Any] = {
    "cidr": "10.42.0.0/24",
    "nat": True,
    "isolated": False,
    "bridge": "hb-lan",
    "forward": [
        {"host_port": 8080, "vm": "vm.web", "port": 80, "protocol": "tcp", "address": "10.42.0.2"},
        {"host_port": 53, "vm": "vm.dns", "port": 5353, "protocol": "udp", "address": "10.42.0.3"},
    ],
}
MAC, ADDRESS = "02:00:00:00:00:01", "45a:1:2:3:ff0f::1"
GUARDS = {
    "an IPv4 guest": tap_rules.Guarded(MAC, "10.42.0.2", None),
    "an IPv4 guest with a limited upload": tap_rules.Guarded(MAC, "10.42.0.2", "hi-v1-0"),
    "a guest on the overlay": tap_rules.Guarded(MAC, ADDRESS, None),
    "a guest on the overlay with a limited upload": tap_rules.Guarded(MAC, ADDRESS, "hi-v1-0"),
    "a guest without an address": tap_rules.Guarded(MAC, None, None),
}
OPENINGS = inbound.Openings(ADDRESS, ("22/tcp", "53/udp"))


class Case:
    """The chains of one builder, with the judgement of whether they are as they are to be."""

    def __init__(self, family: str, table: str, chains: tuple[Chain, ...], is_right: Callable[[Rules], bool]) -> None:
        self.family, self.table, self.chains, self.is_right = family, table, chains, is_right


def _network(**fields: Any) -> Case:
    part = {**PART, **fields}
    wanted = (part["cidr"], part["nat"], part["isolated"], part["forward"], ())
    published = {(one["protocol"], one["host_port"]): "hb-lan" for one in part["forward"]}

    def is_right(rules: Rules) -> bool:
        return (network_rules.read(rules, NETWORK, "hb-lan"), network_rules.published(rules)) == (wanted, published)

    return Case(network_rules.FAMILY, network_rules.TABLE, network_rules.build(NETWORK, part), is_right)


def _guard(guarded: tap_rules.Guarded) -> Case:
    chain = tap_rules.build(TAP, "hc-v1-0", guarded)
    return Case(tap_rules.FAMILY, tap_rules.TABLE, (chain,), lambda rules: tap_rules.is_whole(rules, TAP, "hc-v1-0", guarded))


def _inbound() -> Case:
    def is_right(rules: Rules) -> bool:
        # Which ports are open is read from the rules, and compared with the plan's by itself.
        seen = inbound.read(rules, "hc-v1-0")
        openings = inbound.Openings(ADDRESS, seen.ports if seen else ())
        return inbound.is_whole(rules, TAP, "hc-v1-0", openings) and openings == OPENINGS

    return Case(inbound.FAMILY, inbound.TABLE, (inbound.build(TAP, "hc-v1-0", OPENINGS),), is_right)


CASES = {
    "a network": _network(),
    "an isolated network that is routed": _network(nat=False, isolated=True),
    **{f"the guard of {name}": _guard(guarded) for name, guarded in GUARDS.items()},
    "what reaches a guest": _inbound(),
}


def _changes(case: Case, rules: Rules) -> Iterator[tuple[str, Rules]]:
    for chain in case.chains:
        for what, changed in rule_changes.of_chain(rules[chain.name]):
            yield f"{chain.name}: {what}", {**rules, chain.name: changed}


@pytest.mark.parametrize("name", CASES)
def test_one_change_to_any_rule_is_seen(name: str) -> None:
    case = CASES[name]
    rules = rule_changes.as_read(*case.chains)
    assert case.is_right(rules)
    changes = list(_changes(case, rules))
    assert len(changes) > 20
    assert [what for what, changed in changes if case.is_right(changed)] == []


def _other_nft(expression: Any) -> Any:
    """Return an expression as other versions of nft print it: numbers for names, a list of one as its item, named fields."""
    names = {"ipv6": 10, "ipv6-icmp": 58, 58: "icmpv6", "8021q": "vlan", "local": 2, "nd-neighbor-solicit": 135, "echo-request": "128"}
    match expression:
        case {"match": {"left": {"payload": {"base": "th"}}, "right": str(number), **rest}}:
            target = int(number, 16).to_bytes(16).hex(":", 2)
            return {"match": {**rest, "left": {"payload": {"protocol": "icmpv6", "field": "taddr"}}, "right": target}}
        case {"match": {"left": {"fib": fib}, "right": right, **rest}}:
            return {"match": {**rest, "left": {"fib": {**fib, "flags": fib["flags"][0]}}, "right": names[right]}}
        case {"match": {"right": [*states], **rest}}:
            return {"match": {**rest, "right": states[::-1]}}
        case {"match": {"left": {"ct": left}, "right": str(state), **rest}}:
            return {"match": {**rest, "left": {"ct": left}, "right": [state]}}
        case {"match": {"left": {"meta": {"key": "nfproto" | "l4proto"}} | {"payload": {"field": "type"}} as left, "right": right, **rest}}:
            return {"match": {**rest, "left": left, "right": names.get(right, right)}}
    return expression


@pytest.mark.parametrize("name", CASES)
def test_another_spelling_of_the_same_rule_is_the_same(name: str) -> None:
    case = CASES[name]
    rules = rule_changes.as_read(*case.chains)
    spelled = {chain: tuple(rule._replace(expr=[_other_nft(one) for one in rule.expr]) for rule in some) for chain, some in rules.items()}
    assert case.is_right(spelled)


def test_an_interface_whose_name_looks_like_a_number_is_not_taken_for_that_number() -> None:
    rules = [[rule_expressions.equals(rule_expressions.meta("iifname"), name)] for name in ("16", "0x10", "016")]
    outlines = [rule_expressions.outline_read([rule_expressions.Rule("", expr)]) for expr in rules]
    assert len({str(one) for one in outlines}) == 3


@pytest.fixture
def nft(_able: None) -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Return a caller of nft in a namespace of its own with the interfaces that the rules name."""
    namespace = f"hct-{os.getpid()}-rules"
    enter = ["ip", "netns", "exec", namespace]
    subprocess.run(["ip", "netns", "add", namespace], check=True)
    for name in ("hc-v1-0", "hi-v1-0"):
        subprocess.run([*enter, "ip", "tuntap", "add", name, "mode", "tap"], check=True)

    def call(*words: str, commands: Any = ()) -> subprocess.CompletedProcess[str]:
        document = json.dumps({"nftables": commands})
        return subprocess.run([*enter, "nft", "-j", *words], input=document, capture_output=True, text=True, check=False)

    yield call
    subprocess.run(["ip", "netns", "delete", namespace], check=True)


@pytest.mark.root
@pytest.mark.parametrize("name", CASES)
def test_the_real_nft_prints_rules_that_are_recognized_and_changes_that_are_seen(nft: Any, name: str) -> None:
    case = CASES[name]

    def read_back(chains: list[Chain]) -> Rules:
        commands = rule_expressions.load(case.family, case.table, chains)
        ended = nft("-f", "-", commands=[*rule_expressions.drop_table(case.family, case.table), *commands])
        assert ended.returncode == 0, ended.stderr
        return rule_expressions.read_listing(json.loads(nft("list", "table", case.family, case.table).stdout))

    whole = read_back(list(case.chains))
    assert case.is_right(whole)
    # A chain that is hooked in nowhere for each change: one transaction loads them all.
    changed = {
        f"changed-{chain.name}-{at}-{number}": (chain.name, what, (*chain.rules[:at], (role, expr), *chain.rules[at + 1 :]))
        for chain in case.chains
        for at, (role, rule) in enumerate(chain.rules)
        for number, (what, expr) in enumerate(rule_changes.that_nft_takes(rule))
    }
    seen = read_back([Chain(name, {}, rules) for name, (_, _, rules) in changed.items()])
    unseen = [what for name, (chain, what, _) in changed.items() if case.is_right({**whole, chain: seen[name]})]
    assert len(changed) > 5
    assert unseen == []
