"""What is refused before anything is touched: taken names, ranges and ports that somebody else has."""

import re

from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.network import dumps, marks, network_rules
from herocloud.providers.network.dumps import Link
from herocloud.providers.network.marks import Mark
from herocloud.providers.network.snapshot import Scene

_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,14}$")


def check_name(name: str) -> None:
    """Refuse a name that no interface can have."""
    if not _NAME.match(name):
        raise Permanent(f"`{name}` cannot be the name of an interface: 15 lower-case letters, digits and dashes at most")


def own_link(scene: Scene, name: str, mark: Mark) -> Link | None:
    """Return our interface of this name, nothing when there is none; refuse when it is not ours.

    One without a mark whose MAC is the one that we give to this very name was made by us: the process died before it was marked, or
    somebody has overwritten the alias, and nothing else tells whose it is.
    """
    link = scene.by_name.get(name)
    if link is None:
        return None
    found = scene.mark_of(link)
    if found == mark or is_unmarked(link, mark):
        return link
    raise Conflict(foreign(link, found, mark))


def is_unmarked(link: Link, mark: Mark) -> bool:
    """Return whether an interface is ours and bears no mark."""
    return marks.read_mark(link.alias) is None and link.mac == marks.own_mac(mark.lineage, link.name)


def foreign(link: Link, found: Mark | None, mark: Mark) -> str:
    """Say whose an interface is."""
    if found is None:
        return f"an interface `{link.name}` exists and carries no mark of herocloud, so it is left alone; rename or remove it"
    whose = marks.name_of_owner(found)
    if found.lineage != mark.lineage:
        return (
            f"the interface `{link.name}` belongs to {whose} of another state, {found.lineage}, and is left alone; "
            "two data folders on one host need stacks with names of their own"
        )
    return f"the interface `{link.name}` belongs to {whose}, part {found.part}"


def check_range(scene: Scene, mark: Mark, part: Part) -> None:
    """Refuse a range that shares addresses with this host, or with what it reaches some other way than by its default route."""
    for claim in dumps.claims(scene.links, scene.addresses, scene.routes, lambda link: link.name == part["bridge"]):
        if overlap(claim.cidr, part["cidr"]):
            what = f"{claim.what}{_whose(scene, claim.link) if claim.link else ''}"
            raise Permanent(f"`{mark.address}` wants {part['cidr']}, and this host has {what}; give the network another `cidr`")


def check_ports(scene: Scene, mark: Mark, part: Part) -> None:
    """Refuse published ports that another network or a program of the host has, or that lead nowhere.

    A published port is taken from the program that listens on it: without this, publishing port 22 would lock the operator out.
    """
    taken = network_rules.published(scene.network_rules)
    for forward in part["forward"]:
        port = f"port {forward['host_port']}/{forward['protocol']}"
        if forward["address"] is None:
            raise Permanent(f"`{mark.address}` publishes {port} for `{forward['vm']}`, which has no address on it")
        key = (forward["protocol"], forward["host_port"])
        bridge = taken.get(key)
        if bridge is None and key in scene.listeners:
            raise Conflict(
                f"a program of this host listens on {port}, which `{mark.address}` would take from it; choose another `host_port`"
            )
        if bridge is not None and bridge != part["bridge"]:
            owner = scene.networks.get(bridge)
            raise Conflict(f"{port} of this host is published by {marks.name_of_owner(owner) if owner else f'`{bridge}`'} already")


def overlap(one: str, other: str) -> bool:
    """Return whether two networks share an address: as much as the shorter prefix says is then the same in both."""
    ranges = [(address, int(prefix)) for address, _, prefix in (one.partition("/"), other.partition("/"))]
    shorter = min(prefix for _, prefix in ranges)
    return len({dumps.network_of(address, shorter) for address, _ in ranges}) == 1


def _whose(scene: Scene, link: Link) -> str:
    mark = scene.mark_of(link)
    return f", which is {marks.name_of_owner(mark)}" if mark else ""
