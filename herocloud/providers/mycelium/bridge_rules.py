"""What must not pass between the bridges of the overlay and the rest of the world, and what the host remembers for them in that table.

Chains that are hooked in nowhere keep texts, one rule's comment each: the sysctls from before us, and who uses which bridge, of all data
folders. They vanish with the boot that they describe. A text that is there is never dropped by mending: such a chain is brought back to
what it is to look like with the texts it has.
"""

from collections.abc import Sequence

from herocloud.model import overlays
from herocloud.providers.firewall import own_table, rule_expressions
from herocloud.providers.firewall.own_table import Seen
from herocloud.providers.firewall.rule_expressions import DROP, RETURN, Chain, Expression, Rules
from herocloud.providers.firewall.table_hooks import Hook
from herocloud.providers.mycelium import former_settings, iproute

FAMILY, TABLE = "inet", "herocloud-overlay"
_KEPT = "before"
_USERS = "user-"
_ORIGIN = "from-"
"""Begins the name of the chain that keeps the addresses of a bridge's /64 to that bridge."""
_BRIDGES = "hb-my*"
_HOOKS = ("forward", "input", "output")


def look() -> Seen | None:
    """Look at the table; nothing when it is not there."""
    return iproute.look_at_table(FAMILY, TABLE, _is_ours)


def texts(rules: Rules, chain: str) -> list[str]:
    """Return the texts that a chain keeps."""
    return [rule.comment for rule in rules.get(chain, ()) if rule.comment]


def users(rules: Rules) -> dict[str, list[str]]:
    """Return who uses the overlay of this host, of all data folders, with the bridges of each."""
    return {name.removeprefix(_USERS): texts(rules, name) for name in rules if name.startswith(_USERS)}


def kept(rules: Rules) -> list[tuple[str, str]]:
    """Return the settings that were changed, with the values from before, in the order in which they are put back."""
    return [(name, value) for name, _, value in (text.partition("=") for text in _remembered(rules))]


def was_switched(rules: Rules) -> bool:
    """Return whether forwarding was switched on by us: the host forwarded nothing before."""
    return _KEPT in rules or bool(former_settings.read())


def is_forgotten(seen: Seen | None) -> bool:
    """Return whether nothing of the overlay is remembered on this host any more."""
    return seen is None and not former_settings.read()


def flaw(seen: Seen | None, user: str, bridge: str, subnet: str) -> str | None:
    """Say what is wrong for a user of a bridge; nothing when all is well."""
    return own_table.flaw(seen, _chains(seen.rules if seen is not None else {}, user, bridge, subnet, ()))


def bring(seen: Seen | None, user: str, bridge: str, subnet: str, to_keep: Sequence[tuple[str, str]]) -> None:
    """Bring the table to what a user of a bridge needs, and keep these settings from before."""
    chains = _chains(seen.rules if seen is not None else {}, user, bridge, subnet, to_keep)
    for commands in own_table.bring(FAMILY, TABLE, seen, chains):
        iproute.load_rules(commands)
    former_settings.write([text for chain in chains if chain.name == _KEPT for text, _ in chain.rules])


def leave(rules: Rules, user: str, bridge: str | None) -> None:
    """Take away what a user needed, and what a bridge that is gone with them needed; others have theirs here."""
    gone = [name for name in (f"{_USERS}{user}", *([f"{_ORIGIN}{bridge}"] if bridge else [])) if name in rules]
    if gone:
        iproute.load_rules(rule_expressions.unload(FAMILY, TABLE, gone))


def drop(seen: Seen | None) -> None:
    """Take the whole table away, with everything that is remembered."""
    former_settings.forget()
    if seen is not None:
        iproute.load_rules(rule_expressions.drop_table(FAMILY, TABLE))


def _is_ours(chain: str, _hook: Hook | None) -> bool:
    return chain in (_KEPT, *_HOOKS) or chain.startswith((_USERS, _ORIGIN))


def _chains(rules: Rules, user: str, bridge: str, subnet: str, to_keep: Sequence[tuple[str, str]]) -> list[Chain]:
    """Return the chains of a user of a bridge, and those with the texts of everybody."""
    memory = {name: texts(rules, name) for name in rules if name.startswith(_USERS)}
    settings = [*_remembered(rules), *(f"{name}={value}" for name, value in to_keep)]
    if settings or _KEPT in rules:
        memory[_KEPT] = settings
    memory[f"{_USERS}{user}"] = [bridge]
    return [
        *(Chain(name, {}, tuple((text, [RETURN]) for text in kept_texts)) for name, kept_texts in memory.items()),
        *guards(switched=_KEPT in memory),
        origin(bridge, subnet),
    ]


def _remembered(rules: Rules) -> list[str]:
    """Return the settings from before: those beside the table first, because a chain is easily changed, or gone with all rules."""
    beside = former_settings.read()
    names = {text.partition("=")[0] for text in beside}
    return [*beside, *(text for text in texts(rules, _KEPT) if text.partition("=")[0] not in names)]


def origin(bridge: str, subnet: str) -> Chain:
    """Drop what the host would forward for somebody outside who takes the address of a VM: into the overlay, and so in its name."""
    source = rule_expressions.payload("ip6", "saddr")
    foreign = [
        rule_expressions.equals(source, rule_expressions.network(subnet)),
        rule_expressions.differs(rule_expressions.meta("iifname"), bridge),
        DROP,
    ]
    return Chain(f"{_ORIGIN}{bridge}", _hook("forward"), (("forward", foreign),))


def guards(*, switched: bool) -> list[Chain]:
    """Return what must not pass: between bridges and the rest of the world, and to neighbors about taken addresses and closed ways.

    Where we `switched` forwarding on, the host forwarded nothing before, and forwards nothing between the overlay and others than VMs now.
    """
    kind, source, target = (rule_expressions.payload(*words) for words in (("icmpv6", "type"), ("ip6", "saddr"), ("ip6", "daddr")))
    incoming, outgoing = rule_expressions.meta("iifname"), rule_expressions.meta("oifname")
    overlay = rule_expressions.network(overlays.RANGE)
    out_of, into = (rule_expressions.equals(way, _BRIDGES) for way in (incoming, outgoing))
    apart = [rule_expressions.differs(way, _BRIDGES) for way in (incoming, outgoing)]
    through: list[list[Expression]] = [[*apart, rule_expressions.equals(end, overlay), DROP] for end in (target, source)]
    rules: dict[str, list[list[Expression]]] = {
        # The overlay is not a way out of the host, and nothing but the overlay a way in.
        "forward": [
            [out_of, rule_expressions.differs(target, overlay), DROP],
            [into, rule_expressions.differs(source, overlay), DROP],
            *(through if switched else ()),
        ],
        "input": [[out_of, rule_expressions.equals(source, "::"), rule_expressions.equals(kind, "nd-neighbor-solicit"), DROP]],
        "output": [[into, rule_expressions.equals(kind, "nd-redirect"), DROP]],
    }
    return [Chain(name, _hook(name), tuple((name, expressions) for expressions in rules[name])) for name in _HOOKS]


def _hook(name: str) -> dict[str, str | int]:
    return {"type": "filter", "hook": name, "prio": 0, "policy": "accept"}
