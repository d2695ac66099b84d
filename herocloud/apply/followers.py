"""The records that need something which is renamed: their needs follow it at once, in the same entry of the journal.

An apply may fail or be cut off between a rename and the changes of what relies on it. With the old name in their needs, the next `destroy`
would remove a volume before the VM that runs on it, because nothing would say that the one relies on the other.
"""

from collections.abc import Callable

from herocloud.model import needs
from herocloud.model.ids import Address
from herocloud.model.worlds import Record


class Followers:
    """Finds what relies on a name, among the records of a stack."""

    def __init__(self, records: dict[Address, Record]) -> None:
        """Look into `records` and change them."""
        self._records = records
        self._users: dict[Address, dict[Address, None]] | None = None
        """What may rely on an address. It is made with the first rename, because most applies rename nothing."""

    def note(self, record: Record) -> None:
        """Remember what a record that was written relies on."""
        if self._users is not None:
            for need in record.needs:
                self._users.setdefault(need, {})[record.address] = None

    def rename(self, origin: Address, target: Address, keeps: Callable[[Record], bool]) -> tuple[Record, ...]:
        """Point every need of `origin` at `target`, and return the records that changed.

        A record that `keeps` its needs has the names of after the renames already.
        """
        if self._users is None:
            self._users = {}
            for known in self._records.values():
                self.note(known)
        changed = []
        for address in self._users.pop(origin, ()):
            record = self._records.get(address)
            if record is None or origin not in record.needs:
                continue
            if keeps(record):
                self.note(record)
                continue
            self._records[address] = needs.follow(record, {origin: target})
            self.note(self._records[address])
            changed.append(self._records[address])
        return tuple(changed)
