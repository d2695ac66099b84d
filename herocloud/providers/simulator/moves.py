"""Renames and tombstones: things that change their name, or whether they are there.

A rename changes the mark on a thing and nothing else: a machine that runs does not notice that its volume has another name.
"""

import json
import os
import sqlite3
import time

from herocloud.kits import jsons
from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.ids import Address, StackName
from herocloud.model.makers import Maker
from herocloud.providers import tombstone_choice
from herocloud.providers.seam import Found, Probe, Tombstone, Work
from herocloud.providers.simulator import rows
from herocloud.providers.simulator.rows import Limits, Row

RESTORED = "restored"
"""In the body of a tombstone: which restoring its data came from."""


def new_content() -> str:
    """Make a token that stands for the data on one disk: no two disks ever have the same."""
    return os.urandom(8).hex()


def restored_mark(part: str) -> str:
    """Return where a thing keeps which restoring the data of a part comes from."""
    return f"{part} {RESTORED}"


_BURIED_BY = "buried by"
"""In the body of a tombstone: its maker, which is the plan, the step and the apply."""


def bury(world: sqlite3.Connection, row: Row, part: str, body: Part, *, by: Work | None = None) -> None:
    """Keep the data of a part that is about to go; it goes on taking its room on the disk."""
    content = row.contents.get(part)
    key = f"{row.stack}/{row.address}/{part}/{content if content is None or len(content) < 40 else jsons.digest_text(content)}"
    while world.execute("SELECT 1 FROM tombstones WHERE key = ?", (key,)).fetchone():
        # A copy holds the same as its original.
        key += "+"
    kept = {**body, RESTORED: row.contents.get(restored_mark(part)), _BURIED_BY: list(by.maker) if by else None}
    values = (key, row.stack, row.address, part, json.dumps(kept), content, int(body["size"]), time.time())
    world.execute("INSERT INTO tombstones VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
    rows.weigh(world, "disk", int(body["size"]))


def dig_up(world: sqlite3.Connection, row: Row, part: str, body: Part, work: Work) -> str | None:
    """Take the fitting tombstone away and return its content; nothing when the data is gone for good.

    That is the one of the step that is taken back: an undo keeps what was written since under the same path. The thing knows again which
    restoring that data came from.
    """
    query = (
        "SELECT key, body, content, address = ? OR part = 'disk' FROM tombstones WHERE stack = ? AND part = ?"
        " ORDER BY address = ? DESC, deleted DESC, rowid DESC"
    )
    rows_found = world.execute(query, (row.address, row.stack, part, row.address))
    found = [(key, json.loads(kept), content, bool(fits)) for key, kept, content, fits in rows_found]
    # The path has to match, because another path is another disk. The size may differ. The path of a root disk names its VM.
    fitting = [thing for thing in found if thing[1].get("path") == body.get("path")]
    makers = [_maker(was) for _, was, _, _ in fitting]
    chosen = tombstone_choice.choose_tombstone(makers, work, unmarked=[fits for *_, fits in fitting])
    if chosen is None:
        return None
    key, was, content, _ = fitting[chosen]
    drop(world, key)
    row.contents.pop(restored_mark(part), None)
    if was.get(RESTORED):
        row.contents[restored_mark(part)] = was[RESTORED]
    return str(content)


def list_tombstones(world: sqlite3.Connection) -> list[Tombstone]:
    """List everything buried, oldest first."""
    query = "SELECT key, stack, address, bytes, deleted, body FROM tombstones ORDER BY deleted, key"
    return [
        Tombstone(key, StackName(stack), Address(address), size, deleted, _maker(json.loads(body)))
        for key, stack, address, size, deleted, body in world.execute(query)
    ]


def _maker(body: Json) -> Maker:
    return tuple(body.get(_BURIED_BY) or ())


def drop(world: sqlite3.Connection, key: str) -> bool:
    """Destroy what is buried under a key; tells whether there was anything."""
    freed = world.execute("DELETE FROM tombstones WHERE key = ? RETURNING bytes", (key,)).fetchall()
    for (size,) in freed:
        rows.weigh(world, "disk", -size)
    return bool(freed)


KINDS = ("vm.move", "volume.move", "network.move")


def move(world: sqlite3.Connection, work: Work, *, back: bool = False) -> None:
    """Give a thing its new address (or its old one again); one that has it already is left alone."""
    origin, target = _ends(work, back=back)
    old, new = rows.load(world, work.stack, origin), rows.load(world, work.stack, target)
    if not old.parts and not old.halves:
        if not new.parts:
            raise Permanent(f"neither `{origin}` nor `{target}` exists, so there is nothing to rename")
        return
    if new.parts or new.halves:
        raise Conflict(f"File exists: `{target}` is there already, so `{origin}` cannot take its name")
    new.lineage, new.provider, new.contents = work.lineage, old.provider, dict(old.contents)
    parts = dict(old.parts)
    for part in {**old.halves, **parts}:
        rows.put(world, old, part, None, Limits())
    rows.save(world, old)
    # The machine comes last, because it holds on to the parts beside it.
    for part in sorted(parts, key=lambda part: part == "machine"):
        rows.put(world, new, part, parts[part], Limits())
    new.parts = parts
    rows.save(world, new)


def probe(world: sqlite3.Connection, work: Work) -> Probe:
    """Say which of the two addresses there is."""
    origin, target = _ends(work, back=False)
    old, new = (bool(rows.load(world, work.stack, address).parts) for address in (origin, target))
    if old and new:
        return Probe(Found.CONTRADICTED, f"both `{origin}` and `{target}` exist")
    if not old and not new:
        return Probe(Found.CONTRADICTED, f"neither `{origin}` nor `{target}` exists")
    return Probe(Found.DONE if new else Found.NOT_STARTED)


def _ends(work: Work, *, back: bool) -> tuple[str, str]:
    origin, target = work.step.before["address"], work.step.after["address"]
    return (target, origin) if back else (origin, target)
