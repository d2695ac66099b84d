"""One change to any rule that guards the overlay on the host is seen, be it an operand, an operator, a left side or a verdict."""

from collections.abc import Iterator
from typing import Any

import pytest

from herocloud.providers.firewall import own_table
from herocloud.providers.firewall.own_table import Seen
from herocloud.providers.firewall.rule_expressions import Chain
from herocloud.providers.mycelium import bridge_rules, host_guard
from tests.providers.network import rule_changes

CHAINS = {
    "the guard of the host": [host_guard.build("mycelium", ["22/tcp", "53/udp"], 9651)],
    "the guard of a cable": [host_guard.build("hv-12345678", [], 9651)],
    "what bridges keep apart": bridge_rules.guards(switched=False),
    "what bridges keep apart on a host that did not forward": bridge_rules.guards(switched=True),
    "the addresses of a bridge": [bridge_rules.origin("hb-mycelium", "45a:1:2:3::/64")],
}


def _changes(chains: list[Chain]) -> Iterator[tuple[str, Any]]:
    rules = rule_changes.as_read(*chains)
    for chain in chains:
        for what, changed in rule_changes.of_chain(rules[chain.name]):
            yield what, {**rules, chain.name: changed}


@pytest.mark.parametrize("name", CHAINS)
def test_one_change_to_any_rule_is_seen(name: str) -> None:
    chains = CHAINS[name]
    assert own_table.flaw(Seen(rule_changes.as_read(*chains), None), chains) is None
    changes = list(_changes(chains))
    assert len(changes) > 20
    assert [what for what, rules in changes if own_table.flaw(Seen(rules, None), chains) is None] == []


@pytest.mark.parametrize("name", CHAINS)
def test_no_rule_holds_a_set_without_a_name(name: str) -> None:
    assert "'set'" not in str(CHAINS[name])
