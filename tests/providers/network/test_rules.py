"""The rules as values: what is built reads back as what was asked for, and holds nothing that nftables would silently skip."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herocloud.providers.firewall import rule_expressions
from herocloud.providers.firewall.rule_expressions import Chain, Rule
from herocloud.providers.network import network_rules, tap_rules
from herocloud.providers.network.marks import Mark
from herocloud.providers.network.tap_rules import Guarded

MARK = Mark("ours", "shop", "network.lan", "network")
TAP = Mark("ours", "shop", "vm.web", "nic.0")

ADDRESSES = st.ip_addresses(v=4).map(str)
FORWARDS = st.lists(
    st.fixed_dictionaries(
        {
            "host_port": st.integers(1, 65535),
            "vm": st.sampled_from(["vm.web", "vm.web[12]"]),
            "port": st.integers(1, 65535),
            "protocol": st.sampled_from(["tcp", "udp"]),
            "address": ADDRESSES,
        }
    ),
    max_size=3,
)


def _read(chains: Iterable[Chain]) -> dict[str, tuple[Rule, ...]]:
    return {chain.name: tuple(Rule(role, expr) for role, expr in chain.rules) for chain in chains}


def _network(**fields: Any) -> dict[str, Any]:
    return {"cidr": "10.42.0.0/24", "nat": True, "isolated": False, "forward": [], "bridge": "hb-lan", **fields}


@given(nat=st.booleans(), isolated=st.booleans(), forward=FORWARDS)
def test_the_rules_of_a_network_say_what_was_asked_for(*, nat: bool, isolated: bool, forward: list[Any]) -> None:
    rules = _read(network_rules.build(MARK, _network(nat=nat, isolated=isolated, forward=forward)))
    assert network_rules.read(rules, MARK, "hb-lan") == ("10.42.0.0/24", nat, isolated, forward, ())


@pytest.mark.parametrize("chain", network_rules.chain_names("hb-lan"))
def test_a_chain_that_misses_any_rule_is_named(chain: str) -> None:
    forward = [{"host_port": 80, "vm": "vm.web", "port": 80, "protocol": "tcp", "address": "10.42.0.2"}]
    whole = _read(network_rules.build(MARK, _network(forward=forward)))
    for number in range(len(whole[chain])):
        rules = {**whole, chain: whole[chain][:number] + whole[chain][number + 1 :]}
        seen = network_rules.read(rules, MARK, "hb-lan")
        assert seen.wrong or (seen.nat, seen.forward) != (True, forward), number
    assert network_rules.read({name: one for name, one in whole.items() if name != chain}, MARK, "hb-lan").wrong


def test_without_any_rule_a_network_says_nothing() -> None:
    assert network_rules.read({}, MARK, "hb-lan") == (None, False, False, [], ("forward", "raw", "incoming", "here", "leaving"))


@pytest.mark.parametrize("upload", [None, "hi-v1-0"])
@pytest.mark.parametrize("address", ["10.42.0.2", "45a:1:2:3:ff0f::1", None])
def test_the_guard_of_a_tap_says_whom_it_lets_pass(address: str | None, upload: str | None) -> None:
    # Without an address nothing passes, so nothing tells of the way either.
    guarded = Guarded("02:00:00:00:00:01", address, upload if address else None)
    rules = _read([tap_rules.build(TAP, "hc-v1-0", guarded)])
    assert tap_rules.read(rules, "hc-v1-0") == guarded
    assert tap_rules.is_whole(rules, TAP, "hc-v1-0", guarded)
    for number in range(len(rules["hc-v1-0"])):
        less = {"hc-v1-0": rules["hc-v1-0"][:number] + rules["hc-v1-0"][number + 1 :]}
        assert not tap_rules.is_whole(less, TAP, "hc-v1-0", guarded), number


def test_a_guard_drops_whatever_it_does_not_name() -> None:
    assert tap_rules.build(TAP, "hc-v1-0", Guarded("02:00:00:00:00:01", None, None)).hook["policy"] == "drop"


def _values(item: Any) -> Iterable[Any]:
    if isinstance(item, dict):
        for value in item.values():
            yield from _values(value)
    elif isinstance(item, list):
        for value in item:
            yield from _values(value)
    else:
        yield item


@given(forward=FORWARDS, address=st.one_of(ADDRESSES, st.ip_addresses(v=6).map(str)))
def test_no_number_is_too_large_for_nft_and_no_set_has_no_name(forward: list[Any], address: str) -> None:
    # nft 1.0.6 ends with success and loads nothing when a number does not fit into 63 bits.
    chains = [
        *network_rules.build(MARK, _network(forward=forward)),
        tap_rules.build(TAP, "hc-v1-0", Guarded("02:00:00:00:00:01", address, None)),
    ]
    commands = rule_expressions.load("inet", "herocloud", chains)
    assert all(abs(value) < 2**63 for value in _values(commands) if isinstance(value, int))
    assert '"set"' not in str(commands).replace("'", '"')
