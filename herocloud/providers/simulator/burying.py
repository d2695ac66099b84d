"""Tombstones: deleted data that is still there, until its time to live passes or somebody purges it."""

import json
import os
import sqlite3
import time

from herocloud.kits.jsons import Part
from herocloud.model.ids import Address, StackName
from herocloud.providers.seam import Tombstone
from herocloud.providers.simulator import rows
from herocloud.providers.simulator.rows import Row


def new_content() -> str:
    """Make a token that stands for the data on one disk: no two disks ever have the same."""
    return os.urandom(8).hex()


def bury(world: sqlite3.Connection, row: Row, part: str, body: Part) -> None:
    """Keep the data of a part that is about to go; it goes on taking its room on the disk."""
    content = row.contents.get(part)
    key = f"{row.stack}/{row.address}/{part}/{content}"
    values = (key, row.stack, row.address, part, json.dumps(body), content, int(body["size"]), time.time())
    world.execute("INSERT INTO tombstones VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    rows.weigh(world, "disk", int(body["size"]))


def dig_up(world: sqlite3.Connection, row: Row, part: str, body: Part) -> str | None:
    """Take the youngest fitting tombstone away and return its content; nothing when the data is gone for good."""
    query = "SELECT key, body, content FROM tombstones WHERE stack = ? AND address = ? AND part = ? ORDER BY deleted DESC, rowid DESC"
    for key, kept, content in world.execute(query, (row.stack, row.address, part)).fetchall():
        # A drifted size is no reason to leave data buried; another path is another disk.
        if json.loads(kept).get("path") == body.get("path"):
            drop(world, key)
            return str(content)
    return None


def list_tombstones(world: sqlite3.Connection) -> list[Tombstone]:
    """List everything buried, oldest first."""
    query = "SELECT key, stack, address, bytes, deleted FROM tombstones ORDER BY deleted, key"
    return [
        Tombstone(key, StackName(stack), Address(address), size, deleted) for key, stack, address, size, deleted in world.execute(query)
    ]


def drop(world: sqlite3.Connection, key: str) -> bool:
    """Destroy what is buried under a key; tells whether there was anything."""
    freed = world.execute("DELETE FROM tombstones WHERE key = ? RETURNING bytes", (key,)).fetchall()
    for (size,) in freed:
        rows.weigh(world, "disk", -size)
    return bool(freed)
