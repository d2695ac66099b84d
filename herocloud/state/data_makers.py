"""Which apply made the data at each address, by the journal."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from herocloud.model.applies import apply_id
from herocloud.model.ids import Address, StackName
from herocloud.state import connections, failures, state_files

_KINDS = ("disk.create", "disk.place", "disk.copy", "disk.restore", "volume.create", "volume.copy", "volume.restore")
"""The steps after which there is other data at an address than before."""


class MakersIn:
    """Answers for one data folder, by its journal as it is when somebody asks."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet."""
        self._folder = folder

    def __eq__(self, other: object) -> bool:
        """Compare by folder, so that two readings of one state are equal."""
        return isinstance(other, MakersIn) and other._folder == self._folder

    def __hash__(self) -> int:
        """Follow the comparison."""
        return hash(self._folder)

    def __call__(self, stack: StackName) -> Mapping[Address, str]:
        """Return the name of the last apply that made data at each address of a stack."""
        connection = connections.open_for_reading(self._folder)
        if connection is None:
            return {}
        with closing(connection), failures.Guarded(state_files.database(self._folder)):
            return _find(connection, stack)


def _find(connection: sqlite3.Connection, stack: StackName) -> dict[Address, str]:
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
