"""A whole table of ours: what was seen of it, what is wrong with it, and the way from there to how it is to be.

Whatever is wrong is one word or two for a part, because loading mends all of it: rules that are missing or changed, a chain that is hooked
in elsewhere or has another policy, a table that sleeps, chains and sets of somebody else.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.providers.firewall import nft, rule_expressions, table_hooks
from herocloud.providers.firewall.rule_expressions import Chain, Rules
from herocloud.providers.firewall.table_hooks import Hook, Surplus, Table

MISSING, CHANGED, ASLEEP = "missing", "changed", "switched off"


class Seen(NamedTuple):
    """A table as it was seen."""

    rules: Rules
    table: Table | None
    surplus: Surplus = Surplus()


def look(family: str, name: str, is_ours: Callable[[str, Hook | None], bool]) -> Seen | None:
    """Look at a table in which chains are ours that `is_ours` knows, also those of other stacks; nothing when it is not there."""
    rules = nft.list_table(family, name)
    if rules is None:
        return None
    table = table_hooks.read(family, name)
    return Seen(rules, table, table_hooks.surplus_of(table, is_ours))


def flaw(seen: Seen | None, chains: Sequence[Chain]) -> str | None:
    """Say what is wrong with these chains and with what lies around them; nothing when all is well."""
    if seen is None or any(chain.name not in seen.rules or (chain.rules and not seen.rules[chain.name]) for chain in chains):
        return MISSING
    if seen.table is not None and seen.table.flags:
        return ASLEEP
    for chain in chains:
        if rule_expressions.outline(chain) != rule_expressions.outline_read(seen.rules[chain.name]):
            return CHANGED
        if not table_hooks.is_hooked(seen.table, chain):
            return CHANGED
    names = seen.surplus.names()
    return f"not alone: {', '.join(names)}" if names else None


def bring(family: str, name: str, seen: Seen | None, chains: Sequence[Chain]) -> Iterator[list[Json]]:
    """Yield the transactions after which a table holds these chains, and nothing that is not ours."""
    if seen is not None:
        yield from table_hooks.mend(family, name, seen.table, chains, seen.surplus, seen.rules)
    yield rule_expressions.load(family, name, chains)
