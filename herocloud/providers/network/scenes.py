"""One look at everything that parts are recognised from: interfaces, addresses, routes, queues, rules, the forwarding switch."""

from collections.abc import Iterator
from typing import NamedTuple

from herocloud.providers.network import dumping, forwarding, marks, nftables
from herocloud.providers.network.dumping import Address, Link, Route, World
from herocloud.providers.network.marks import Mark
from herocloud.providers.network.nftables import Ruleset


class Owned(NamedTuple):
    """An interface with our mark."""

    link: Link
    mark: Mark


class Scene:
    """What was seen, with look-ups made once: ten thousand taps are found by name, not searched for."""

    def __init__(self, world: World, rules: Ruleset, *, forwards: bool) -> None:
        """Arrange what was seen."""
        self.world, self.rules, self.forwards = world, rules, forwards
        self.by_name = {link.name: link for link in world.links}
        self.by_number = {link.number: link for link in world.links}
        self.owned = [Owned(link, mark) for link in world.links if link.alias and (mark := marks.read_mark(link.alias))]
        self.networks = {one.link.name: one.mark for one in self.owned if one.mark.part == "network"}
        """The marks of networks, by bridge."""
        self.rates = {queue.link: queue.rate for queue in world.queues if queue.rate is not None}
        self._addresses: dict[int, list[Address]] = {}
        for address in world.addresses:
            self._addresses.setdefault(address.link, []).append(address)
        self._routes: dict[int, list[Route]] = {}
        for route in world.routes:
            self._routes.setdefault(route.link, []).append(route)

    def addresses_of(self, link: Link) -> list[Address]:
        """Return the IPv4 addresses of an interface."""
        return [one for one in self._addresses.get(link.number, ()) if ":" not in one.address]

    def routes_of(self, link: Link) -> list[Route]:
        """Return the IPv4 routes through an interface."""
        return [one for one in self._routes.get(link.number, ()) if ":" not in one.destination]

    def ports_of(self, bridge: Link) -> Iterator[Link]:
        """Return the ports of a bridge."""
        return (link for link in self.world.links if link.master == bridge.number)

    def find(self, mark: Mark) -> Link | None:
        """Return the interface with this mark."""
        return next((one.link for one in self.owned if one.mark == mark), None)

    def master_of(self, link: Link) -> Link | None:
        """Return the bridge that an interface is a port of."""
        return self.by_number.get(link.master) if link.master else None


def look() -> Scene:
    """Look at everything."""
    return Scene(dumping.dump_world(), nftables.read_rules(), forwards=forwarding.is_on())
