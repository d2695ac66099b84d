"""Records in the database, and the slices that they hold.

There is one row per version and one JSON text per record. A row's body is the whole record as a JSON list in the order of `Record`'s
fields. Ten thousand of them are read by joining the texts into a few hundred-record arrays, because one call of the JSON reader per record
would take twice as long.

Which VM holds which slice is kept beside the records and in the same transactions. The slices follow from the records; their table exists
for its primary key, which makes it impossible to give one slice to two VMs, whatever two writers believed when they made their plans.
"""

import json
import sqlite3
from collections.abc import Iterable

from herocloud.kits import collector, jsons
from herocloud.model import ids
from herocloud.model.errors import Conflict
from herocloud.model.ids import HERE, Address, Sid, StackName
from herocloud.model.worlds import Record
from herocloud.state import record_shapes

Owner = tuple[StackName, Address]


def slices_of(record: Record) -> tuple[Sid, ...]:
    """Return the slices that a record holds."""
    held = record.spec.get("slices") if record.kind == "vm" else None
    return tuple(held) if isinstance(held, list | tuple) else ()


def release(connection: sqlite3.Connection, stack: str, address: str) -> None:
    """Give back what an address holds."""
    connection.execute("DELETE FROM assignments WHERE stack = ? AND address = ?", (stack, address))


def assign(connection: sqlite3.Connection, owner: Owner, slices: Iterable[Sid]) -> None:
    """Give an address its slices. Everything that the same transaction gives back must be given back before, so that slices can swap."""
    for sid in slices:
        try:
            connection.execute("INSERT INTO assignments VALUES (?, ?, ?)", (sid, *owner))
        except sqlite3.IntegrityError as error:
            holder = connection.execute("SELECT stack, address FROM assignments WHERE sid = ?", (sid,)).fetchone()
            if holder is None:
                raise
            whose = "itself, twice" if holder == owner else f"{holder[1]} of stack {holder[0]}"
            raise Conflict(f"slice {sid} was meant for {owner[1]} of stack {owner[0]} and is held by {whose}") from error


def held_by(connection: sqlite3.Connection, owner: Owner) -> tuple[Sid, ...]:
    """Return the slices that an address holds by the table of them, for a record that cannot tell."""
    rows = connection.execute("SELECT sid FROM assignments WHERE stack = ? AND address = ? ORDER BY sid", owner)
    return tuple(Sid(sid) for (sid,) in rows)


def owners(connection: sqlite3.Connection) -> dict[Sid, Owner]:
    """Return who holds each slice in use, in the order of the slices."""
    rows = connection.execute("SELECT sid, stack, address FROM assignments").fetchall()
    return {Sid(sid): (StackName(stack), Address(address)) for sid, stack, address in sorted(rows, key=lambda row: ids.sid_number(row[0]))}


_NEEDS = Record._fields.index("needs")

_TOGETHER = 500
"""Records per call of the JSON reader: enough to share its set-up, few enough to keep the joined text small."""

Records = dict[StackName, dict[Address, Record]]


def fields_of(record: Record) -> tuple[jsons.Json, ...]:
    """Return what is written of a record: its host only where that is another one, so that texts from before there were hosts stay true."""
    return record[:-1] if record.host == HERE else record


def write_body(record: Record) -> str:
    """Return the record as JSON."""
    return jsons.dumps(fields_of(record))


def read_body(body: str) -> Record:
    """Return the record from its JSON."""
    return _record(json.loads(body))


def read_bodies(texts: str) -> list[Record]:
    """Return the records from a JSON list of them."""
    return [_record(fields) for fields in json.loads(texts)]


Damaged = dict[StackName, dict[Address, str]]
"""Rows that hold no record, and what is wrong with each."""


class Kept:
    """What a reader that stays has read: a row whose text is the same is the same record, and not read again.

    Who makes something of a record knows by that, too, that it is still the one that it was made of.
    """

    def __init__(self) -> None:
        """Start without anything read."""
        self._read: dict[Owner, tuple[str, Record | str]] = {}
        self._now: dict[Owner, tuple[str, Record | str]] = {}
        self._lists: dict[int, tuple[str, list[Record]]] = {}

    def read_lists(self, texts: list[tuple[int, str]]) -> list[Record]:
        """Return the records in these numbered texts; of a text that is as it was when it was read last, they are the same ones."""
        known = self._lists
        self._lists = {
            number: before if (before := known.get(number)) is not None and before[0] == text else (text, read_bodies(text))
            for number, text in texts
        }
        return [record for _, found in self._lists.values() for record in found]

    def find(self, owner: Owner, body: str) -> Record | str | None:
        """Return what this text at this address is known to be: a record, or what is wrong with it."""
        known = self._read.get(owner)
        if known is None or known[0] != body:
            return None
        self._now[owner] = known
        return known[1]

    def keep(self, owner: Owner, body: str, found: Record | str) -> None:
        """Remember what a text is."""
        self._now[owner] = (body, found)

    def turn(self) -> None:
        """Forget what is not there any more: all rows were read."""
        self._read, self._now = self._now, {}


