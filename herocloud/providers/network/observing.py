"""One batched look at the networks of this host: five dumps, whatever there is.

A host on which no interface carries our mark and no table has our name is recognized from short dumps, without starting a firewall program:
plans on the simulator's or an ordinary user's machine pay next to nothing.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits.jsons import Part
from herocloud.model.errors import Permanent
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, TakenRange, Thing
from herocloud.providers import recollections
from herocloud.providers.recollections import Memory
from herocloud.providers.seam import Standing

if TYPE_CHECKING:
    from herocloud.providers.network import dumps, snapshot
    from herocloud.providers.network.marks import Mark

NAME = "network"
_NO_RIGHT = "bridges need CAP_NET_ADMIN, which this user does not have"
_TABLES = frozenset({"herocloud", "herocloud-inbound"})
"""The tables of the rules, named here because a host that has none is not worth loading what knows them; a test compares."""
_LOOKS = 5
"""How often an interface may vanish while it is looked at."""
_MAIN = 254
"""RT_TABLE_MAIN."""
_LINEAGE = "state.lineage"
"""The file of a data folder that names the state in it."""


class NetworkObserver:
    """Looks at the network namespace of this process, with the VMs of a data folder."""

    def __init__(self, folder: Path, owner: int | None = None, *, memory: Memory = recollections.NOTHING) -> None:
        """Remember where renamed VMs are noted, and which user has to be able to open their taps (by default this one)."""
        self._folder = folder
        self._memory = memory
        self._owner = os.geteuid() if owner is None else owner

    def observe(self, stacks: Iterable[StackName] | None = None) -> Observed:
        """Look at everything that carries our mark, of these stacks or of all."""
        try:
            for _ in range(_LOOKS - 1):
                # Two stacks are destroyed at once, say, and what was listed a moment ago is gone.
                with contextlib.suppress(FileNotFoundError):
                    return self._look(stacks)
            return self._look(stacks)
        except OSError as error:
            raise Permanent(f"the networks of this host cannot be read: {error}") from error

    def _look(self, stacks: Iterable[StackName] | None) -> Observed:
        # Imported here: a command that only asks who can look must not pay for looking.
        from herocloud.providers.network import dumps

        links = self._recovered(dumps.dump_links())
        own = self._own_lineage()
        strangers = frozenset(link.name for link in links if _is_stranger(link, own))
        seen = Observed(ranges=tuple(_ranges(links, own, strangers)), strangers=strangers)
        if not self._is_concerned(links, own) and not _has_remains():
            return seen
        from herocloud.providers.network import snapshot

        return seen._replace(things=_things(snapshot.look(self._folder, self._owner, links, memory=self._memory), own, stacks))

    def _recovered(self, links: "tuple[dumps.Link, ...]") -> "tuple[dumps.Link, ...]":
        """Return the interfaces with the marks of ours that lost them, as far as this user may see what tells of it."""
        from herocloud.providers import netlink
        from herocloud.providers.network import marks

        if not netlink.has_admin() or all(marks.is_told(link.name, link.mac, link.alias) for link in links):
            return links
        from herocloud.providers.network import missing_marks

        return missing_marks.recover(links, self._folder, self._memory)

    def _is_concerned(self, links: "tuple[dumps.Link, ...]", own: str | None) -> bool:
        """Return whether there is anything to look at here.

        Rules are shown to nobody without CAP_NET_ADMIN. Such a user has made no network, so what others have here is no concern of theirs;
        interfaces of their own state would be, and to take those for gone would be worse than to say that they cannot be seen.
        """
        from herocloud.providers import netlink
        from herocloud.providers.network import marks

        lineages = {mark.lineage for link in links if link.alias and (mark := marks.read_mark(link.alias))}
        if not lineages or netlink.has_admin():
            return bool(lineages)
        if own in lineages:
            raise Permanent("the rules of networks are shown to nobody without CAP_NET_ADMIN; run it as root")
        return False

    def _own_lineage(self) -> str | None:
        try:
            return (self._folder / _LINEAGE).read_text().strip()
        except FileNotFoundError:
            return None


def stack_of(mark: "Mark", own: str | None) -> StackName:
    """Name the stack of an interface.

    The network of a host is shared by all data folders on it, and two of them may hold stacks of one name. What another state made is
    shown under a name that no stack can have: a plan must not take the tap of somebody else's VM for one that is already there.
    """
    from herocloud.providers.network import marks

    return StackName(mark.stack if mark.lineage == own else f"{mark.stack}{marks.OF_STATE}{mark.lineage}")


def _is_stranger(link: "dumps.Link", own: str | None) -> bool:
    """Return whether an interface has a name of ours and is none of ours: no step would touch it."""
    from herocloud.providers.network import marks

    if marks.OURS.match(link.name) is None or link.alias.startswith(marks.OVERLAY_MARK) or marks.read_mark(link.alias) is not None:
        return False
    return own is None or link.mac != marks.own_mac(own, link.name)


def _ranges(links: "tuple[dumps.Link, ...]", own: str | None, strangers: frozenset[str]) -> Iterator[TakenRange]:
    """Name the ranges that no network may have, because the host has them already; what this state has made is known to plans anyway."""
    from herocloud.providers.network import dumps, marks

    def is_own(link: dumps.Link) -> bool:
        mark = marks.read_mark(link.alias) if link.alias else None
        if mark is None:
            # Nothing but its MAC tells that it is ours: it is marked again as the network that wants its name.
            return own is not None and link.name not in strangers and link.mac == marks.own_mac(own, link.name)
        return mark.lineage == own

    for claim in dumps.claims(links, dumps.dump_addresses(), dumps.dump_routes(), is_own):
        mark = marks.read_mark(claim.link.alias) if claim.link else None
        way = f"ip link delete {claim.link.name}" if claim.link and claim.link.name in strangers else _way_out(claim)
        yield TakenRange(claim.cidr, f"{claim.what}, which is {marks.name_of_owner(mark)} of another state" if mark else claim.what, way)


def _way_out(claim: "dumps.Claim") -> str:
    """Return the command that removes the route that takes a range; an address is somebody's own."""
    if claim.route is None:
        return ""
    route, through = claim.route, f" dev {claim.link.name}" if claim.link else ""
    only = f" tos {route.tos:#x}" if route.tos else ""
    table = f" table {route.table}" if route.table != _MAIN else ""
    return f"ip route delete {claim.cidr}{only}{through}{table}"


