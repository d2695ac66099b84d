"""The one face of the state: an open database with everything that the layers above may ask of it or tell it.

What a writing method does is on disk as a whole when the method returns; when it raises, nothing of it is. Threads share the connection,
and those who wait for the disk at the same moment share a transaction.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from herocloud.kits import faults
from herocloud.kits.jsons import Json
from herocloud.model.applies import NOBODY, Caller, Pending
from herocloud.model.ids import Address, PlanId, StackName, StepId
from herocloud.model.plans import Plan
from herocloud.model.worlds import Recorded
from herocloud.state import connections, failures, high_water, journal, state_files
from herocloud.state.books import Book
from herocloud.state.history import Applied, AppliedPlan, Did, Difference, Entry, Generation, Grant, Unfinished, Version
from herocloud.state.journal import Prepared, Run
from herocloud.state.state_answers import Answer, Reader

if TYPE_CHECKING:
    from herocloud.state.old_history import Limits, Pruned

__all__ = [
    "Applied", "AppliedPlan", "Did", "Difference", "Entry", "Generation", "Grant", "Moved", "Store", "Unfinished", "Version",
    "open_state", "read_pending", "read_recorded",
]  # fmt: skip

_NONE: Mapping[StepId, str] = MappingProxyType({})


class Moved(Exception):
    """Somebody else took something or edited a record since the caller looked."""


class Store(Reader):
    """One open state."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, *, write: bool) -> None:
        """Take over an open connection."""
        import threading

        from herocloud.state.write_queue import WriteQueue

        super().__init__(folder, connection)
        self._write = write
        self._closed = False
        self._writes = WriteQueue(lambda: connection, self._path, self._turn)
        self._noting = threading.Lock()
        self._newest = self._noted = 0
        """The highest serial that was given here, and the highest that the mark is known to have."""
        self._runs: dict[int, Run] = {}
        self._outputs: dict[int, Mapping[str, Json] | None] = {}
        """The outputs of plans that began here; nothing for one that left something out, because they speak of a part of the stack only."""
        self.file = state_files.identify(self._path)
        """Which file this is, as `state_files.identify` has it."""

    def __enter__(self) -> Self:
        """Allow `with open_state(…) as store`."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close at the end of the block."""
        self.close()

    def ask_beside(self) -> None:
        """Use a second connection for reads from here on, so that reads never wait for writes to reach the disk."""
        import threading

        asking = connections.open_for_reading(self.folder)
        if asking is not None and not connections.is_of(asking, self._path):
            # A copy would never see what is written.
            asking.close()
        elif asking is not None:
            self._asking = (threading.Lock(), asking)

    def close(self) -> None:
        """Let go of the database. What was committed is safe with or without this, so a disk that fails here is not worth an error."""
        turn, asking = self._asking
        if asking is not self._connection:
            with turn:
                asking.close()
        with self._turn:
            try:
                if self._write and not self._closed:
                    connections.close(self._connection, self.folder)
            except (sqlite3.Error, OSError):
                # The log keeps what could not be moved into the database; the next writer moves it.
                pass
            finally:
                self._closed = True
                self._connection.close()

    @staticmethod
    def prepare(plan: Plan, grant: Grant) -> Prepared:
        """Make ready what `begin` writes."""
        return journal.prepare(plan, grant)

    def begin(
        self,
        plan: Plan,
        started: float,
        rollback_of: PlanId | None = None,
        *,
        prepared: Prepared | None = None,
        expecting: Generation | None = None,
    ) -> int:
        """Start an apply: keep its plan, raise the serial; returns the number of the apply.

        With `prepared` all that takes time was done before. Raises `Moved`, and writes nothing, when the state is not of the generation
        that the caller has looked at.
        """
        prepared = prepared or journal.prepare(plan, Grant())

        def write(connection: sqlite3.Connection) -> int:
            if expecting is not None and journal.generation(connection) != expecting:
                raise Moved
            journal.skip_serials(connection, high_water.read(self.folder, self.lineage))
            apply, _ = journal.begin(connection, prepared, started, rollback_of)
            return apply

        # The mark of the serial comes with the first entry of the journal: others who wait to be admitted need not wait for it.
        apply = self._transact("state.begin", write, raises_serial=True, notes=False)
        self._outputs[apply] = prepared.plan.outputs if prepared.plan.complete else None
        return apply

    def take_over(self, apply: int, grant: Grant, *, closing: bool = False) -> None:
        """Go on with an apply that did not end, in the name of this process; one that is `closing` belongs to no job from here on."""
        self._transact("state.begin", lambda connection: journal.take_over(connection, apply, grant, closing=closing))

    def commit(self, apply: int, entries: Sequence[Entry]) -> None:
        """Add entries to the journal and carry out what they change in the records."""

        def write(connection: sqlite3.Connection) -> None:
            run = self._runs.pop(apply, None) or journal.Run(connection, apply)
            run.commit(connection, entries)
            committed.append(run)

        committed: list[Run] = []
        # One whose transaction failed believes to have written what is not there.
        self._transact("state.commit", write)
        self._runs[apply] = committed[-1]

    def finish(
        self, apply: int, status: str, ended: float, did: Did | None = None, providers: Mapping[StepId, str] = _NONE, own: float = 0.0
    ) -> None:
        """Say how an apply ended: `done`, `partial`, `rolled back`, or `interrupted`, which leaves it unfinished.

        Of steps whose provider is given, the duration is remembered for estimates, and what each took of the executor's `own` time.
        """
        if status not in journal.STATUSES:
            msg = f"an apply cannot end as {status!r}"
            raise ValueError(msg)

        def write(connection: sqlite3.Connection) -> None:
            outputs = None
            if status == "done" and apply in self._outputs:
                outputs = self._outputs[apply]
            elif status == "done":
                plan = journal.load_head(connection, apply, self._path)
                outputs = plan.outputs if plan.complete else None
            journal.finish(connection, apply, status, ended, outputs, did, providers, own)

        self._transact("state.finish", write)
        self._runs.pop(apply, None)
        self._outputs.pop(apply, None)

    def edit(
        self, operation: str, stack: StackName | None, entries: Sequence[Entry], *, at: float | None = None, caller: Caller = NOBODY
    ) -> int:
        """Change records outside of an apply, as one operation with a serial of its own; returns the serial."""

        def write(connection: sqlite3.Connection) -> int:
            journal.skip_serials(connection, high_water.read(self.folder, self.lineage))
            serial = journal.next_serial(connection, time.time() if at is None else at, operation, None, stack, caller)
            journal.change_records(connection, Book(serial), entries)
            return serial

        return self._transact("state.edit", write, raises_serial=True)

    def prune(self, limits: "Limits", now: float, spared: Collection[tuple[StackName, Address]]) -> "Pruned":
        """Delete history beyond the limits, oldest first; one call deletes at most one batch."""
        from herocloud.state import old_history

        # What refers to a serial is asked for before it goes; SQLite would look through all records for each of them once more.
        self._enforce_references(enforced=False)
        try:
            return self._transact(
                "state.edit", lambda connection: old_history.prune(connection, old_history.find_cut(connection, limits, now), spared)
            )
        finally:
            self._enforce_references(enforced=True)

    def _enforce_references(self, *, enforced: bool) -> None:
        # Between two transactions: inside of one SQLite takes no notice.
        with self._turn:
            self._connection.execute(f"PRAGMA foreign_keys = {'ON' if enforced else 'OFF'}")

    def grow_slices(self, slices: int) -> None:
        """Remember that the host has so many slices; the number never falls."""
        self._transact("state.edit", lambda connection: journal.raise_slices(connection, slices))

    def settle_slices(self, slices: int) -> None:
        """Accept that the host has so many slices from now on, more or fewer; raises Conflict when VMs hold higher ones."""
        self._transact("state.edit", lambda connection: journal.settle_slices(connection, slices))

    def _transact(
        self, point: str, work: Callable[[sqlite3.Connection], Answer], *, raises_serial: bool = False, notes: bool = True
    ) -> Answer:
        """Do work in a transaction, which others who wait at the same moment may share: all of it is on disk at the end, or nothing.

        It may be done more than once, each time with nothing of the last time left: where the disk is full and a piece of the reserve
        helps, or beside work that cannot be done. One that `notes` raises the mark of the data folder to the serials given so far.
        """

        def write(connection: sqlite3.Connection) -> tuple[Answer, int]:
            # SQLite goes on writing to a file that was removed under it, and all of that would be lost without a word.
            if state_files.identify(self._path) != self.file:
                raise failures.refusal("state-missing", self._path, "it was removed or replaced while it was in use")
            answer = work(connection)
            serial = journal.serial(connection) if raises_serial else 0
            faults.reached(f"{point}.written")
            return answer, serial

        with failures.Guarded(self._path):
            faults.reached(f"{point}.before")
            answer, serial = self._writes.write(write)
            # Of two who come at once, the lower may be put down last; then that serial is noted with the next.
            self._newest = max(self._newest, serial)
            if notes and self._newest > self._noted:
                self._note(self._newest)
            faults.reached(f"{point}.after")
        return answer

    def _note(self, serial: int) -> None:
        """Raise the mark of the data folder to a serial that is on disk; those who come meanwhile have theirs noted together."""
        with self._noting:
            if self._noted < serial:
                newest = max(self._newest, serial)
                high_water.raise_to(self.folder, self.lineage, newest)
                self._noted = newest


def open_state(folder: Path, *, write: bool) -> Store | None:
    """Open the state of a data folder. To write makes it when there is none; to read then returns nothing and makes nothing."""
    if write:
        return Store(folder, connections.open_for_writing(folder), write=True)
    connection = connections.open_for_reading(folder)
    return None if connection is None else Store(folder, connection, write=False)


def read_recorded(folder: Path) -> Recorded:
    """Return what plans compare with; an empty one without lineage when nothing was ever written."""
    store = open_state(folder, write=False)
    if store is None:
        return Recorded()
    with store:
        return store.recorded(checked=True)


def read_pending(folder: Path) -> tuple[Pending, ...]:
    """Return every apply that runs or did not end."""
    store = open_state(folder, write=False)
    if store is None:
        return ()
    with store:
        return store.pending()
