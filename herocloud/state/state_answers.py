"""What an open state answers: the reading half of the store, each answer of one moment."""

import sqlite3
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from herocloud.model.applies import Pending
from herocloud.model.ids import Address, HostId, PlanId, Sid, StackName
from herocloud.model.worlds import Durations, Record, Recorded
from herocloud.state import connections, data_makers, failures, history, journal, recorded_state, records, state_files, step_durations
from herocloud.state.history import Applied, AppliedPlan, Difference, Generation, PastRun, Unfinished, Version

if TYPE_CHECKING:
    from herocloud.state.old_history import Limits

Answer = TypeVar("Answer")

_UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError, zlib.error)


class Reader:
    """One open state, to be asked."""

    def __init__(self, folder: Path, connection: sqlite3.Connection) -> None:
        """Take over an open connection."""
        import threading

        self.folder = folder
        self._connection = connection
        self._turn = threading.Lock()
        self._asking = (self._turn, connection)
        """The connection that questions go to, with the lock that everybody who uses it takes."""
        self._path = state_files.database(folder)
        self.lineage: str
        self.host: HostId
        """The id of this host where states of several hosts meet; within this state it goes by `ids.HERE`."""
        self.lineage, self.host = self._read(lambda c: c.execute("SELECT lineage, host FROM world").fetchone())

    def keep_little(self) -> None:
        """Limit what this keeps of the file in memory, for a process that stays."""
        for turn, connection in {self._asking, (self._turn, self._connection)}:
            with turn, failures.Guarded(self._path):
                connections.keep_little(connection)

    @property
    def serial(self) -> int:
        """Return the number of the last operation."""
        return self._ask(journal.serial)

    @property
    def data_version(self) -> int:
        """Return a number that differs after another connection has written; asking costs microseconds."""
        with self._turn, failures.Guarded(self._path):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    @property
    def is_copy(self) -> bool:
        """Return whether this reads a copy of the file, which will never see what is written later."""
        with self._turn, failures.Guarded(self._path):
            return not connections.is_of(self._connection, self._path)

    def recorded(self, *, checked: bool = False) -> Recorded:
        """Return everything that plans compare with; `checked` sets aside what has not the shape of a record."""
        return self._read(lambda c: recorded_state.read(c, self.folder, checked=checked))

    def recorded_again(self, kept: records.Kept, medians: step_durations.Medians | None = None) -> Recorded:
        """Return the same, `checked`, to a reader that stays: what has not changed since it asked last is not read again."""
        return self._read(lambda c: recorded_state.read(c, self.folder, checked=True, kept=kept, medians=medians))

    def data_makers(self, stack: StackName, read: data_makers.Read) -> Mapping[Address, str]:
        """Return the name of the last apply that made data at each address of a stack, to a reader that stays."""
        return self._read(lambda c: read.find(c, stack))

    def record(self, stack: StackName, address: Address) -> Record | None:
        """Return the record of one address."""
        return self._ask(lambda c: records.find(c, stack, address))

    def record_of(self, sid: str) -> Record | None:
        """Return the record of this sid."""
        return self._ask(lambda c: records.find_sid(c, sid))

    def assignments(self) -> Mapping[Sid, tuple[StackName, Address]]:
        """Return who holds each slice in use."""
        return self._read(records.owners)

    def generation(self) -> Generation:
        """Return what changes whenever anybody takes something or edits a record."""
        return self._ask(journal.generation)

    def pending(self) -> tuple[Pending, ...]:
        """Return every apply that runs or did not end, oldest first."""
        return self._ask(lambda c: journal.pending(c, self.folder))

    def last_files(self, stack: str) -> tuple[str, ...]:
        """Return the stack files of the last apply of a stack."""
        return self._read(lambda c: journal.last_files(c, stack, self.folder))

    def unfinished(self, apply: int | None = None) -> Unfinished | None:
        """Return this apply, or the newest that did not end, with its plan and how far each step got."""

        def look(connection: sqlite3.Connection) -> Unfinished | None:
            past = journal.unfinished(connection, apply)
            if past is None:
                return None
            return Unfinished(past.apply, journal.load(connection, past.apply, self._path), journal.states(connection, past.apply))

        return self._read(look)

    def applies(self) -> list[Applied]:
        """Return every apply without its plan, newest first."""
        return self._read(journal.applies)

    def load_plan(self, plan: PlanId) -> list[AppliedPlan]:
        """Return each apply of this plan, newest first."""

        def look(connection: sqlite3.Connection) -> list[AppliedPlan]:
            return [
                AppliedPlan(
                    past_apply.apply,
                    journal.load(connection, past_apply.apply, self._path),
                    past_apply.status,
                    past_apply.started,
                    past_apply.ended,
                    journal.states(connection, past_apply.apply),
                    past_apply.serial,
                )
                for past_apply in journal.applies(connection, f"plan = ? AND {journal.WHOLE}", (plan,))
            ]

        return self._read(look)

    def past_run(self, apply: int) -> PastRun | None:
        """Return an apply with its journal; nothing for one that there never was, or whose plan was thrown away since."""

        def look(connection: sqlite3.Connection) -> PastRun | None:
            past = next(iter(journal.applies(connection, f"apply = ? AND {journal.WHOLE}", (apply,))), None)
            if past is None:
                return None
            return PastRun(past, journal.load(connection, apply, self._path), history.lines(connection, apply))

        return self._read(look)

    def last_boot(self) -> str | None:
        """Return the boot of the host in which the newest apply ran."""
        return self._read(history.last_boot)

    def undoable(self) -> list[Applied]:
        """Return every apply whose plan is still whole, newest first."""
        return self._read(lambda c: journal.applies(c, journal.WHOLE))

    def has_history_beyond(self, limits: "Limits", now: float) -> bool:
        """Return whether `prune` would throw anything away."""
        from herocloud.state import old_history

        return self._read(lambda c: old_history.find_cut(c, limits, now) > old_history.kept_from(c))

    def durations(self) -> Durations:
        """Return the median seconds of each kind of step that ran here, by provider."""
        return self._read(step_durations.read)

    def history(self) -> list[Version]:
        """Return every operation that raised the serial, newest first."""
        return self._read(history.log)

    def versions_with(self, text: str) -> list[tuple[tuple[int, ...], Record]]:
        """Return every version of a record that holds a text, past ones too, with the serials that made and ended it."""
        return self._read(lambda c: records.versions_with(c, text))

    def last_record(self, stack: StackName, address: Address) -> Record | None:
        """Return the last record of an address that has none now."""
        return self._read(lambda c: records.last(c, stack, address))

    def forgotten_since(self, serial: int) -> list[Record]:
        """Return the last records of what was taken out of the records by hand after a serial, and has none now: it is still there."""
        return self._read(lambda c: records.forgotten_since(c, serial))

    def records_around(self, serial: int) -> tuple[records.Records, records.Records]:
        """Return the records before and after the operation of `serial`, which may be one of which only its own stack is still known."""
        return self._read(lambda c: history.records_around(c, serial))

    def records_at(self, serial: int) -> Mapping[StackName, Mapping[Address, Record]]:
        """Return the records as they were after the operation of `serial`; serial 0 is before the first."""
        return self._read(lambda c: history.records_at(c, serial))

    def diff(self, before: int, after: int) -> list[Difference]:
        """Return what differs between two serials."""
        return self._read(lambda c: history.diff(c, before, after))

    def _read(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Ask within one transaction, so that all of the answer is of the same moment."""

        def ask(connection: sqlite3.Connection) -> Answer:
            connection.execute("BEGIN")
            try:
                return question(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

        return self._ask(ask)

    def _ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Ask with a single statement, whose answer is of one moment by itself."""
        turn, connection = self._asking
        with turn, failures.Guarded(self._path):
            try:
                return question(connection)
            except _UNREADABLE as error:
                # The pages are in order, and what they hold is not: no JSON any more, or JSON of another shape.
                raise failures.damaged(self._path, f"what is in it cannot be read ({type(error).__name__}: {error})") from error
