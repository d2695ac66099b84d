"""What runs on something that a plan of a part renames, removes, or gives another range: it comes along, or that stays as it is.

A volume or network that goes its own way under a VM would be refused at the host at best; at worst the VM goes on with an old name or with
an address that nobody routes. So with `--target` its users belong to it, and with `--exclude` it belongs to its users.
"""

from collections.abc import Iterable, Iterator, Mapping

from herocloud.kits import edges
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address
from herocloud.model.worlds import Record, Resource
from herocloud.plan import diagnostics

_USED = ("volume", "network", "mycelium")
Needs = Mapping[Address, Iterable[Address]]


class Bound:
    """What cannot change without its users, why, and who they are."""

    def __init__(self, resources: Mapping[Address, Resource], records: Mapping[Address, Record], moves: Mapping[Address, Address]) -> None:
        """Find it; all addresses are those after the renames, `moves` has the old ones by them."""
        self._why = {
            address: why
            for address, record in records.items()
            if record.kind in _USED and (why := _why(record, resources.get(address), address in moves))
        }
        self._users: dict[Address, list[Address]] = {}
        for record in records.values() if self._why else ():
            for need in record.needs if record.kind == "vm" else ():
                if need in self._why:
                    self._users.setdefault(need, []).append(record.address)

    def among(self, needs: Needs) -> dict[Address, Iterable[Address]]:
        """Return what everything needs, and with it the users that have to come along."""
        return {**needs, **{address: (*needs.get(address, ()), *users) for address, users in self._users.items()}}

    def come_along(self, targets: set[Address], needs: Needs, allowed: set[Address]) -> Iterator[Diagnostic]:
        """Say who comes along although no target needs it."""
        asked = edges.follow(targets, needs)
        for address, users in self._users.items():
            more = [user for user in users if user in allowed and user not in asked]
            if address in allowed and more:
                yield diagnostics.user_comes_along(address, more, self._why[address])

    def stay(self, excluded: set[Address], needs: Needs, asked: Iterable[Address]) -> Iterator[Diagnostic]:
        """Say what of all that was `asked` for stays as it is because what uses it is left out."""
        left = edges.follow(excluded, edges.turn(needs))
        everything = edges.follow(excluded, edges.turn(self.among(needs)))
        for address, users in self._users.items():
            if address in everything - left and address in asked:
                yield diagnostics.used_stays(address, [user for user in users if user in everything], self._why[address])


def _why(record: Record, resource: Resource | None, moved: bool) -> str:  # noqa: FBT001 - one of three facts about an address
    if resource is None:
        return "is removed"
    if moved:
        return "gets another name"
    return "gets another range of addresses" if record.kind == "network" and record.spec["cidr"] != resource.spec["cidr"] else ""