def load(
    connection: sqlite3.Connection,
    where: str = "until IS NULL",
    values: tuple[int, ...] = (),
    damaged: Damaged | None = None,
    kept: Kept | None = None,
) -> Records:
    """Return every record that the condition selects, by stack and address in the order of their texts.

    What is not a record is left out, and noted in `damaged`; who asks for the notes gets the specs looked into as well. `kept` is what
    the last question like this one has read.
    """
    records: Records = {}
    inside, damaged = damaged is not None, {} if damaged is None else damaged
    rows = connection.execute(f"SELECT stack, address, body FROM records WHERE {where} ORDER BY stack, address", values)  # noqa: S608  (conditions are ours)
    with collector.paused():
        while some := rows.fetchmany(_TOGETHER):
            for (stack, address, _), found in zip(some, _judge_all(some, kept, inside=inside), strict=True):
                if isinstance(found, str):
                    damaged.setdefault(stack, {})[address] = found
                else:
                    records.setdefault(stack, {})[address] = found
    if kept is not None:
        kept.turn()
    return records


Row = tuple[StackName, Address, str]


def _judge_all(rows: list[Row], kept: Kept | None, *, inside: bool) -> list[Record | str]:
    """Return the record of each row, or what is wrong with it."""
    if kept is None:
        return _read_rows(rows, inside=inside)
    known = [kept.find((stack, address), body) for stack, address, body in rows]
    unknown = [row for row, found in zip(rows, known, strict=True) if found is None]
    fresh = iter(_read_rows(unknown, inside=inside))
    result = [next(fresh) if found is None else found for found in known]
    for (stack, address, body), found, before in zip(rows, result, known, strict=True):
        if before is None:
            kept.keep((stack, address), body, found)
    return result


def _read_rows(rows: list[Row], *, inside: bool) -> list[Record | str]:
    if not rows:
        return []
    result: list[Record | str] = []
    for (stack, address, _), fields in zip(rows, _parse_all([body for _, _, body in rows]), strict=True):
        wrong = record_shapes.judge(fields, stack, address, inside=inside)
        result.append(_record(fields) if wrong is None else wrong)
    return result


def _parse_all(bodies: list[str]) -> list[jsons.Json]:
    """Read some hundred bodies at once; one by one where one of them is not JSON, or pretends to be several."""
    try:
        joined = "[" + ",".join(bodies) + "]"
        if not joined.isascii():
            joined.encode()
        parsed = json.loads(joined)
        if len(parsed) == len(bodies):
            return list(parsed)
    except (ValueError, RecursionError):
        pass
    return [_parse(body) for body in bodies]


def _parse(body: str) -> jsons.Json:
    try:
        # What was not UTF-8 in the database cannot be encoded again.
        return json.loads(body.encode())
    except (ValueError, RecursionError):
        return None


def find(connection: sqlite3.Connection, stack: str, address: str) -> Record | None:
    """Return the present record of an address; nothing for one that cannot be read."""
    row = connection.execute("SELECT body FROM records WHERE stack = ? AND address = ? AND until IS NULL", (stack, address)).fetchone()
    return None if row is None else read_sound(row[0], stack, address)


def find_sid(connection: sqlite3.Connection, sid: str) -> Record | None:
    """Return the present record of a sid; nothing for one that cannot be read."""
    row = connection.execute("SELECT body, stack, address FROM records WHERE sid = ? AND until IS NULL", (sid,)).fetchone()
    if row is None:
        return None
    fields = _parse(row[0])
    return None if record_shapes.judge(fields, row[1], row[2], inside=True) is not None else _record(fields)


def read_sound(body: str, stack: str, address: str) -> Record | None:
    """Return the record from its JSON; nothing when it is not one."""
    fields = _parse(body)
    return None if record_shapes.judge(fields, stack, address) is not None else _record(fields)


def versions_with(connection: sqlite3.Connection, text: str) -> list[tuple[tuple[int, ...], Record]]:
    """Return every version of a record whose body holds a text, with the serials that made and ended it."""
    rows = connection.execute("SELECT since, until, stack, address, body FROM records WHERE instr(body, ?) > 0 ORDER BY since", (text,))
    return [
        (tuple(serial for serial in (since, until) if serial is not None), record)
        for since, until, stack, address, body in rows
        if (record := read_sound(body, stack, address)) is not None
    ]


def _record(fields: list[jsons.Json]) -> Record:
    fields[_NEEDS] = tuple(fields[_NEEDS])
    return Record(*fields)


def last(connection: sqlite3.Connection, stack: str, address: str) -> Record | None:
    """Return the newest record that ever was at an address and is past; what cannot be read is passed over."""
    question = "SELECT body FROM records WHERE stack = ? AND address = ? AND until IS NOT NULL ORDER BY until DESC"
    rows = connection.execute(question, (stack, address))
    return next((record for (body,) in rows if (record := read_sound(body, stack, address)) is not None), None)


def forgotten_since(connection: sqlite3.Connection, serial: int) -> list[Record]:
    """Return the last records of addresses that were taken out by hand after a serial and have none now."""
    rows = connection.execute(
        "SELECT records.stack, address, body FROM serials JOIN records ON until = serial WHERE serial > ? AND operation = 'state rm'",
        (serial,),
    )
    return [
        record
        for stack, address, body in rows.fetchall()
        if find(connection, stack, address) is None and (record := read_sound(body, stack, address)) is not None
    ]
