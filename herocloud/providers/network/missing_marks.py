"""Interfaces of ours whose alias somebody removed or overwrote: what else is ours tells whose they are.

Each name of ours gets a MAC that follows from the state and the name. The rules of a bridge or tap bear the same mark as its alias, the
folder of a VM says whose it is, and the process of a VM has its taps open. Two of these have to agree before an interface is taken for
ours: with a name alone it is somebody else's, and nothing of it is touched.
"""

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from herocloud.providers import ownership, recollections
from herocloud.providers.firewall.rule_expressions import Rules
from herocloud.providers.network import marks, network_rules, nftables, tap_holders, tap_rules
from herocloud.providers.network.dumps import Link
from herocloud.providers.network.marks import Mark, Port, Purpose
from herocloud.providers.recollections import Memory

_KINDS = {"hb-": "bridge", "hc-": "tun", "hi-": "ifb"}


def recover(links: tuple[Link, ...], folder: Path, memory: Memory = recollections.NOTHING) -> tuple[Link, ...]:
    """Return the interfaces, with the alias that each one of ours would have; `folder` is the data folder with the VMs."""
    return _Recovery(links, folder, memory).links() if any(is_doubtful(link) for link in links) else links


def is_doubtful(link: Link) -> bool:
    """Return whether an interface has a name of ours and no mark, or one that does not go with its MAC."""
    return _KINDS.get(link.name[:3]) == link.kind and not marks.is_told(link.name, link.mac, link.alias)


def _fits(link: Link, mark: Mark) -> bool:
    return link.mac == marks.own_mac(mark.lineage, link.name)


class _Recovery:
    """What is asked once for all interfaces that are in doubt: taps first, because those that are known tell of their bridge."""

    def __init__(self, links: tuple[Link, ...], folder: Path, memory: Memory) -> None:
        self._links, self._folder, self._memory = links, folder, memory
        self._by_number = {link.number: link for link in links}
        self._doubtful = {link.number for link in links if is_doubtful(link)}
        self._ports: dict[int, list[int]] = {}
        for link in links:
            self._ports.setdefault(link.master, []).append(link.number)

    def links(self) -> tuple[Link, ...]:
        ways: tuple[tuple[str, Callable[[Link], str | None]], ...] = (
            ("hc-", self._of_tap),
            ("hb-", self._of_bridge),
            # Its bridge may be known by now.
            ("hc-", self._of_tap),
            ("hi-", self._of_upload),
        )
        for prefix, find in ways:
            for number in sorted(self._doubtful):
                link = self._by_number[number]
                alias = find(link) if link.name.startswith(prefix) else None
                if alias is not None:
                    self._doubtful.discard(number)
                    self._take(link, alias)
        return tuple(self._by_number[link.number] for link in self._links)

    def _take(self, link: Link, alias: str) -> None:
        told, found = marks.read_mark(link.alias), marks.read_mark(alias)
        # One whose own alias names the same state is believed: only its MAC was changed, or it is being renamed.
        if told is None or found is None or told.lineage != found.lineage:
            self._by_number[link.number] = link._replace(alias=alias, lost_mark="changed" if link.alias else "gone")

    def _of_tap(self, tap: Link) -> str | None:
        rules = self._in_rules_of(tap.name)
        for mark in filter(None, (rules, self._recorded(tap.name))):
            if _fits(tap, mark) or self._is_held(tap.name, mark) or (mark == rules and self._hangs_on_ours(tap, mark)):
                return marks.write_mark(mark, self._purpose(tap.name))
        return None

    def _purpose(self, tap: str) -> Purpose | None:
        """Return what a tap was made for, by its rules, or as it is recorded where these are gone too."""
        if guarded := tap_rules.read(self._tap_rules, tap):
            return Purpose(guarded.mac, guarded.address, marks.OVERLAY if tap in self._inbound_rules else None)
        known = self._memory.of_interface(tap)
        return Purpose(known.body["mac"], known.body["address"], known.body["network"]) if known is not None and known.body else None

    def _of_bridge(self, bridge: Link) -> str | None:
        ports = [self._by_number[number] for number in self._ports.get(bridge.number, ())]
        plugged = list(_networks_of(ports))
        rules, known = network_rules.mark_of(self._network_rules, bridge.name), self._memory.of_interface(bridge.name)
        recorded = Mark(known.lineage, known.stack, known.address, known.part) if known is not None else None
        for mark in filter(None, (rules, recorded, *plugged)):
            if _fits(bridge, mark) or (mark in (rules, recorded) and any(other[:2] == mark[:2] for other in plugged)):
                return marks.write_mark(mark, self._port(bridge, mark, ports))
        return None

    def _port(self, bridge: Link, mark: Mark, ports: list[Link]) -> Port:
        seen = network_rules.read(self._network_rules, mark, bridge.name)
        if seen.wrong and ports:
            return Port(ports[0].isolated, ports[0].hairpin)
        return network_rules.port_of({"isolated": seen.isolated, "forward": seen.forward})

    def _of_upload(self, device: Link) -> str | None:
        name = marks.tap_of(device.name)
        tap = next((link for link in self._by_number.values() if link.name == name), None)
        mark = (marks.read_mark(tap.alias) if tap is not None else None) or self._recorded(name)
        if mark is None:
            return None
        guarded = tap_rules.read(self._tap_rules, name)
        is_ours = _fits(device, mark) or (guarded is not None and guarded.upload == device.name)
        return marks.write_mark(mark._replace(part=f"{mark.part}.upload")) if is_ours else None

    def _in_rules_of(self, tap: str) -> Mark | None:
        for rules in (self._tap_rules, self._inbound_rules):
            if chain := rules.get(tap):
                mark = marks.read_comment(chain[0].comment)
                if mark is not None and mark.part.startswith("nic."):
                    return mark
        return None

    def _recorded(self, tap: str) -> Mark | None:
        """Return the mark that a tap with this name has, by the VM in this data folder that the name holds."""
        match = marks.OF_VM.match(tap)
        if match is None:
            return None
        try:
            owner = ownership.find_owner(self._folder / "vms" / match["sid"], self._memory)[0]
        except OSError:
            return None
        return Mark(owner.lineage, owner.stack, owner.address, f"nic.{match['slot']}") if owner is not None else None

    def _is_held(self, tap: str, mark: Mark) -> bool:
        recorded, match = self._recorded(tap), marks.OF_VM.match(tap)
        if recorded is None or match is None or recorded[:2] != mark[:2]:
            return False
        return tap_holders.holds(self._folder, match["sid"], tap)

    def _hangs_on_ours(self, tap: Link, mark: Mark) -> bool:
        bridge = self._by_number.get(tap.master)
        owner = marks.read_mark(bridge.alias) if bridge is not None else None
        return owner is not None and owner[:2] == mark[:2]

    @cached_property
    def _tap_rules(self) -> Rules:
        return nftables.read_taps() or {}

    @cached_property
    def _network_rules(self) -> Rules:
        return nftables.read_networks() or {}

    @cached_property
    def _inbound_rules(self) -> Rules:
        return nftables.read_inbound() or {}


def _networks_of(ports: list[Link]) -> Iterator[Mark]:
    """Yield the marks of the networks that ports say they hang on."""
    for port in ports:
        mark, purpose = marks.read_mark(port.alias), marks.read_purpose(port.alias)
        if mark is not None and purpose is not None and purpose.network not in (None, marks.OVERLAY):
            yield mark._replace(address=f"network.{purpose.network}", part="network")
