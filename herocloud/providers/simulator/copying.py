"""Worlds made from worlds, for a rehearsal: the same executor runs against a copy, and the original never knows.

A copy of the file where the simulator is the real provider, data tokens included; a world filled from an observation for every other.
"""

import sqlite3
from pathlib import Path

from herocloud.model.hosts import Host
from herocloud.model.worlds import Observed
from herocloud.providers.simulator import burying, rows, storing, world


def copy_world(source: Path, target: Path) -> bool:
    """Copy the world of one data folder into another that has none; tells whether there was one to copy."""
    original = storing.open_for_reading(source)
    if original is None:
        return False
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        # SQLite's own copy sees one moment of the world, whoever is writing to it meanwhile.
        with original.reading() as connection:
            copy = sqlite3.connect(target / storing.FILE)
            try:
                connection.backup(copy)
            finally:
                copy.close()
    finally:
        original.close()
    return True


def load_world_from(observed: Observed, folder: Path, host: Host | None = None) -> None:
    """Build a world in a folder that has none, in which an observation would see what `observed` holds."""
    made = storing.open_world(folder, name=host.name if host is not None else "")
    try:
        with made.changing() as connection:
            world.fill(connection, observed)
            if observed.tombstones:
                # What is buried on the real host takes its room in the rehearsal too.
                row = rows.Row("elsewhere", "volume.buried")
                burying.bury(connection, row, "volume", {"size": observed.tombstones})
            if observed.overlay_subnet is not None:
                connection.execute("INSERT OR REPLACE INTO meta VALUES ('subnet', ?)", (observed.overlay_subnet,))
    finally:
        made.close()
