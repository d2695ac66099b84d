"""One look at everything that parts are recognised from: interfaces, addresses, routes, queues, rules, the forwarding switch.

Interfaces are read at once, the rest when it is first asked for: a step on one tap reads the rules of that tap, and not those of a
thousand others. A look at everything pays for everything once.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import listeners
from herocloud.providers import ownership, recollections
from herocloud.providers.devices import OVERLAY_BRIDGE
from herocloud.providers.firewall import table_hooks
from herocloud.providers.firewall.rule_expressions import Rules
from herocloud.providers.firewall.table_hooks import Hook, Surplus, Table
from herocloud.providers.network import (
    dumps,
    fixed_entries,
    forward_switch,
    inbound,
    marks,
    missing_marks,
    network_rules,
    nftables,
    strange_routes,
    tap_holders,
    tap_rules,
)
from herocloud.providers.network.dumps import Address, Link, Queue, Route
from herocloud.providers.network.fixed_entries import Entry
from herocloud.providers.network.forward_switch import Serving
from herocloud.providers.network.marks import Mark
from herocloud.providers.recollections import Memory
from herocloud.providers.vmm import users


class Owned(NamedTuple):
    """An interface with our mark, as its owner is called now."""

    link: Link
    mark: Mark


class Sources(NamedTuple):
    """Where the rest comes from; each is asked at most once."""

    addresses: Callable[[], tuple[Address, ...]]
    routes: Callable[[], tuple[Route, ...]]
    queues: Callable[[], tuple[Queue, ...]]
    networks: Callable[[], Rules | None]
    """The chains of networks; nothing without our table."""
    taps: Callable[[], Rules | None]
    forwards: Callable[[], bool]
    serving: Callable[[str], Serving]
    tap_table: Callable[[], Rules | None] | None = None
    """All chains of taps; needed only where `taps` reads those of one."""
    listeners: Callable[[], frozenset[tuple[str, int]]] = frozenset
    inbound: Callable[[], Rules | None] = lambda: None
    """What reaches guests on the overlay."""
    proxies: Callable[[], frozenset[tuple[int, str]]] = frozenset
    hooks: Callable[[str, str], Table | None] = lambda _family, _table: None
    """How a table of ours is set up; nothing where it is not there, or was not looked at."""
    entries: Callable[[], tuple[Entry, ...]] = tuple
    """What somebody fixed about who is where."""


class Scene:
    """What was seen, with look-ups made once: ten thousand taps are found by name, not searched for."""

    def __init__(
        self,
        links: tuple[Link, ...],
        sources: Sources,
        rename: Callable[[str, Mark], Mark] = lambda _name, mark: mark,
        user: int | None = None,
        is_vm_user: Callable[[str, int], bool] = lambda _name, _user: False,
        is_held: Callable[[str], bool] = lambda _name: False,
    ) -> None:
        """Arrange the interfaces. `rename` knows what the owner of an interface is called now.

        `user` runs herocloud and so gets new taps; `is_vm_user` knows the user of the VM of a tap, who gets it when the VM starts, and
        `is_held` whether that VM has it open.
        """
        self._sources = sources
        self.renamed = rename
        """Return the mark of an interface, by its name, as its owner is called now."""
        self._user, self._is_vm_user, self._is_held = user, is_vm_user, is_held
        self.links = links
        self.by_name = {link.name: link for link in links}
        self.by_number = {link.number: link for link in links}
        self.owned = [Owned(link, rename(link.name, mark)) for link in links if link.alias and (mark := marks.read_mark(link.alias))]
        self._marks = {owned.link.number: owned.mark for owned in self.owned}
        self.networks = {owned.link.name: owned.mark for owned in self.owned if owned.mark.part == "network"}
        """The marks of networks, by bridge."""
        self._bridges = {owned.mark: owned.link for owned in self.owned if owned.mark.part == "network"}

    def may_own(self, tap: str, owner: int | None) -> bool:
        """Return whether a tap may belong to this user."""
        return self._user is None or owner == self._user or (owner is not None and self._is_vm_user(tap, owner))

    def is_unplugged(self, tap: Link) -> bool:
        """Return whether somebody took a tap its carrier that a VM has open: not one frame passes."""
        return not tap.carrier and self._is_held(tap.name)

    @property
    def network_rules(self) -> Rules:
        """Return the chains of networks."""
        return self._network_table or {}

    @property
    def has_table(self) -> bool:
        """Return whether our table of networks is there, be it empty."""
        return self._network_table is not None

    @cached_property
    def tap_rules(self) -> Rules:
        """Return the chains of taps, or of the one tap that a step is about."""
        return self._taps or {}

    @property
    def is_without_taps(self) -> bool:
        """Return whether no tap is left, of any stack, and our table of them is there all the same."""
        if any(owned.mark.part.startswith("nic.") for owned in self.owned):
            return False
        return (self._sources.tap_table() if self._sources.tap_table is not None else self._taps) is not None

    @cached_property
    def forwards(self) -> bool:
        """Return whether the host forwards."""
        return self._sources.forwards()

    @cached_property
    def addresses(self) -> tuple[Address, ...]:
        """Return the IPv4 addresses of the host."""
        return tuple(address for address in self._every_address if ":" not in address.address)

    @cached_property
    def _every_address(self) -> tuple[Address, ...]:
        return self._sources.addresses()

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """Return the IPv4 routes of the host."""
        return tuple(route for route in self._every_route if route.kind == dumps.UNICAST)

    @cached_property
    def _every_route(self) -> tuple[Route, ...]:
        return tuple(route for route in self._sources.routes() if ":" not in route.destination)

    def strange_routes_of(self, bridge: Link, cidr: str) -> list[Route]:
        """Return the routes that lead packets to a network, or to a part of it, elsewhere."""
        return list(strange_routes.odd_of(self._every_route, bridge.number, cidr, self._sources_of(bridge)))

    def has_routes(self, bridge: Link, cidr: str, gateway: str) -> bool:
        """Return whether the routes to a network and to its gateway are there."""
        sources = self._sources_of(bridge)
        return any(strange_routes.is_own(route, bridge.number, cidr, sources) for route in self.routes) and any(
            strange_routes.is_to_gateway(route, bridge.number, gateway) for route in self._every_route
        )

    def _sources_of(self, bridge: Link) -> frozenset[str]:
        return frozenset(address.address for address in self.addresses_of(bridge))

    @cached_property
    def rates(self) -> dict[int, int]:
        """Return the rates that interfaces are limited to, by their number."""
        return {number: queue.rate for number, queue in self.queues.items() if queue.rate is not None}

    @cached_property
    def queues(self) -> dict[int, Queue]:
        """Return what interfaces send through, by their number."""
        return {queue.link: queue for queue in self._queues if not queue.ingress and not queue.inner}

    @cached_property
    def inner_queues(self) -> dict[int, Queue]:
        """Return what somebody put into the queue of an interface; ours hold only what the kernel makes in them and does not show."""
        return {queue.link: queue for queue in self._queues if queue.inner and queue.own}

    @cached_property
    def ingresses(self) -> dict[int, Queue]:
        """Return what is hooked in where frames come in, before our rules see them."""
        return {queue.link: queue for queue in self._queues if queue.ingress}

    @cached_property
    def _queues(self) -> tuple[Queue, ...]:
        return self._sources.queues()

    @cached_property
    def network_hooks(self) -> Table | None:
        """Return how the table of networks is set up."""
        return self._sources.hooks(network_rules.FAMILY, network_rules.TABLE)

    @cached_property
    def tap_hooks(self) -> Table | None:
        """Return how the table of taps is set up."""
        return self._sources.hooks(tap_rules.FAMILY, tap_rules.TABLE)

    @cached_property
    def inbound_hooks(self) -> Table | None:
        """Return how the table of what reaches guests is set up."""
        return self._sources.hooks(inbound.FAMILY, inbound.TABLE)

    @cached_property
    def network_surplus(self) -> Surplus:
        """Return what lies in the table of networks and is not ours."""
        return table_hooks.surplus_of(self.network_hooks, lambda name, _hook: self._is_of_network(name))

    def _is_of_network(self, chain: str) -> bool:
        return chain == forward_switch.KEPT or network_rules.is_named(self.network_rules, chain, self.networks)

    @cached_property
    def tap_surplus(self) -> Surplus:
        """Return what lies in the table of taps and is not ours."""
        return table_hooks.surplus_of(self.tap_hooks, _is_of_tap)

    @cached_property
    def inbound_surplus(self) -> Surplus:
        """Return what lies in the table of what reaches guests and is not ours."""
        return table_hooks.surplus_of(self.inbound_hooks, lambda name, _hook: marks.OF_VM.match(name) is not None)

    @cached_property
    def every_tap_rule(self) -> Rules:
        """Return the chains of all taps, also where a step is about one of them."""
        return (self._sources.tap_table() if self._sources.tap_table is not None else self._taps) or {}

    def other_networks(self, bridge: str) -> set[str]:
        """Return the bridges of all networks but one, whole or half made."""
        rules = self.network_rules
        return {*self.networks, *(name for name in network_rules.bridges_of(rules) if network_rules.mark_of(rules, name))} - {bridge}

    def is_first(self, mark: Mark, kind: str) -> bool:
        """Return whether an interface is the first of its kind (`network`, `nic`) in its stack: what belongs to all is shown there."""
        found = [owned.mark for owned in self.owned if owned.mark[:2] == mark[:2] and owned.mark.part.partition(".")[0] == kind]
        return min((mine for mine in found if not mine.part.endswith(".upload")), default=mark) == mark

    @cached_property
    def listeners(self) -> frozenset[tuple[str, int]]:
        """Return the ports on which programs of the host wait for callers, each with its protocol."""
        return self._sources.listeners()

    @cached_property
    def inbound_rules(self) -> Rules:
        """Return the chains of what reaches guests on the overlay."""
        return self._sources.inbound() or {}

    @cached_property
    def proxies(self) -> frozenset[tuple[int, str]]:
        """Return for which addresses the host answers in place of a guest, by interface."""
        return self._sources.proxies()

    def fixed_entries_of(self, bridge: Link) -> list[Entry]:
        """Return what somebody fixed about who is where on a bridge."""
        return list(fixed_entries.odd_of(self._entries, bridge.number, self._macs))

    @cached_property
    def _entries(self) -> tuple[Entry, ...]:
        return self._sources.entries()

    @cached_property
    def _macs(self) -> dict[int, str]:
        return {link.number: link.mac for link in self.links}

    @cached_property
    def _taps(self) -> Rules | None:
        return self._sources.taps()

    @cached_property
    def _network_table(self) -> Rules | None:
        return self._sources.networks()

    def serving(self, bridge: Link) -> Serving:
        """Tell what a bridge lets through."""
        return self._sources.serving(bridge.name)

    def mark_of(self, link: Link) -> Mark | None:
        """Return the mark of an interface; nothing when it is somebody else's."""
        return self._marks.get(link.number)

    def addresses_of(self, link: Link) -> list[Address]:
        """Return the IPv4 addresses of an interface."""
        return [address for address in self.addresses if address.link == link.number]

    def addresses6_of(self, link: Link) -> list[Address]:
        """Return the IPv6 addresses of an interface. None of ours has any."""
        return [address for address in self._every_address if address.link == link.number and ":" in address.address]

    def ports_of(self, bridge: Link) -> Iterator[Link]:
        """Return the ports of a bridge."""
        return (link for link in self.links if link.master == bridge.number)

    def bridge_of(self, mark: Mark, network: str) -> Link | None:
        """Return the bridge of a network in the stack of `mark`, or that of the overlay."""
        if network == marks.OVERLAY:
            own = [marks.OVERLAY_MARK, mark.lineage, mark.stack]
            found = next((link for link in self.links if [word for word in link.alias.split(" ") if word != "isolated"] == own), None)
            return found if found is not None and found.kind == "bridge" else self.by_name.get(OVERLAY_BRIDGE)
        return self._bridges.get(mark._replace(address=f"network.{network}", part="network"))

    def bridge_under(self, mark: Mark, network: str, tap: Link | None) -> Link | None:
        """Return the bridge of the network of a card.

        The cards of a network that was renamed bear its old name until they get a new label: they hang on the bridge that they are a
        port of, as long as no other network has that name.
        """
        bridge = self.bridge_of(mark, network)
        master = self.master_of(tap) if bridge is None and tap is not None else None
        owner = self.networks.get(master.name) if master is not None else None
        return master if owner is not None and (owner.lineage, owner.stack) == (mark.lineage, mark.stack) else bridge

    def master_of(self, link: Link) -> Link | None:
        """Return the bridge that an interface is a port of."""
        return self.by_number.get(link.master) if link.master else None


