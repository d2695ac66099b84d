"""One look at the networks in user mode: the notes in the data folder."""

from collections.abc import Iterable
from pathlib import Path

from herocloud.model.errors import Permanent
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing

NAME = "user_network"
_FOLDER = "user-networks"


class UserNetworkObserver:
    """Looks at a data folder."""

    def __init__(self, folder: Path) -> None:
        """Remember where."""
        self._folder = folder

    def observe(self, stacks: Iterable[StackName] | None = None) -> Observed:
        """Look at every network and card of these stacks, or of all."""
        if not (self._folder / _FOLDER).is_dir():
            return Observed()
        # Imported here: most hosts have none of this, and every command looks.
        from herocloud.providers.user_network import notes

        things: dict[StackName, dict[Address, Thing]] = {}
        try:
            for note in notes.scan(self._folder, stacks):
                stack, address = StackName(note.mark.stack), Address(note.mark.address)
                known = things.setdefault(stack, {}).get(address)
                parts = {**(known.parts if known else {}), note.mark.part: note.part}
                things[stack][address] = Thing(stack, address, NAME, parts, note.mark.lineage)
        except OSError as error:
            raise Permanent(f"the networks in user mode cannot be read: {error}") from error
        return Observed(things=things)


def open_observer(folder: Path, host: Host | None = None, *, scenario: Path | None = None) -> UserNetworkObserver:  # noqa: ARG001  (every provider is opened the same way)
    """Return the observer of networks in user mode."""
    return UserNetworkObserver(folder)


def check_usable(folder: Path | None) -> tuple[bool, str]:  # noqa: ARG001  (every provider is asked the same way)
    """Say whether networks in user mode can be had: they need nothing of the host."""
    return True, "ready; carries VMs of users without CAP_NET_ADMIN"
