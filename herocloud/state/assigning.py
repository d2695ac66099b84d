"""Which VM holds which slice, kept beside the records and in the same transactions.

The slices follow from the records; this table exists for its primary key, which makes it impossible to give one slice to two VMs,
whatever two writers believed when they made their plans.
"""

import sqlite3
from collections.abc import Iterable

from herocloud.model import ids
from herocloud.model.errors import Conflict
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.worlds import Record

Owner = tuple[StackName, Address]


def slices_of(record: Record) -> tuple[Sid, ...]:
    """Return the slices that a record holds."""
    held = record.spec.get("slices") if record.kind == "vm" else None
    return tuple(held) if isinstance(held, list | tuple) else ()


def release(connection: sqlite3.Connection, stack: str, address: str) -> None:
    """Give back what an address holds."""
    connection.execute("DELETE FROM assignments WHERE stack = ? AND address = ?", (stack, address))


def assign(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Give each record its slices. Everything that the same transaction gives back must be given back before, so that slices can swap."""
    for record in records:
        for sid in slices_of(record):
            try:
                connection.execute("INSERT INTO assignments VALUES (?, ?, ?)", (sid, record.stack, record.address))
            except sqlite3.IntegrityError as error:
                owner = connection.execute("SELECT stack, address FROM assignments WHERE sid = ?", (sid,)).fetchone()
                if owner is None:
                    raise
                whose = "itself, twice" if owner == (record.stack, record.address) else f"{owner[1]} of stack {owner[0]}"
                raise Conflict(
                    f"slice {sid} was meant for {record.address} of stack {record.stack} and is held by {whose}", f"slice:{sid}"
                ) from error


def owners(connection: sqlite3.Connection) -> dict[Sid, Owner]:
    """Return who holds each slice in use, in the order of the slices."""
    rows = connection.execute("SELECT sid, stack, address FROM assignments").fetchall()
    return {Sid(sid): (StackName(stack), Address(address)) for sid, stack, address in sorted(rows, key=lambda row: ids.sid_number(row[0]))}


def highest(records: Iterable[Record]) -> int:
    """Return the highest number of a slice that the records hold."""
    return max((ids.sid_number(sid) for record in records for sid in slices_of(record)), default=0)
