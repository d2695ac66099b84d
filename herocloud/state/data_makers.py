"""Which apply made the data at each address, by the journal."""

import sqlite3

from herocloud.model.applies import apply_id
from herocloud.model.ids import Address

_KINDS = ("disk.create", "disk.place", "disk.copy", "disk.restore", "volume.create", "volume.copy", "volume.restore")
"""The steps after which there is other data at an address than before."""


def find(connection: sqlite3.Connection, stack: str) -> dict[Address, str]:
    """Return the name of the last apply that made data at each address of a stack; it looks through the journal of that stack."""
    rows = connection.execute(
        "SELECT step, max(journal.apply) FROM applies JOIN journal ON journal.apply = applies.apply "
        "WHERE stack = ? AND event = 'done' AND (step LIKE '%/disk.%' OR step LIKE '%/volume.%') GROUP BY step",
        (stack,),
    )
    newest: dict[str, int] = {}
    for step, apply in rows:
        address, _, kind = step.rpartition("/")
        if kind.partition("#")[0] not in _KINDS:
            continue
        newest[address] = max(apply, newest.get(address, 0))
    return {Address(address): apply_id(apply) for address, apply in newest.items()}
