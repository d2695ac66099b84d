"""Records in the database, and the slices that they hold.

Which VM holds which slice, kept beside the records and in the same transactions. The slices follow from the records; this table exists
for its primary key, which makes it impossible to give one slice to two VMs, whatever two writers believed when they made their plans.

Records in the database: one row per version, one JSON text per record. A row's body is the whole record as a JSON list in the order of
`Record`'s fields. Ten thousand of them are read by joining the texts into a few hundred-record arrays, because one call of the JSON
reader per record would take twice as long.
"""

import gc
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from herocloud.kits import jsons
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


_TOGETHER = 500
"""Records per call of the JSON reader: enough to share its set-up, few enough to keep the joined text small."""

Records = dict[StackName, dict[Address, Record]]


class Row(NamedTuple):
    """The present version of one record."""

    number: int
    since: int
    body: str


def write_body(record: Record) -> str:
    """Return the record as JSON."""
    return jsons.dumps(record)


def read_body(body: str) -> Record:
    """Return the record from its JSON."""
    return _record(json.loads(body))


def load(connection: sqlite3.Connection, where: str = "until IS NULL", values: tuple[int, ...] = ()) -> Records:
    """Return every record that the condition selects, by stack and address in the order of their texts."""
    found: Records = {}
    rows = connection.execute(f"SELECT body FROM records WHERE {where} ORDER BY stack, address", values)  # noqa: S608  (conditions are ours)
    with _without_collector():
        while bodies := rows.fetchmany(_TOGETHER):
            for fields in json.loads("[" + ",".join([body for (body,) in bodies]) + "]"):
                record = _record(fields)
                found.setdefault(record.stack, {})[record.address] = record
    return found


def find(connection: sqlite3.Connection, stack: str, address: str) -> Record | None:
    """Return the present record of an address."""
    row = _row(connection, stack, address)
    return None if row is None else read_body(row.body)


def put(connection: sqlite3.Connection, serial: int, record: Record) -> None:
    """Make this the present record of its address, as of `serial`."""
    row = _row(connection, record.stack, record.address)
    body = write_body(record)
    if row is not None and row.body == body:
        return
    try:
        if row is not None and row.since == serial:
            connection.execute("UPDATE records SET sid = ?, body = ? WHERE id = ?", (record.sid, body, row.number))
            return
        if row is not None:
            connection.execute("UPDATE records SET until = ? WHERE id = ?", (serial, row.number))
        connection.execute(
            "INSERT INTO records (stack, address, since, sid, body) VALUES (?, ?, ?, ?, ?)",
            (record.stack, record.address, serial, record.sid, body),
        )
    except sqlite3.IntegrityError as error:
        owner = connection.execute("SELECT stack, address FROM records WHERE sid = ? AND until IS NULL", (record.sid,)).fetchone()
        if owner is None:
            raise
        raise Conflict(
            f"sid {record.sid} was meant for {record.address} of stack {record.stack} and belongs to {owner[1]} of stack {owner[0]}",
            f"vm-sid:{record.sid}",
        ) from error


def drop(connection: sqlite3.Connection, serial: int, stack: str, address: str) -> None:
    """End the present record of an address. One that is gone already is no error: a resumed step may say it twice."""
    row = _row(connection, stack, address)
    if row is None:
        return
    if row.since == serial:
        # Made and removed by the same operation: no serial ever showed it.
        connection.execute("DELETE FROM records WHERE id = ?", (row.number,))
    else:
        connection.execute("UPDATE records SET until = ? WHERE id = ?", (serial, row.number))


def rename(connection: sqlite3.Connection, serial: int, stack: StackName, origin: Address, target: Address) -> None:
    """Continue a record under another address."""
    record = find(connection, stack, origin)
    taken = find(connection, stack, target)
    if record is None:
        if taken is None:
            raise Conflict(f"neither {origin} nor {target} is recorded in stack {stack}", f"record:{origin}")
        return
    if taken is not None:
        raise Conflict(f"{target} is recorded in stack {stack} already", f"record:{target}")
    release(connection, stack, origin)
    drop(connection, serial, stack, origin)
    put(connection, serial, record._replace(address=target))


def _row(connection: sqlite3.Connection, stack: str, address: str) -> Row | None:
    cursor = connection.execute("SELECT id, since, body FROM records WHERE stack = ? AND address = ? AND until IS NULL", (stack, address))
    found = cursor.fetchone()
    return None if found is None else Row(*found)


def _record(fields: list[jsons.Json]) -> Record:
    fields[-1] = tuple(fields[-1])
    return Record(*fields)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the cyclic collector from walking a growing pile of fresh dictionaries again and again: half of the time of a long load."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