def _things(scene: "snapshot.Scene", own: str | None, stacks: Iterable[StackName] | None) -> dict[StackName, dict[Address, Thing]]:
    from herocloud.providers.network import recognition, remains

    wanted = None if stacks is None else set(stacks)
    things: dict[StackName, dict[Address, Thing]] = {}

    def is_wanted(mark: "Mark") -> bool:
        return not mark.part.endswith(".upload") and (wanted is None or stack_of(mark, own) in wanted)

    def add(mark: "Mark", part: Part, *, half: bool) -> None:
        stack, address = stack_of(mark, own), Address(mark.address)
        known = things.setdefault(stack, {}).get(address) or Thing(stack, address, NAME, {}, mark.lineage)
        if half:
            things[stack][address] = known._replace(halves={**known.halves, mark.part: part})
        else:
            things[stack][address] = known._replace(parts={**known.parts, mark.part: part})

    for link, mark in filter(lambda one: is_wanted(one.mark), scene.owned):
        part = recognition.network_part(scene, link, mark) if mark.part == "network" else recognition.nic_part(scene, link, mark)
        add(mark, part, half=remains.is_half(link))
    for mark, part in filter(lambda one: is_wanted(one.mark), remains.find_remains(scene)):
        add(mark, part, half=True)
    return things


def _has_remains() -> bool:
    """Return whether something of ours may be here although no interface is; nobody without CAP_NET_ADMIN has left anything."""
    from herocloud.providers import netlink

    if not netlink.has_admin():
        return False
    from herocloud.providers.firewall import our_tables

    return not _TABLES.isdisjoint(our_tables.names())


def lacking() -> str:
    """Say what this host or this user lacks for bridges, as far as a look without starting a program tells; empty for nothing."""
    import shutil

    from herocloud.providers import netlink
    from herocloud.providers.firewall import nft

    if not Path("/proc/sys/net/ipv4").is_dir():
        return "bridges need a Linux host with IPv4, which this is not"
    if not netlink.has_admin():
        return _NO_RIGHT
    if shutil.which("nft", path=nft.search_path()) is None:
        return "bridges need the program `nft`, which is missing; install the package nftables"
    if not Path("/dev/net/tun").exists():
        return "bridges need `/dev/net/tun`, which is missing; load the kernel module tun"
    return ""


def survey() -> Standing:
    """Say whether networks can be made here, and why (not)."""
    why = lacking()
    if why:
        return Standing(False, why)
    from herocloud.providers.network import nftables

    missing = nftables.missing_features()
    return Standing(False, f"this kernel lacks {', '.join(missing)}") if missing else Standing(True, "ready")


def survey_rights() -> Standing:
    """Say whether this user may make networks. Plans ask for no more: what else networks need, their own steps report."""
    from herocloud.providers import netlink

    return Standing(True, "ready") if netlink.has_admin() else Standing(False, _NO_RIGHT)
