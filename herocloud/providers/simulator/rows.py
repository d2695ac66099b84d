"""Things of the world as rows: read one, change it, write it back, with what it claims, uses and weighs kept in step.

Every function works inside a transaction of `world_file.World`.
"""

import json
import sqlite3
from typing import Any

from herocloud.kits.jsons import Json, Part
from herocloud.kits.sizes import show_size
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.simulator import claims
from herocloud.providers.simulator.claims import Wiring

_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
"""Made once: `json.dumps` makes one for every call."""

SERIAL = "serial "
"""Begins the key under which the world keeps the highest serial of a state."""


SLICES = "slices"
"""Among the contents of a VM: the slices that it was given when its machine was made or changed last, with blanks between them."""


class Row:
    """One address of one stack. Mutable, unlike everything else here: it lives only inside one transaction."""

    __slots__ = ("address", "contents", "halves", "lineage", "parts", "provider", "stack")

    def __init__(self, stack: str, address: str) -> None:
        """Start an address that has nothing yet."""
        self.stack = stack
        self.address = address
        self.lineage: str | None = None
        self.provider = "simulator"
        self.parts: dict[str, Part] = {}
        self.halves: dict[str, dict[str, Json]] = {}
        """By part: the kind of the step that is half-way, a word for what it is at, and where it goes."""
        self.contents: dict[str, str] = {}
        """By part: a token that stands for the data on a disk; and what else a mark tells (`SLICES`)."""


class Limits:
    """What the simulated hardware holds; nothing where nobody told."""

    __slots__ = ("disk", "memory")

    def __init__(self, memory: int | None = None, disk: int | None = None) -> None:
        """Keep both in bytes."""
        self.memory = memory
        self.disk = disk


def load(world: sqlite3.Connection, stack: str, address: str) -> Row:
    """Read what is at an address; an empty row when there is nothing."""
    row = Row(stack, address)
    query = "SELECT lineage, provider, parts, halves, contents FROM things WHERE stack = ? AND address = ?"
    found = world.execute(query, (stack, address)).fetchone()
    if found:
        row.lineage, row.provider = found[0], found[1]
        row.parts, row.halves, row.contents = ({} if text == "{}" else json.loads(text) for text in found[2:])
    return row


def save(world: sqlite3.Connection, row: Row) -> None:
    """Write a row back; a thing without any part is gone."""
    if not row.parts and not row.halves:
        world.execute("DELETE FROM things WHERE stack = ? AND address = ?", (row.stack, row.address))
        return
    world.execute(
        "INSERT INTO things VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET lineage = excluded.lineage,"
        " provider = excluded.provider, parts = excluded.parts, halves = excluded.halves, contents = excluded.contents",
        (row.stack, row.address, row.lineage, row.provider, _dump(row.parts), _dump(row.halves), _dump(row.contents)),
    )


def raise_serial(world: sqlite3.Connection, lineage: str, serial: int) -> None:
    """Note the serial of a state that changes something here; the highest one stays."""
    world.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value WHERE CAST(value AS INTEGER) < ?",
        (f"{SERIAL}{lineage}", str(serial), serial),
    )


def remove(world: sqlite3.Connection, stack: str, address: str) -> bool:
    """Make everything at an address disappear without asking anybody; tells whether there was anything."""
    row = load(world, stack, address)
    found = bool(row.parts or row.halves)
    for part in {*row.parts, *row.halves}:
        put(world, row, part, None, Limits())
    save(world, row)
    return found


def occupy(world: sqlite3.Connection, row: Row, part: str, body: Part, limits: Limits, *, whole: bool = True) -> None:
    """Give this row the place that `body` needs as its part, instead of the place it has; refuses what is taken or does not fit.

    With `whole=False` the part is only being made: its place is taken, and nobody may rely on it yet.
    """
    before = claims.wire(row.stack, row.address, part, row.halves[part]["holds"] if part in row.halves else row.parts.get(part))
    after = claims.wire(row.stack, row.address, part, body)
    _swap_claims(world, row, part, before, after, whole=whole)
    _swap_uses(world, row, part, before, after)
    weigh(world, "memory", after.memory - before.memory, limits.memory)
    weigh(world, "disk", after.disk - before.disk, limits.disk)


