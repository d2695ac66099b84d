"""Data that comes from other data: snapshots, disks copied out of them or out of an archive, and disks restored in place.

What is on a disk is a token; a copy of a disk has the same token, so a test sees which data is where.
"""

import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model import makers
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.parts import SNAPSHOT
from herocloud.providers import parts as judgements
from herocloud.providers.seam import Found, Probe, Work
from herocloud.providers.simulator import moves, rows
from herocloud.providers.simulator.rows import Row

RESTORES = ("disk.restore", "volume.restore")
VERSION = "1"
"""Which version of a hypervisor the simulator is, where nobody tampered with it."""

_TAKEN = "taken"
"""Beside the tokens of the disks in a snapshot; no disk is called that."""


def is_snapshot(part: str) -> bool:
    """Return whether a part is a snapshot."""
    return part.startswith(SNAPSHOT)


def version_of(world: sqlite3.Connection) -> str:
    """Return the version that this world's hypervisor has."""
    row = world.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
    return str(row[0]) if row else VERSION


def take(world: sqlite3.Connection, row: Row, body: Part, held: float | None) -> str:
    """Return what a new snapshot holds: the tokens of all its disks, and when it was taken."""
    tokens: dict[str, Json] = {_TAKEN: time.time() if held is None else held}
    for disk in body["disks"]:
        owner = row if disk["disk"] == "disk" else rows.load(world, row.stack, disk["disk"])
        part = "disk" if disk["disk"] == "disk" else "volume"
        token = owner.contents.get(part)
        if token is None:
            raise Permanent(f"`{disk['disk']}` of `{row.address}` is gone, so it cannot be copied")
        tokens[disk["disk"]] = token
    return json.dumps(tokens)


def taken_of(contents: Mapping[str, str]) -> dict[str, float]:
    """Return when the snapshots among the contents of a thing were taken, by part; those of earlier versions do not say."""
    found = {part: json.loads(held).get(_TAKEN) for part, held in contents.items() if is_snapshot(part) and held}
    return {part: taken for part, taken in found.items() if taken is not None}


def check_taking(row: Row) -> None:
    """Refuse to copy what is being written to."""
    if row.parts.get("power") == "running":
        raise Conflict(f"VM is running: `{row.address}` must be paused or stopped while its disks are copied")


def check_saving(row: Row, target: Part) -> None:
    """Refuse to keep the memory of what is not held."""
    if target is not None and target["memory"] is not None and row.parts.get("power") != "paused":
        raise Conflict(f"VM is {row.parts.get('power', 'gone')}: `{row.address}` must be paused while its memory is kept")


def check_reviving(world: sqlite3.Connection, row: Row, origin: Json) -> None:
    """Refuse to go on from memory that is not there or that this version cannot read."""
    memory = (row.parts.get(f"{SNAPSHOT}{origin['snapshot']}") or {}).get("memory")
    if memory is None:
        raise Permanent(f"snapshot `{origin['snapshot']}` of `{row.address}` holds no memory")
    version = version_of(world)
    if memory["version"] != version:
        raise Permanent(f"the memory of snapshot `{origin['snapshot']}` was kept by version {memory['version']}, and this is {version}")


def read(world: sqlite3.Connection, origin: Json, folder: Path) -> str:
    """Return the token of the disk that is copied."""
    if "archive" in origin:
        path = folder / origin["path"]
        try:
            return str(path.read_text())
        except OSError as error:
            raise Permanent(f"`{path}` cannot be read: {error.strerror}") from error
    row = rows.load(world, origin["stack"], origin["address"])
    held = row.contents.get(f"{SNAPSHOT}{origin['snapshot']}")
    token = json.loads(held).get(origin["disk"]) if held else None
    if token is None:
        raise Permanent(f"snapshot `{origin['snapshot']}` of `{origin['address']}` holds no `{origin['disk']}`")
    return str(token)


def is_restored(row: Row, work: Work) -> bool:
    """Return whether a part holds what this step puts there."""
    return bool(row.contents.get(moves.restored_mark(work.step.part)) == work.step.origin["token"])


def restore(world: sqlite3.Connection, row: Row, work: Work, folder: Path) -> None:
    """Put other data in the place of a part's; what was there goes to a tombstone."""
    part = work.step.part
    token = read(world, work.step.origin, folder)
    if not work.purge:
        moves.bury(world, row, part, row.parts[part], by=work)
    row.contents[part] = token
    row.contents[moves.restored_mark(part)] = work.step.origin["token"]


def take_back(world: sqlite3.Connection, row: Row, work: Work) -> None:
    """Bring back the data that was replaced."""
    part = work.step.part
    content = moves.dig_up(world, row, part, row.parts[part], work)
    if content is None:
        raise Permanent(f"the data of `{row.address}` is gone: it was purged, so the restoring cannot be undone")
    row.contents[part] = content


def refuse_another(world: sqlite3.Connection, work: Work) -> None:
    """Refuse to undo a restoring in whose place another came: what it replaced is still kept."""
    if any(makers.is_same(stone.by, work.maker) for stone in moves.list_tombstones(world)):
        part, address = work.step.part, work.step.address
        raise Conflict(f"the {part} of `{address}` is from another restoring by now, which has to be undone first")


def probe(row: Row, work: Work) -> Probe:
    """Say whether a part holds other data already."""
    step = work.step
    if not judgements.same(row.parts.get(step.part), step.after):
        return Probe(Found.CONTRADICTED, f"the {step.part} of `{step.address}` is not there as it was")
    return Probe(Found.DONE if is_restored(row, work) else Found.NOT_STARTED)
