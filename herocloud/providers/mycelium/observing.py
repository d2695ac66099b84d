"""One look at the overlay of this host: what each stack asked, held against the bridge, the daemon and its peers.

A host on which no stack ever asked for the overlay pays one look at a folder.
"""

from collections.abc import Iterable
from pathlib import Path

from herocloud.model import overlays
from herocloud.model.errors import Permanent
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing

NAME = "mycelium"


class MyceliumObserver:
    """Looks at the overlay for the stacks of a data folder."""

    def __init__(self, folder: Path) -> None:
        """Remember where to look."""
        self._folder = folder

    def observe(self, stacks: Iterable[StackName] | None = None) -> Observed:
        """Look at everything that carries our mark, of these stacks or of all."""
        if not (self._folder / "mycelium/stacks").is_dir():
            return Observed()
        from herocloud.providers.mycelium import memberships, overlay_parts, peer_endpoints

        wanted = None if stacks is None else set(stacks)
        things: dict[StackName, dict[Address, Thing]] = {}
        states: dict[str, str] = {}
        try:
            there = None
            for known in memberships.all_of(self._folder):
                stack = StackName(known.stack)
                if wanted is not None and stack not in wanted:
                    continue
                part = overlay_parts.node_part(self._folder, known)
                found = things.setdefault(stack, {})
                address = overlays.NODE
                found[address] = Thing(stack, address, NAME, {"overlay": part}, known.lineage)
                if known.peers and there is None:
                    there = overlay_parts.peers_there(self._folder)
                for endpoint in known.peers:
                    address = Address(f"peer.{endpoint}")
                    peer = overlay_parts.peer_part(self._folder, known, endpoint, there) if there is not None else {"endpoint": endpoint}
                    found[address] = Thing(stack, address, NAME, {"peer": peer}, known.lineage)
                    state = (there or {}).get(peer_endpoints.normalize(endpoint))
                    if state is not None:
                        states[endpoint] = state
        except OSError as error:
            raise Permanent(f"the overlay of this host cannot be read: {error}") from error
        return Observed(things=things, peer_states=states)
