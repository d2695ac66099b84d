"""Hands that reach into the simulated world past every rule, and worlds made from worlds.

Tests, demonstrations and anyone who wants to see drift found use the first. What they do is what a stranger with root does to a host.
Claims and totals stay true, because a stranger cannot break arithmetic either.

A rehearsal uses the second: the same executor runs against a copy, and the original never knows. It is a copy of the file where the
simulator is the real provider, data tokens included, and a world filled from an observation for every other.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import jsons, nearest
from herocloud.kits.jsons import Json, Part
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.hosts import Host
from herocloud.model.worlds import Observed
from herocloud.providers.simulator import copied_data, moves, refusals, rows, world_file
from herocloud.providers.simulator.rows import Limits, Row


class Snapshot(NamedTuple):
    """The whole world as comparable data; two worlds with equal snapshots are the same world."""

    things: Mapping[str, Json]
    """By `stack/address`: lineage, provider, parts, halves and contents."""
    claims: Mapping[str, str]
    uses: tuple[tuple[str, str, str], ...]
    totals: Mapping[str, int]
    tombstones: Mapping[str, int]


def snapshot(folder: Path) -> Snapshot:
    """Read everything there is; the snapshot of a world that does not exist is empty."""
    world = world_file.open_for_reading(folder)
    if world is None:
        return Snapshot({}, {}, (), {"memory": 0, "disk": 0}, {})
    try:
        with world.reading() as connection:
            found = connection.execute("SELECT stack, address, lineage, provider, parts, halves, contents FROM things").fetchall()
            claims = connection.execute("SELECT key, stack || '/' || address || '/' || part || '/' || whole FROM claims").fetchall()
            uses = connection.execute("SELECT target, stack || '/' || address || '/' || part, mode FROM uses ORDER BY 1, 2").fetchall()
            totals = connection.execute("SELECT name, amount FROM totals").fetchall()
            tombstones = moves.list_tombstones(connection)
    finally:
        world.close()
    things = {f"{stack}/{address}": [lineage, provider, *map(json.loads, texts)] for stack, address, lineage, provider, *texts in found}
    return Snapshot(things, dict(claims), tuple(uses), dict(totals), {tombstone.key: tombstone.bytes for tombstone in tombstones})


def contents(folder: Path, address: str, stack: str | None = None) -> dict[str, str]:
    """Return the tokens of the data at an address, by part: the same token means the same data."""
    with _changing(folder) as connection:
        return dict(_find(connection, address, stack).contents)


def remove_thing(folder: Path, address: str, stack: str | None = None) -> None:
    """Make a thing disappear, data included."""
    with _changing(folder) as connection:
        row = _find(connection, address, stack)
        rows.remove(connection, row.stack, address)


def remove_part(folder: Path, address: str, part: str, stack: str | None = None) -> None:
    """Make one part of a thing disappear; the power of a machine goes with it."""
    with _changing(folder) as connection:
        row = _find(connection, address, stack)
        _known_part(row, part)
        rows.put(connection, row, part, None, Limits())
        row.contents.pop(part, None)
        if part == "machine":
            row.parts.pop("power", None)
        rows.save(connection, row)


def set_power(folder: Path, address: str, state: str, stack: str | None = None) -> None:
    """Bring a machine to `running`, `stopped` or `paused`, whatever it is now."""
    with _changing(folder) as connection:
        row = _find(connection, address, stack)
        _known_part(row, "machine")
        row.parts["power"] = state
        rows.save(connection, row)


def change_part(folder: Path, address: str, part: str, changes: Mapping[str, Json], stack: str | None = None) -> Part:
    """Change fields of a part and return how it is now."""
    with _changing(folder) as connection:
        row = _find(connection, address, stack)
        _known_part(row, part)
        body = {**row.parts[part], **changes}
        rows.put(connection, row, part, body, Limits())
        rows.save(connection, row)
        return body


def write(folder: Path, address: str, part: str = "disk", stack: str | None = None) -> str:
    """Write to a disk or a volume, as its guest would; returns the token of what it holds now."""
    with _changing(folder) as connection:
        row = _find(connection, address, stack)
        _known_part(row, part)
        row.contents[part] = moves.new_content()
        rows.save(connection, row)
        return row.contents[part]


def set_version(folder: Path, version: str) -> None:
    """Give the hypervisor another version."""
    with _changing(folder) as connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('version', ?)", (version,))


def read_version(folder: Path) -> str:
    """Return the version of the hypervisor of a world, and of one that is not there yet."""
    world = world_file.open_for_reading(folder)
    if world is None:
        return copied_data.VERSION
    try:
        with world.reading() as connection:
            return copied_data.version_of(connection)
    finally:
        world.close()


def read_data(folder: Path, origin: Json) -> bytes:
    """Return what stands for the data that an origin names."""
    with _changing(folder) as connection:
        return copied_data.read(connection, origin, folder).encode()


def add_orphan(folder: Path, address: str, parts: Mapping[str, Part], *, stack: str = "lost", lineage: str = "somebody-else") -> None:
    """Put a thing into the world that carries our mark and that no record owns."""
    world = world_file.open_world(folder)
    try:
        with world.changing() as connection:
            put_thing(connection, Row(stack, address), parts, lineage, "simulator")
    finally:
        world.close()


def put_thing(connection: sqlite3.Connection, row: Row, parts: Mapping[str, Part], lineage: str | None, provider: str) -> None:
    """Fill a new row with parts as they were observed."""
    row.lineage, row.provider = lineage, provider
    for part, body in parts.items():
        rows.put(connection, row, part, body, Limits())
        if part in refusals.DATA:
            row.contents[part] = moves.new_content()
        elif copied_data.is_snapshot(part):
            row.contents[part] = jsons.dumps({disk["disk"]: moves.new_content() for disk in body["disks"]})
    rows.save(connection, row)


def fill(connection: sqlite3.Connection, observed: Observed) -> None:
    """Put everything that was observed into an empty world."""
    for stack, things in observed.things.items():
        for address, thing in things.items():
            put_thing(connection, Row(stack, address), thing.parts, thing.lineage, thing.provider)


@contextmanager
def _changing(folder: Path) -> Iterator[sqlite3.Connection]:
    if not (folder / world_file.FILE).exists():
        raise Refused(
            [Diagnostic("world-missing", "There is no simulated world yet", f"`{folder}` has no `{world_file.FILE}`; apply a stack first")]
        )
    world = world_file.open_world(folder)
    try:
        with world.changing() as connection:
            yield connection
    finally:
        world.close()


def _find(connection: sqlite3.Connection, address: str, stack: str | None) -> Row:
    found = connection.execute(
        "SELECT stack FROM things WHERE address = ? AND (stack = ? OR ? IS NULL)", (address, stack, stack)
    ).fetchall()
    if len(found) == 1:
        return rows.load(connection, found[0][0], address)
    if found:
        stacks = ", ".join(f"`{one}`" for (one,) in sorted(found))
        raise Refused([Diagnostic("address-ambiguous", "An address exists in several stacks", f"`{address}` is in {stacks}; name one")])
    known = [one for (one,) in connection.execute("SELECT address FROM things")]
    close = nearest.nearest(address, known)
    hint = f"did you mean `{close}`?" if close else None
    raise Refused([Diagnostic("address-unknown", "Nothing in the world has this address", f"there is no `{address}`", hint=hint)])


def _known_part(row: Row, part: str) -> None:
    if part not in row.parts:
        detail = f"`{row.address}` has no {part}; it has {', '.join(sorted(row.parts))}"
        raise Refused([Diagnostic("part-unknown", "A thing has no such part", detail)])


def copy_world(source: Path, target: Path) -> bool:
    """Copy the world of one data folder into another that has none; tells whether there was one to copy."""
    original = world_file.open_for_reading(source)
    if original is None:
        return False
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        # SQLite's own copy sees one moment of the world, even while others write to it.
        with original.reading() as connection:
            copy = sqlite3.connect(target / world_file.FILE)
            try:
                connection.backup(copy)
            finally:
                copy.close()
    finally:
        original.close()
    return True


def load_world_from(observed: Observed, folder: Path, host: Host | None = None) -> None:
    """Build a world in a folder that has none, in which an observation would see what `observed` holds."""
    made = world_file.open_world(folder, name=host.name if host is not None else "")
    try:
        with made.changing() as connection:
            fill(connection, observed)
            if observed.tombstones:
                # What is buried on the real host takes its room in the rehearsal too.
                row = rows.Row("elsewhere", "volume.buried")
                moves.bury(connection, row, "volume", {"size": observed.tombstones})
            for lineage, serial in observed.serials.items():
                rows.raise_serial(connection, lineage, serial)
    finally:
        made.close()