def look(
    folder: Path, user: int, links: tuple[Link, ...] | None = None, *, tap: str | None = None, memory: Memory = recollections.NOTHING
) -> Scene:
    """Look at everything, or with the rules of one tap only; `links` spares reading and recovering them again. `user` runs the VMMs.

    A VM that was renamed keeps the interfaces it has, which bear its old name; `folder`, the data folder, holds the new one.
    """
    sources = Sources(
        dumps.dump_addresses,
        dumps.dump_routes,
        dumps.dump_queues,
        nftables.read_networks,
        nftables.read_taps if tap is None else lambda: nftables.read_tap(tap),
        forward_switch.is_on,
        forward_switch.serving,
        None if tap is None else nftables.read_taps,
        listeners.find_listeners,
        nftables.read_inbound,
        dumps.dump_proxies,
        table_hooks.read,
        entries=fixed_entries.dump,
    )
    rename, is_vm_user, is_held = partial(_renamed, folder / "vms", memory), partial(_is_user_of, folder), partial(_is_held, folder)
    links = missing_marks.recover(dumps.dump_links(), folder, memory) if links is None else links
    return Scene(links, sources, rename, user, is_vm_user, is_held)


def _is_of_tap(chain: str, hook: Hook | None) -> bool:
    """Return whether a chain is a tap's: it has the name of one, and sees the frames of no other interface."""
    return chain.startswith("hc-") and marks.OF_VM.match(chain) is not None and (hook is None or hook.devices in ((), (chain,)))


def _is_user_of(folder: Path, tap: str, user: int) -> bool:
    match = marks.OF_VM.match(tap)
    return match is not None and users.is_user(folder, match["sid"], user)


def _is_held(folder: Path, tap: str) -> bool:
    match = marks.OF_VM.match(tap)
    return match is not None and tap_holders.holds(folder, match["sid"], tap)


def _renamed(vms: Path, memory: Memory, name: str, mark: Mark) -> Mark:
    match = marks.OF_VM.match(name)
    owner = ownership.find_owner(vms / match["sid"], memory)[0] if match else None
    if owner is None or (owner.lineage, owner.stack) != (mark.lineage, mark.stack):
        return mark
    return mark._replace(address=owner.address)
