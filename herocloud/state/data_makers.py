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
    return _name(_newest(connection, "stack = ?", (stack,)).get(stack, {}))


class Read:
    """What a reader that stays has read of the journal: applies that have ended get no further lines, and are not read again."""

    def __init__(self) -> None:
        """Start without having read any."""
        self._until = 0
        self._open: list[int] = []
        """Those up to there that had not ended."""
        self._kept_from = 0
        self._newest: _Newest = {}

    def find(self, connection: sqlite3.Connection, stack: StackName) -> dict[Address, str]:
        """Return the name of the last apply that made data at each address of a stack."""
        (kept_from,) = connection.execute("SELECT kept_from FROM world").fetchone()
        if kept_from != self._kept_from:
            # Old history was thrown away, and nobody knows any more what it said.
            self._until, self._open, self._kept_from, self._newest = 0, [], kept_from, {}
        for apply in self._open:
            _merge(self._newest, _newest(connection, "applies.apply = ?", (apply,)))
        _merge(self._newest, _newest(connection, "applies.apply > ?", (self._until,)))
        (self._until,) = connection.execute("SELECT coalesce(max(apply), 0) FROM applies").fetchone()
        self._open = [apply for (apply,) in connection.execute("SELECT apply FROM applies WHERE status IN ('running', 'interrupted')")]
        return _name(self._newest.get(stack, {}))


_Newest = dict[StackName, dict[Address, int]]
"""The last apply that made data, by stack and address."""


def _newest(connection: sqlite3.Connection, where: str, values: tuple[object, ...]) -> _Newest:
    rows = connection.execute(
        "SELECT stack, step, max(journal.apply) FROM applies JOIN journal ON journal.apply = applies.apply "  # noqa: S608  (conditions are ours)
        f"WHERE {where} AND event = 'done' AND (step LIKE '%/disk.%' OR step LIKE '%/volume.%') GROUP BY stack, step",
        values,
    )
    newest: _Newest = {}
    for stack, step, apply in rows:
        address, _, kind = step.rpartition("/")
        if kind.partition("#")[0] in _KINDS:
            _merge(newest, {stack: {Address(address): apply}})
    return newest


def _merge(newest: _Newest, more: _Newest) -> None:
    for stack, makers in more.items():
        known = newest.setdefault(stack, {})
        for address, apply in makers.items():
            known[address] = max(apply, known.get(address, 0))


def _name(makers: Mapping[Address, int]) -> dict[Address, str]:
    return {address: apply_id(apply) for address, apply in makers.items()}
