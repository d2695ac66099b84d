"""Keeping a guest away from what listens on the host itself, where a card of it is on a network that QEMU brings about.

Rules of nftables do it where VMs have users of their own, and else a program beside the VMM, which begins with it and never later.
"""

from collections.abc import Iterable

from herocloud.kits.jsons import Part
from herocloud.model.errors import Permanent
from herocloud.providers.seam import UserNetwork
from herocloud.providers.vmm import connection_guard, loopback, users
from herocloud.providers.vmm.machine_place import Place
from herocloud.providers.vmm.marks import Mark
from herocloud.providers.vmm.supervision import GUARDED
from herocloud.providers.vmm.supplies import Supplies


def close(place: Place, machine: Part, given: Supplies) -> bool:
    """Close the host to a VMM that is about to start; returns whether a program has to begin with it."""
    networks = _networks(machine["nics"], given)
    if not networks:
        return False
    because = _close_by_rules(place)
    if because and any(network.nat for network in networks) and not connection_guard.is_possible():
        raise _open(place, f"{because}, and {loopback.NO_GUARD}")
    return bool(because) and connection_guard.is_possible()


def require_closed(place: Place, mark: Mark, machine: Part, given: Supplies) -> None:
    """Close the host to a VMM that runs and gets cards; refuse those that would open it."""
    networks = _networks(machine["nics"], given)
    because = _close_by_rules(place) if networks else ""
    new = _networks([key for key in machine["nics"] if key not in mark.machine["nics"]], given)
    if because and not mark.launched.get(GUARDED) and any(network.nat for network in new):
        raise _open(place, f"{because}, and it was started without a network of this kind; stop it, apply, and start it again")


def answered_ports(mark: Mark, given: Supplies) -> list[int] | None:
    """Return the published ports of datagrams where that program runs: of connections it sees none that others began."""
    if not mark.launched.get(GUARDED):
        return None
    forwards = [forward for network in _networks(mark.machine["nics"], given) for forward in network.forwards]
    return sorted({forward.host_port for forward in forwards if forward.protocol == "udp"})


def _networks(cards: Iterable[str], given: Supplies) -> list[UserNetwork]:
    links = [given.attachments[key].link for key in cards if key in given.attachments]
    return [link for link in links if isinstance(link, UserNetwork)]


def _close_by_rules(place: Place) -> str:
    return loopback.close(place.users) if users.of(place.data, place.sid).is_own else "its VMM has no user of its own"


def _open(place: Place, because: str) -> Permanent:
    return Permanent(
        f"`{place.owner.address}` would reach what listens on this host itself: {because}. Without `nat` its network leads nowhere else"
    )
