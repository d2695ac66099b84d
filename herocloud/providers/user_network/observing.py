"""One look at the networks in user mode: the notes in the data folder."""

from collections.abc import Iterable
from pathlib import Path

from herocloud.model.errors import Permanent
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing
from herocloud.providers import recollections
from herocloud.providers.recollections import Memory

NAME = "user_network"
_FOLDER = "user-networks"


class UserNetworkObserver:
    """Looks at a data folder."""

    def __init__(self, folder: Path, memory: Memory = recollections.NOTHING) -> None:
        """Remember where, and what the state knows of VMs."""
        self._folder = folder
        self._memory = memory

    def observe(self, stacks: Iterable[StackName] | None = None) -> Observed:
        """Look at every network and card of these stacks, or of all."""
        if not (self._folder / _FOLDER).is_dir():
            return Observed()
        # Imported here: most hosts have none of this, and every command looks.
        from herocloud.providers.user_network import loopback_drift, notes

        things: dict[StackName, dict[Address, Thing]] = {}
        try:
            for note in notes.scan(self._folder, stacks, self._memory):
                stack, address = StackName(note.mark.stack), Address(note.mark.address)
                known = things.setdefault(stack, {}).get(address)
                parts = {**(known.parts if known else {}), note.mark.part: loopback_drift.as_it_is(note.part)}
                things[stack][address] = Thing(stack, address, NAME, parts, note.mark.lineage)
        except OSError as error:
            raise Permanent(f"the networks in user mode cannot be read: {error}") from error
        return Observed(things=things)
