"""Giving a network another name: the comment in its rules and the alias of its bridge change, and not one frame is lost.

Rules come first, as everywhere here. The cards on the bridge bear the old name until they get their new label; until then their bridge
is the one that they are a port of (`Scene.bridge_under`).
"""

from typing import NamedTuple

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.firewall import rule_expressions
from herocloud.providers.network import forward_switch, marks, network_rules, nftables, recognition
from herocloud.providers.network.dumps import Link
from herocloud.providers.network.links import Wires
from herocloud.providers.network.marks import Mark
from herocloud.providers.network.networks import Half
from herocloud.providers.network.snapshot import Scene
from herocloud.providers.seam import Found, Probe, Work

MOVE = "network.move"


class Ends(NamedTuple):
    """A rename, with what there is under either name."""

    origin: Mark
    target: Mark
    old: Link | None
    new: Link | None


def move(scene: Scene, wires: Wires, work: Work, half: Half, *, back: bool = False) -> None:
    """Give a network its new name, or its old one again; one that has it already is only completed."""
    ends = _ends(scene, work, back=back)
    link = ends.old or ends.new
    if link is None:
        raise Permanent(f"neither `{ends.origin.address}` nor `{ends.target.address}` exists, so there is nothing to rename")
    if ends.old is not None and ends.new is not None:
        raise Conflict(f"`{ends.target.address}` is there already, so `{ends.origin.address}` cannot take its name")
    if not _is_whole(scene, link, ends.target) and _is_whole(scene, link, ends.origin):
        part = recognition.network_part(scene, link, ends.origin)
        chains = network_rules.build(ends.target, part)
        kept = forward_switch.to_keep(scene.network_rules)
        nftables.change_rules(rule_expressions.load(network_rules.FAMILY, network_rules.TABLE, [*([kept] if kept else []), *chains]))
    half()
    alias = marks.write_mark(ends.target, marks.read_port(link.alias), unfinished=marks.is_unfinished(link.alias))
    if link.alias != alias or link.lost_mark:
        wires.set_alias(link.number, alias)


def is_at(scene: Scene, work: Work, *, back: bool = False) -> bool:
    """Return whether a network has the name that it is to have, in its rules too."""
    ends = _ends(scene, work, back=back)
    return ends.old is None and ends.new is not None and not _is_torn(scene, ends.new, ends)


def probe(scene: Scene, work: Work) -> Probe:
    """Say which of the two names a network has."""
    ends = _ends(scene, work, back=False)
    link = ends.old or ends.new
    names = f"`{ends.origin.address}` nor `{ends.target.address}`"
    if link is None:
        return Probe(Found.CONTRADICTED, f"neither {names} exists")
    if ends.old is not None and ends.new is not None:
        return Probe(Found.CONTRADICTED, f"both `{ends.origin.address}` and `{ends.target.address}` exist")
    if _is_torn(scene, link, ends):
        return Probe(Found.PARTIAL, f"`{work.step.address}` is half-way: its bridge has one name, and its rules the other")
    return Probe(Found.NOT_STARTED if ends.new is None else Found.DONE)


def _ends(scene: Scene, work: Work, *, back: bool) -> Ends:
    mark = marks.owner_of(work)._replace(part="network")
    origin, target = (mark._replace(address=end["address"]) for end in (work.step.before, work.step.after))
    if back:
        origin, target = target, origin
    old, new = (scene.bridge_of(one, one.address.partition(".")[2]) for one in (origin, target))
    return Ends(origin, target, old, new)


def _is_torn(scene: Scene, link: Link, ends: Ends) -> bool:
    """Return whether the rules of a bridge bear the name that the bridge itself does not. Rules that somebody changed bear neither."""
    own, other = (ends.origin, ends.target) if link is ends.old else (ends.target, ends.origin)
    return _is_whole(scene, link, other) and not _is_whole(scene, link, own)


def _is_whole(scene: Scene, link: Link, mark: Mark) -> bool:
    return not network_rules.read(scene.network_rules, mark, link.name).wrong
