"""The records for a process that stays: read again only when somebody has written.

A command opens the state once and ends. A daemon answers many reads a second while applies write, and none of them may wait: one
connection stays open, and SQLite says in microseconds whether any other connection has committed since.
"""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from herocloud.model.applies import Pending
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Record, Recorded
from herocloud.state import data_makers, records, state_files, step_durations
from herocloud.state.store import Store


class StateReader:
    """What is recorded in a data folder now."""

    def __init__(self, folder: Path) -> None:
        """Start without anything read."""
        self._folder = folder
        self._path = state_files.database(folder)
        self._turn = threading.Lock()
        self._store: Store | None = None
        self._file: tuple[int, int] | None = None
        self._version = -1
        self._copied = False
        self._kept = records.Kept()
        self._read_makers = data_makers.Read()
        self._medians = step_durations.Medians()
        self._recorded = Recorded()

    def recorded(self) -> Recorded:
        """Return everything that is recorded."""
        return self.current()[1]

    def current(self) -> tuple[int, Recorded]:
        """Return the records with a number that grows whenever anything is written."""
        with self._turn:
            store = self._open()
            if store is None:
                return 0, Recorded()
            version = store.data_version
            if version != self._version:
                self._recorded = store.recorded_again(self._kept, self._medians)._replace(data_makers=self._find_makers)
                # Asked before the records: what is written in between is read once more, and never missed.
                self._version = version
            return version, self._recorded

    def _find_makers(self, stack: StackName) -> Mapping[Address, str]:
        with self._turn:
            store = self._open()
            return {} if store is None else store.data_makers(stack, self._read_makers)

    def version(self) -> int:
        """Return a number that grows whenever anything is written, without reading anything; of another reader it is another one."""
        with self._turn:
            store = self._open()
            return 0 if store is None else store.data_version

    def record_of(self, sid: str) -> Record | None:
        """Return one record as it is now, without reading the others."""
        with self._turn:
            store = self._open()
            return None if store is None else store.record_of(sid)

    def record(self, stack: StackName, address: Address) -> Record | None:
        """Return the record of an address as it is now, without reading the others."""
        with self._turn:
            store = self._open()
            return None if store is None else store.record(stack, address)

    def forgotten_since(self, serial: int) -> list[Record]:
        """Return the last records of what was taken out of the records by hand after a serial, and has none now."""
        with self._turn:
            store = self._open()
            return [] if store is None else store.forgotten_since(serial)

    def pending(self) -> tuple[Pending, ...]:
        """Return every apply that runs or did not end, without reading the records."""
        with self._turn:
            store = self._open()
            return () if store is None else store.pending()

    def _open(self) -> Store | None:
        from herocloud.state import store as states

        file = state_files.identify(self._path)
        if self._store is not None and (file != self._file or self._copied):
            # Another state was put in its place, or what was opened was a copy in memory, to which nobody ever writes.
            self._store.close()
            self._store = None
        if self._store is None:
            self._store = states.open_state(self._folder, write=False)
            # Asked of what was opened: while a writer comes or goes, the files beside it tell this moment and not that one.
            self._copied = self._store is not None and self._store.is_copy
            self._file, self._version = file, -1
            self._read_makers = data_makers.Read()
            self._medians = step_durations.Medians()
            if self._store is not None:
                self._store.keep_little()
        return self._store

    def close(self) -> None:
        """Let go of the state."""
        with self._turn:
            if self._store is not None:
                self._store.close()
                self._store = None

    def __enter__(self) -> Self:
        """Allow `with StateReader(…) as reader`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close at the end of the block."""
        self.close()
