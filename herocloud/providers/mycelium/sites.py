"""Where a stack meets the overlay, by its mode: in the /64 of the host's node, or in one of its own that moves with its key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Conflict
from herocloud.model.overlays import GUEST, NETWORK
from herocloud.providers.mycelium import arithmetic, host_daemon, host_node, host_side, key_references
from herocloud.providers.mycelium.host_side import Bridge
from herocloud.providers.mycelium.memberships import Membership
from herocloud.providers.mycelium.network_site import NetworkSite


class Site(Protocol):
    """The place of one stack."""

    def ensure(self, data: Path, environment: Mapping[str, str]) -> None:
        """Bring it about."""
        ...

    def remove(self, data: Path) -> None:
        """Take it away."""
        ...

    def flaws(self, data: Path) -> dict[str, Json]:
        """Name what is not as `ensure` leaves it."""
        ...

    def is_gone(self, data: Path) -> bool:
        """Return whether nothing is left of it."""
        ...


class HostSite:
    """In the /64 of the host's node."""

    def __init__(self, stack: str, lineage: str, part: Part) -> None:
        """Take the part `overlay`."""
        self._part = part
        self._known = Membership(stack, lineage, part, {})
        self._user = host_side.user_of(lineage, stack)
        self._bridge = Bridge(host_side.BRIDGE, part["subnet"]) if part["subnet"] else None

    def ensure(self, data: Path, environment: Mapping[str, str]) -> None:
        """Have the node run, and the bridge stand."""
        if self._bridge is not None:
            host_side.check(self._bridge)
            public = arithmetic.public_key(key_references.read(data, self._part["key"], environment, self._part["subnet"]))
            if self._part["subnet"] != arithmetic.node_subnet(public):
                raise Conflict("the key of the overlay node is not the one that the plan was made with; plan again")
        host_node.ensure(data, self._known, environment)
        if self._bridge is not None:
            host_side.ensure(self._bridge, self._user)

    def remove(self, data: Path) -> None:  # noqa: ARG002  (the caller knows whether others need the daemon, and ends it)
        """Take the bridge away, with its last user."""
        if self._bridge is not None:
            host_side.remove(self._bridge, self._user)

    def flaws(self, data: Path) -> dict[str, Json]:
        """Look at the node and at the bridge."""
        found: dict[str, Json] = dict(host_daemon.find_flaws(data, self._part))
        if self._bridge is not None:
            found.update(host_side.find_flaws(self._bridge, self._user))
        return found

    def is_gone(self, data: Path) -> bool:  # noqa: ARG002  (as above)
        """Look for what is left of the bridge."""
        return self._bridge is None or host_side.is_gone(self._user, self._bridge)


def site_of(stack: str, lineage: str, part: Part) -> Site | None:
    """Return the place of a stack; nothing in mode `guest`, where the daemons run inside the VMs."""
    if part["mode"] == GUEST:
        return None
    if part["mode"] == NETWORK and part["subnet"]:
        return NetworkSite(stack, lineage, part)
    return HostSite(stack, lineage, part)


def bring(data: Path, stack: str, lineage: str, part: Part, environment: Mapping[str, str]) -> None:
    """Bring the place of a stack about."""
    site = site_of(stack, lineage, part)
    if site is not None:
        site.ensure(data, environment)


def leave_other(data: Path, stack: str, lineage: str, before: Part, after: Part) -> None:
    """Leave the place of before where after means another one.

    Another /64 is not another place: VMs are connected to the bridge, and it only gets another address.
    """
    site = site_of(stack, lineage, before)
    if site is not None and (before["mode"] != after["mode"] or (before["subnet"] and not after["subnet"])):
        site.remove(data)