def put(world: sqlite3.Connection, row: Row, part: str, body: Part, limits: Limits) -> None:
    """Make `body` the part of this row, or take the part away when it is nothing; whatever was half-way there is over."""
    occupy(world, row, part, body, limits)
    row.halves.pop(part, None)
    if body is None:
        row.parts.pop(part, None)
    else:
        row.parts[part] = body


def begin(world: sqlite3.Connection, row: Row, part: str, body: Part, limits: Limits, *, kind: str, word: str) -> None:
    """Set out on the way to `body`: the part stays as it is, and a half beside it tells of the way."""
    held = row.parts.get(part) if body is None else body
    occupy(world, row, part, held, limits, whole=part in row.parts)
    row.halves[part] = {"kind": kind, "word": word, "body": body, "holds": held}


def abandon(world: sqlite3.Connection, row: Row, part: str) -> bool:
    """Turn back from half-way, when there is anything to turn back from."""
    if part not in row.halves:
        return False
    put(world, row, part, row.parts.get(part), Limits())
    return True


def owner(world: sqlite3.Connection, claim: str) -> tuple[str, str, str] | None:
    """Return stack, address and part of what holds a claim and is wholly made."""
    found: Any = world.execute("SELECT stack, address, part FROM claims WHERE key = ? AND whole", (claim,)).fetchone()
    return found  # type: ignore[no-any-return]


def users(world: sqlite3.Connection, claim: str) -> list[tuple[str, str, str, str]]:
    """Return stack, address, part and mode of everything that holds on to a claim."""
    return world.execute("SELECT stack, address, part, mode FROM uses WHERE target = ? ORDER BY stack, address, part", (claim,)).fetchall()


def _swap_claims(world: sqlite3.Connection, row: Row, part: str, before: Wiring, after: Wiring, *, whole: bool) -> None:
    if before.claims == after.claims:
        if after.claims:
            query = "UPDATE claims SET whole = ? WHERE stack = ? AND address = ? AND part = ?"
            world.execute(query, (int(whole), row.stack, row.address, part))
        return
    if before.claims:
        world.execute("DELETE FROM claims WHERE stack = ? AND address = ? AND part = ?", (row.stack, row.address, part))
    for claim in after.claims:
        try:
            world.execute("INSERT INTO claims VALUES (?, ?, ?, ?, ?)", (claim, row.stack, row.address, part, int(whole)))
        except sqlite3.IntegrityError as error:
            taken = world.execute("SELECT stack, address FROM claims WHERE key = ?", (claim,)).fetchone()
            raise Conflict(f"{claim} is taken by `{taken[1]}` of stack `{taken[0]}`") from error


def _swap_uses(world: sqlite3.Connection, row: Row, part: str, before: Wiring, after: Wiring) -> None:
    if before.uses == after.uses:
        return
    if before.uses:
        world.execute("DELETE FROM uses WHERE stack = ? AND address = ? AND part = ?", (row.stack, row.address, part))
    world.executemany(
        "INSERT INTO uses VALUES (?, ?, ?, ?, ?)", [(use.target, row.stack, row.address, part, use.mode) for use in after.uses]
    )


_WEIGHTS = {
    "memory": "Cannot allocate memory: {more} more on top of {used}, the host has {limit}",
    "disk": "No space left on device: {more} more on top of {used}, the disk has {limit}",
}


def weigh(world: sqlite3.Connection, name: str, more: int, limit: int | None = None) -> None:
    """Take more (or less) of the host's memory or disk; refuses what it has not."""
    if not more:
        return
    used = world.execute("UPDATE totals SET amount = amount + ? WHERE name = ? RETURNING amount - ?", (more, name, more)).fetchall()[0][0]
    if more > 0 and limit is not None and used + more > limit:
        raise Permanent(_WEIGHTS[name].format(more=show_size(more), used=show_size(used), limit=show_size(limit)))


def _dump(value: Json) -> str:
    return _ENCODER.encode(value)
