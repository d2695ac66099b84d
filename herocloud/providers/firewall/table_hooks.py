"""How our tables of nftables are set up: flags, chains with their hooks, and everything else that lies in them.

Rules say what happens to a packet that reaches them. Whether any packet does is said here: a table may be dormant, a chain hooked in
elsewhere, later, or with another policy. `nft` 1.0.6 prints the flags of a table as garbage and leaves out the device of a chain, so this
comes from the kernel itself: five small dumps, whatever there is.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.providers import netlink
from herocloud.providers.firewall.rule_expressions import Chain, Rules

_NETFILTER = 12
"""NETLINK_NETFILTER."""
_FAMILIES = {"inet": 1, "netdev": 5}
_SUBSYSTEM = 10 << 8
"""NFNL_SUBSYS_NFTABLES."""
_GET_TABLE, _GET_CHAIN, _GET_SET, _GET_FLOWTABLE = (_SUBSYSTEM | number for number in (1, 4, 10, 23))
_BODY = 4
"""Bytes of nfgenmsg in front of the attributes."""
_HOOKS = {"inet": ("prerouting", "input", "forward", "output", "postrouting", "ingress"), "netdev": ("ingress", "egress")}
_ANONYMOUS, _MAP = 1, 8
_NUMBER = struct.Struct(">I")
_SIGNED = struct.Struct(">i")


class Hook(NamedTuple):
    """Where a chain is hooked in, and what happens at its end."""

    type: str
    hook: str
    priority: int
    policy: str
    devices: tuple[str, ...] = ()


class Table(NamedTuple):
    """A table as it is set up."""

    flags: int = 0
    chains: Mapping[str, Hook | None] = {}
    """Where each chain is hooked in; nothing for one that only other chains lead to."""
    others: tuple[tuple[str, str], ...] = ()
    """What there is besides chains, as kind and name: sets, maps, flow tables. Ours have none."""


def read(family: str, name: str) -> Table | None:
    """Look at one table; nothing when it is not there."""
    flags = next((_flags(body) for body in _entries(_GET_TABLE, family, 1, name)), None)
    if flags is None:
        return None
    chains = dict(_chain(family, body) for body in _entries(_GET_CHAIN, family, 1, name))
    others = [_set(body) for body in _entries(_GET_SET, family, 1, name)]
    others += [("flowtable", _text(seen[2])) for seen in _entries(_GET_FLOWTABLE, family, 1, name)]
    return Table(flags, chains, tuple(sorted(kind_and_name for kind_and_name in others if kind_and_name[0])))


def has_flags(family: str, name: str) -> bool:
    """Return whether a table is anything but plain: asleep, say."""
    return any(_flags(body) for body in _entries(_GET_TABLE, family, 1, name))


def hook_of(chain: Chain) -> Hook | None:
    """Return where one of our chains is to be hooked in."""
    if not chain.hook:
        return None
    devices = (str(chain.hook["dev"]),) if "dev" in chain.hook else ()
    return Hook(chain.hook["type"], chain.hook["hook"], chain.hook["prio"], chain.hook["policy"], devices)


def is_hooked(table: Table | None, chain: Chain) -> bool:
    """Return whether packets get to a chain as they are to; a table that nobody looked at is taken for right."""
    return table is None or (not table.flags and table.chains.get(chain.name) == hook_of(chain))


def mend(family: str, name: str, table: Table | None, chains: Iterable[Chain], surplus: "Surplus", rules: Rules) -> Iterator[list[Json]]:
    """Yield the transactions that clear the way for `chains` to be loaded.

    A table that was put to sleep wakes in a transaction of its own, because the kernel takes no new chain in the one that wakes it. A chain
    that is hooked in elsewhere cannot be moved, so it goes, and loading makes it again in the same transaction as the rest.
    """
    if table is None:
        return
    place = {"family": family, "table": name}
    if table.flags:
        yield [{"add": {"table": {"family": family, "name": name}}}]
    misplaced = [chain.name for chain in chains if chain.name in table.chains and not _is_placed(table.chains[chain.name], hook_of(chain))]
    gone = {*misplaced, *surplus.chains}
    commands = [
        {"delete": {"rule": {**place, "chain": chain, "handle": rule.handle}}}
        for chain, found in rules.items()
        if chain not in gone
        for rule in found
        if rule.handle and _leads_to(rule.expr, gone, surplus)
    ]
    commands += [{"flush": {"chain": {**place, "name": chain}}} for chain in sorted(gone)]
    commands += [{"delete": {kind: {**place, "name": other}}} for kind, other in surplus.others]
    commands += [{"delete": {"chain": {**place, "name": chain}}} for chain in sorted(gone)]
    if commands:
        yield commands


class Surplus(NamedTuple):
    """What lies in a table of ours and is not ours."""

    chains: tuple[str, ...] = ()
    others: tuple[tuple[str, str], ...] = ()

    def names(self) -> list[str]:
        """Name all of it, for a part."""
        return [*(f"chain {name}" for name in self.chains), *(f"{kind} {name}" for kind, name in self.others)]


def surplus_of(table: Table | None, is_ours: Callable[[str, Hook | None], bool]) -> Surplus:
    """Return what lies in a table besides our chains."""
    if table is None:
        return Surplus()
    return Surplus(tuple(sorted(name for name, hook in table.chains.items() if not is_ours(name, hook))), table.others)


def _is_placed(now: Hook | None, wanted: Hook | None) -> bool:
    """Return whether a chain is hooked in where it is to be; its policy changes in place."""
    return now == wanted or (now is not None and wanted is not None and now._replace(policy=wanted.policy) == wanted)


def _leads_to(expr: Json, chains: Iterable[str], surplus: Surplus) -> bool:
    """Return whether a rule jumps to one of these chains or uses something that is too much: it keeps them from being removed."""
    names = {*(f"@{name}" for _, name in surplus.others)}
    targets = set(chains)

    def mentioned(value: Json) -> bool:
        if isinstance(value, dict):
            return value.get("target") in targets or any(mentioned(inner) for inner in value.values())
        if isinstance(value, list):
            return any(mentioned(inner) for inner in value)
        return value in names

    return mentioned(expr)


def _entries(kind: int, family: str, where: int, table: str) -> Iterator[dict[int, bytes]]:
    """Yield the attributes of every entry of a table; `where` is the attribute that names the table."""
    body = struct.pack(">BBH", _FAMILIES[family], 0, 0)
    for answer in netlink.dump(kind, body, _NETFILTER):
        seen = netlink.attributes(answer, _BODY, _WANTED)
        if _text(seen.get(where, b"")) == table:
            yield seen


_WANTED = frozenset({1, 2, 3, 4, 5, 7})
"""Of a table NAME and FLAGS; of a chain TABLE, NAME, HOOK, POLICY, TYPE; of a set TABLE, NAME, FLAGS."""


def _flags(seen: Mapping[int, bytes]) -> int:
    return int(_NUMBER.unpack(seen[2])[0]) if 2 in seen else 0


def _chain(family: str, seen: Mapping[int, bytes]) -> tuple[str, Hook | None]:
    name = _text(seen[3])
    if 4 not in seen:
        return name, None
    hook = netlink.attributes(seen[4], 0, frozenset({1, 2, 3, 4}))
    number = _NUMBER.unpack(hook[1])[0]
    words = _HOOKS[family]
    devices = [_text(hook[3])] if 3 in hook else [_text(device) for device in netlink.listed(hook.get(4, b""))]
    policy = "drop" if 5 in seen and _NUMBER.unpack(seen[5])[0] == 0 else "accept"
    place = words[number] if number < len(words) else str(number)
    return name, Hook(_text(seen.get(7, b"")), place, _SIGNED.unpack(hook[2])[0], policy, tuple(sorted(devices)))


def _set(seen: Mapping[int, bytes]) -> tuple[str, str]:
    """Return the kind of a set and its name; one without a name belongs to a rule, which is compared by itself."""
    flags = _NUMBER.unpack(seen[3])[0] if 3 in seen else 0
    return "" if flags & _ANONYMOUS else "map" if flags & _MAP else "set", _text(seen[2])


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
