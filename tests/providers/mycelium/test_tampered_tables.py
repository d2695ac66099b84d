"""Whatever is done to a table that guards the overlay is seen by its field, and one apply brings the table back to what it was.

One host for all rows: a stack in the /64 of its node, with a VM's card, and a stack with a node of its own. Each row begins whole.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import hosts
import pytest

from herocloud.providers.mycelium import arithmetic
from tests.providers.network import ability

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

NODE, OWN, CARD = "node", "own node", "card"


class Target(NamedTuple):
    """A chain, and the part that speaks of it."""

    table: str
    chain: str
    rule: str
    """The role of a rule of it that drops."""
    part: str
    field: str


TARGETS = {
    "the guard of the host": Target("inet herocloud-overlay-host", "in-mycelium", "closed", NODE, "host_rules"),
    "the guard of a cable": Target("inet herocloud-overlay-host", "in-{cable}", "closed", OWN, "cable_rules"),
    "the ways between bridges": Target("inet herocloud-overlay", "forward", "forward", NODE, "rules"),
    "the addresses of a bridge": Target("inet herocloud-overlay", "from-hb-mycelium", "forward", NODE, "rules"),
    "the addresses of a bridge of its own": Target("inet herocloud-overlay", "from-{bridge}", "forward", OWN, "rules"),
    "what reaches a guest": Target("inet herocloud-inbound", "hc-v1-0", "closed", CARD, "inbound"),
    "what a guest sends": Target("netdev herocloud", "hc-v1-0", "vlan", CARD, "guard"),
}


class Tables:
    """A host with all tables that guard the overlay."""

    def __init__(self, host: Any) -> None:
        self.host = host
        subnet = host.key()
        self.parts: dict[str, Any] = {
            NODE: hosts.node(subnet, host_open=["22/tcp"]),
            OWN: hosts.node(host.key("own"), mode="network", key={"name": "own"}),
        }
        host.enable(self.parts[NODE], stack="one")
        host.enable(self.parts[OWN])
        address = arithmetic.vm_address(subnet, "000000000001")
        card = {"network": "mycelium", "mac": "02:00:00:00:00:01", "address": address, "tap": "hc-v1-0", "rate": None, "open": ["22/tcp"]}
        host.perform("tap.create", "vm.g1", "nic.0", None, card, stack="one")
        self.parts[CARD] = card
        names = re.findall(r"^\d+: ([\w-]+)", host.on_host("ip -o link"), re.MULTILINE)
        self.names = {"cable": next(n for n in names if n.startswith("hv-")), "bridge": next(n for n in names if n.startswith("hb-my-"))}
        self.whole = self.dump()

    def target(self, name: str) -> Target:
        target = TARGETS[name]
        return target._replace(chain=target.chain.format(**self.names))

    def nft(self, command: str) -> str:
        return str(self.host.within(self.host.name, "nft", command))

    def seen(self, part: str) -> Any:
        things = self.host.things("shop" if part == OWN else "one")
        return things["vm.g1"]["nic.0"] if part == CARD else things["mycelium.node"]["overlay"]

    def heal(self) -> None:
        """Do what an apply does for every part that is not as it was asked for."""
        for part, stack in ((NODE, "one"), (OWN, "shop")):
            seen = self.seen(part)
            if seen != self.parts[part]:
                self.host.perform("overlay.enable", "mycelium.node", "overlay", seen, self.parts[part], stack=stack)
        seen = self.seen(CARD)
        if seen != self.parts[CARD]:
            self.host.perform("tap.update", "vm.g1", "nic.0", seen, self.parts[CARD], stack="one")

    def dump(self) -> dict[str, Any]:
        """Return what the kernel holds: each table that guards, as chains with their hooks and rules."""
        found: dict[str, Any] = {}
        for table in sorted({target.table for target in TARGETS.values()}):
            found[table] = {}
            listed = self.host.within(self.host.name, "nft", "-j", f"list table {table}", check=False)
            if "flags" in self.host.within(self.host.name, "nft", f"list table {table}", check=False) or not listed:
                # Of a table that sleeps nft 1.0.6 prints what no reader of JSON takes.
                continue
            for item in json.loads(listed)["nftables"]:
                kind, body = next(iter(item.items()))
                if kind == "rule":
                    found[table][body["chain"]]["rules"].append((body.get("comment"), body["expr"]))
                elif kind != "metainfo":
                    found[table][body["name"]] = {**{key: value for key, value in body.items() if key != "handle"}, "rules": []}
        return found

    def lines(self, target: Target) -> list[str]:
        listed = self.nft(f"list chain {target.table} {target.chain}").splitlines()
        return [line.strip() for line in listed if " comment " in line]

    def handle(self, target: Target, comment: str) -> tuple[str, str]:
        listed = str(self.host.within(self.host.name, "nft", "-a", "list", "chain", *target.table.split(), target.chain))
        line = next(line.strip() for line in listed.splitlines() if f'comment "{comment}"' in line)
        text, _, handle = line.partition(" # handle ")
        return text, handle

    def again(self, target: Target, hook: str) -> None:
        """Make a chain again with the same rules and another hook."""
        lines = self.lines(target)
        place = f"{target.table} {target.chain}"
        self.nft(f"flush chain {place}; delete chain {place}; add chain {place} {hook}")
        self.nft("; ".join(f"add rule {place} {line}" for line in lines))

    def replace(self, target: Target, old: str, new: str, comment: str = "") -> None:
        text, handle = self.handle(target, comment or target.rule)
        assert old in text
        self.nft(f"replace rule {target.table} {target.chain} handle {handle} {text.replace(old, new, 1)}")

    def hook(self, target: Target, **changes: str) -> str:
        netdev = target.table.startswith("netdev")
        found = self.nft(f"list chain {target.table} {target.chain}")
        where = re.search(r"hook (\w+)", found)
        assert where
        device = f'device "{target.chain}" ' if netdev else ""
        said = {"hook": where.group(1), "device": device, "priority": "0", "policy": "drop" if netdev else "accept", **changes}
        return "{{ type filter hook {hook} {device}priority {priority}; policy {policy}; }}".format(**said)


def _asleep(tables: Tables, target: Target) -> None:
    tables.nft(f"add table {target.table} {{ flags dormant; }}")


def _opened(tables: Tables, target: Target) -> None:
    tables.replace(target, " drop ", " accept ")


def _accept_in_front(tables: Tables, target: Target) -> None:
    tables.nft(f"insert rule {target.table} {target.chain} accept")


def _accept_with_a_known_role_in_front(tables: Tables, target: Target) -> None:
    tables.nft(f'insert rule {target.table} {target.chain} accept comment "{target.rule}"')


def _another_policy(tables: Tables, target: Target) -> None:
    policy = "accept" if target.table.startswith("netdev") else "drop"
    tables.nft(f"add chain {target.table} {target.chain} {tables.hook(target, policy=policy)}")


def _no_hook(tables: Tables, target: Target) -> None:
    tables.again(target, "")


def _another_hook(tables: Tables, target: Target) -> None:
    netdev = target.table.startswith("netdev")
    # Not the loopback, by which the daemon answers: a guard drops there what it does not know.
    other = {"device": "device hb-mycelium "} if netdev else {"hook": "output"}
    tables.again(target, tables.hook(target, **other))


def _another_priority(tables: Tables, target: Target) -> None:
    tables.again(target, tables.hook(target, priority="9"))


def _another_operator(tables: Tables, target: Target) -> None:
    old, new = ("type 8021q", "type != 8021q") if target.table.startswith("netdev") else ("addr ", "addr != ")
    if "addr != " in tables.handle(target, target.rule)[0]:
        old, new = "addr != ", "addr "
    tables.replace(target, old, new)


def _no_rules(tables: Tables, target: Target) -> None:
    tables.nft(f"flush chain {target.table} {target.chain}")


def _no_chain(tables: Tables, target: Target) -> None:
    place = f"{target.table} {target.chain}"
    tables.nft(f"flush chain {place}; delete chain {place}")


def _no_table(tables: Tables, target: Target) -> None:
    tables.nft(f"delete table {target.table}")


def _one_more_chain(tables: Tables, target: Target) -> None:
    tables.nft(f"add chain {target.table} early {tables.hook(target, priority='-5')}")


def _one_more_chain_that_rules_lead_to(tables: Tables, target: Target) -> None:
    tables.nft(f"add chain {target.table} early; add rule {target.table} early accept")
    tables.nft(f"insert rule {target.table} {target.chain} jump early")


def _one_more_set(tables: Tables, target: Target) -> None:
    tables.nft(f"add set {target.table} some {{ type mark; }}")
    tables.nft(f"insert rule {target.table} {target.chain} meta mark @some accept")


TAMPERINGS: dict[str, Callable[[Tables, Target], None]] = {
    "put to sleep": _asleep,
    "with a rule that accepts what it dropped": _opened,
    "with an accept in front": _accept_in_front,
    "with an accept in front that has a known role": _accept_with_a_known_role_in_front,
    "with another policy": _another_policy,
    "hooked in nowhere": _no_hook,
    "hooked in elsewhere": _another_hook,
    "with another priority": _another_priority,
    "with another operator": _another_operator,
    "without rules": _no_rules,
    "gone": _no_chain,
    "gone with its table": _no_table,
    "beside one more chain": _one_more_chain,
    "with a jump to one more chain": _one_more_chain_that_rules_lead_to,
    "with a set of somebody else": _one_more_set,
}
WORDS = {
    "put to sleep": "switched off",
    "without rules": "missing",
    "gone": "missing",
    "gone with its table": "missing",
    "beside one more chain": "not alone: chain early",
}
"""What the parts of the overlay say; `changed` of all others."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: Any) -> Iterator[Tables]:
    lacking = ability.missing()
    if lacking:
        pytest.skip(lacking)
    host = hosts.OverlayHost(tmp_path_factory.mktemp("tables") / "data", "standin")
    yield Tables(host)
    host.close()


