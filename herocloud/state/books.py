"""The records that one operation writes.

Nobody else writes to these addresses while an operation runs, so what is present at each is looked up once and not before every change.
Images are the exception: applies of several VMs make the image that they share.
The changes that one transaction makes to the same record become one, and the texts of specs and parts are kept, because a record is
written again at each step of its change while most of it stays the same object. Looking everything up each time cost thirteen statements
a step, and half of the time of a large apply.
"""

import sqlite3
from collections.abc import Hashable

from herocloud.kits import jsons
from herocloud.kits.jsons import Part
from herocloud.model import ids
from herocloud.model.errors import Conflict
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.worlds import Record
from herocloud.state import records as state_records
from herocloud.state.records import Owner

_PRESENT = "stack = ? AND address = ? AND until IS NULL"
_SHARED = "image."
"""Begins the addresses to which several operations write at once."""


class Book:
    """Writes records as of one serial. After a transaction that failed it knows wrong things and must be thrown away."""

    def __init__(self, serial: int) -> None:
        """Write as of this serial."""
        self.serial = serial
        self._since: dict[Owner, int | None] = {}
        """Since when the present record of an address is as it is; nothing where none is."""
        self._first: dict[Owner, str] = {}
        """The text of a record as it was found, until it is written for the first time."""
        self._held: dict[Owner, tuple[Sid, ...]] = {}
        self._waiting: dict[Owner, Record] = {}
        self._touched: dict[Owner, tuple[Sid, ...]] = {}
        """The slices that the touched addresses of this transaction hold now."""
        self._texts = Texts()

    def put(self, record: Record) -> None:
        """Make this the present record of its address; it is written with the next thing that has to see it, or by `settle`."""
        self._waiting[record.stack, record.address] = record

    def drop(self, connection: sqlite3.Connection, stack: StackName, address: Address) -> None:
        """End the present record of an address. One that is gone already is not an error: a resumed step may say it twice."""
        self._write(connection)
        owner = stack, address
        since = self._look(connection, owner)
        if since is None:
            return
        if since >= self.serial:
            # Made and removed by the same operation: no serial ever showed it.
            connection.execute(f"DELETE FROM records WHERE {_PRESENT}", owner)  # noqa: S608  (conditions are ours)
        else:
            connection.execute(f"UPDATE records SET until = ? WHERE {_PRESENT}", (self.serial, *owner))  # noqa: S608  (as above)
        self._since[owner] = None
        self._first.pop(owner, None)
        self._touched[owner] = ()

    def rename(self, connection: sqlite3.Connection, stack: StackName, origin: Address, target: Address) -> None:
        """Continue a record under another address."""
        self._write(connection)
        record = state_records.find(connection, stack, origin)
        taken = state_records.find(connection, stack, target)
        if record is None:
            if taken is None:
                raise Conflict(f"neither {origin} nor {target} is recorded in stack {stack}")
            return
        if taken is not None:
            raise Conflict(f"{target} is recorded in stack {stack} already")
        self.drop(connection, stack, origin)
        self.put(record._replace(address=target))
        self._write(connection)

    def settle(self, connection: sqlite3.Connection) -> int:
        """Write what waits and move the slices; returns the highest number of a slice that was given, 0 when none was.

        Everything that the transaction gives back is given back before anything is taken, so that slices can swap.
        """
        self._write(connection)
        moved = [(owner, slices) for owner, slices in self._touched.items() if slices != self._held.get(owner, ())]
        self._touched = {}
        for owner, _ in moved:
            if self._held.get(owner):
                state_records.release(connection, *owner)
        for owner, slices in moved:
            state_records.assign(connection, owner, slices)
            self._held[owner] = slices
        return max((ids.sid_number(sid) for _, slices in moved for sid in slices), default=0)

    def _write(self, connection: sqlite3.Connection) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        new: list[tuple[str, str, int, str | None, str, str]] = []
        changed: list[tuple[str | None, str, str, str]] = []
        ended: list[tuple[int, str, str]] = []
        for owner, record in waiting.items():
            since = self._look(connection, owner)
            body = self._texts.body(record)
            found = self._first.pop(owner, None)
            if found == body:
                continue
            if since is not None and since >= self.serial:
                changed.append((record.sid, body, *owner))
            else:
                if since is not None:
                    ended.append((self.serial, *owner))
                new.append((*owner, self.serial, record.sid, body, record.host))
                self._since[owner] = self.serial
            self._touched[owner] = state_records.slices_of(record)
        if ended:
            connection.executemany(f"UPDATE records SET until = ? WHERE {_PRESENT}", ended)  # noqa: S608  (conditions are ours)
        try:
            if changed:
                connection.executemany(f"UPDATE records SET sid = ?, body = ? WHERE {_PRESENT}", changed)  # noqa: S608  (as above)
            if new:
                connection.executemany("INSERT INTO records (stack, address, since, sid, body, host) VALUES (?, ?, ?, ?, ?, ?)", new)
        except sqlite3.IntegrityError as error:
            conflict = _find_conflict(connection, waiting)
            if conflict is None:
                raise
            raise conflict from error

    def _look(self, connection: sqlite3.Connection, owner: Owner) -> int | None:
        if owner not in self._since or owner[1].startswith(_SHARED):
            row = connection.execute(f"SELECT since, body FROM records WHERE {_PRESENT}", owner).fetchone()  # noqa: S608  (as above)
            self._since[owner] = None if row is None else row[0]
            if row is not None:
                self._first[owner] = row[1]
                record = state_records.read_sound(row[1], *owner)
                self._held[owner] = state_records.held_by(connection, owner) if record is None else state_records.slices_of(record)
        return self._since[owner]


def _find_conflict(connection: sqlite3.Connection, records: dict[Owner, Record]) -> Conflict | None:
    """Find whose sid was given a second time."""
    for owner, record in records.items():
        row = connection.execute("SELECT stack, address FROM records WHERE sid = ? AND until IS NULL", (record.sid,)).fetchone()
        if row is not None and row != owner:
            meant = f"sid {record.sid} was meant for {record.address} of stack {record.stack}"
            return Conflict(f"{meant} and belongs to {row[1]} of stack {row[0]}")
    return None


class Texts:
    """Writes records as JSON, and each spec and part only once for as long as it is the same object."""

    def __init__(self) -> None:
        """Start with nothing."""
        # The object stays beside its text: while it lives, no other object can have its id.
        self._texts: dict[int, tuple[Part, str]] = {}
        self._small: dict[Hashable, str] = {}

    def body(self, record: Record) -> str:
        """Return what `records.write_body` does."""
        small = self._write_small
        parts = ",".join([f"{small(name)}:{self._text(part)}" for name, part in sorted(record.parts.items())])
        tail = small(state_records.fields_of(record)[6:])[1:]
        return f"{small(record[:4])[:-1]},{self._text(record.spec)},{{{parts}}},{tail}"

    def _write_small(self, value: Hashable) -> str:
        text = self._small.get(value)
        if text is None:
            text = self._small[value] = jsons.dumps(value)
        return text

    def _text(self, value: Part) -> str:
        known = self._texts.get(id(value))
        if known is None:
            known = self._texts[id(value)] = value, jsons.dumps(value)
        return known[1]
