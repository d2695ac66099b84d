"""What the making of a network or of a card has left, or the removal of one: seen by what every such way leaves to the last.

A network has its rules first and last, and they name their owner; its bridge and the tap of a card are called unfinished by their own
aliases until all else is there. What belongs to a tap that somebody removed by hand names its owner as well.
"""

from collections.abc import Iterator
from typing import NamedTuple

from herocloud.kits.jsons import Part
from herocloud.providers.network import inbound, marks, network_rules
from herocloud.providers.network.dumps import Link
from herocloud.providers.network.marks import Mark
from herocloud.providers.network.snapshot import Scene

_UPLOAD = ".upload"


class Half(NamedTuple):
    """A part that is half made, or half gone."""

    mark: Mark
    part: Part
    """As much of it as what is there tells."""


def is_half(link: Link) -> bool:
    """Return whether an interface with our mark is not finished."""
    return marks.is_unfinished(link.alias)


def find_remains(scene: Scene) -> Iterator[Half]:
    """Yield what is there of networks without a bridge and of cards without a tap."""
    for bridge in network_rules.bridges_of(scene.network_rules):
        mark = network_rules.mark_of(scene.network_rules, bridge) if bridge not in scene.networks else None
        if mark is not None:
            seen = network_rules.read(scene.network_rules, mark, bridge)
            said = {"cidr": seen.cidr, "nat": seen.nat, "isolated": seen.isolated, "forward": seen.forward}
            yield Half(mark, {**said, "gateway": None, "bridge": bridge})
    halves: dict[str, Mark] = {}
    for owned in scene.owned:
        if owned.mark.part.endswith(_UPLOAD):
            halves[marks.tap_of(owned.link.name)] = owned.mark._replace(part=owned.mark.part.removesuffix(_UPLOAD))
    for rules in (scene.tap_rules, scene.inbound_rules):
        for tap, chain in rules.items():
            mark = marks.read_comment(chain[0].comment) if chain else None
            if mark is not None and mark.part.startswith("nic."):
                halves.setdefault(tap, scene.renamed(tap, mark))
    for tap, mark in sorted(halves.items()):
        if tap not in scene.by_name:
            openings = inbound.read(scene.inbound_rules, tap)
            address, network = (openings.address, marks.OVERLAY) if openings else (None, None)
            yield Half(mark, {"network": network, "mac": "", "address": address, "tap": tap, "rate": None})