@pytest.fixture
def tables(made: Tables) -> Iterator[Tables]:
    """Return the host with whole tables; what a failed row left is mended first."""
    if made.dump() != made.whole:
        made.heal()
    assert made.dump() == made.whole
    return made


LEFT_OUT = {(name, "with another policy") for name in TARGETS if "guard" in name}
"""Nothing reaches a host that drops what comes in, its own daemon's answers included, which takes a minute to see."""
ROWS = [(name, tampering) for name in TARGETS for tampering in TAMPERINGS if (name, tampering) not in LEFT_OUT]


@pytest.mark.parametrize(("name", "tampering"), ROWS)
def test_a_table_that_was_tampered_with_is_seen_and_mended(tables: Tables, name: str, tampering: str) -> None:
    target = tables.target(name)
    TAMPERINGS[tampering](tables, target)
    seen = tables.seen(target.part)
    differing = {key for key in seen if seen[key] != tables.parts[target.part].get(key)}
    if target.part == CARD:
        assert target.field in differing or "surplus" in str(differing), seen
    else:
        assert target.field in differing
        assert differing <= {"host_rules", "cable_rules", "rules"}
    if target.part != CARD:
        assert seen[target.field] == WORDS.get(tampering, "changed")
    tables.heal()
    for part in tables.parts:
        assert tables.seen(part) == tables.parts[part]
    assert tables.dump() == tables.whole


JUDGE = """
import sys
from herocloud.providers.mycelium import host_guard
call = getattr(host_guard, sys.argv[1])
print(call(sys.argv[2], ["22/tcp"], 9651))
"""


def test_a_guard_that_drops_everything_is_seen_and_mended(tables: Tables) -> None:
    def call(function: str) -> str:
        return str(tables.host.within(tables.host.name, sys.executable, "-c", JUDGE, function, "mycelium")).strip()

    target = tables.target("the guard of the host")
    assert call("flaw") == "None"
    _another_policy(tables, target)
    assert call("flaw") == "changed"
    call("ensure")
    assert call("flaw") == "None"
    assert tables.dump() == tables.whole
