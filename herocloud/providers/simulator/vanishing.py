"""Things that a scenario lets disappear behind our back, each time anybody looks."""

import sqlite3
from pathlib import Path

from herocloud.providers.simulator import misbehaving, rows, storing
from herocloud.providers.simulator.scenarios import Scenario


def vanish_from(folder: Path, scenario: Scenario) -> None:
    """Change the world of a data folder as the rules say."""
    world = storing.open_world(folder)
    try:
        with world.changing() as connection:
            vanish(connection, scenario)
    finally:
        world.close()


def vanish(world: sqlite3.Connection, scenario: Scenario) -> None:
    """Take away what the rules say, of what was made by now."""
    for stack, address, parts in world.execute("SELECT stack, address, parts FROM things ORDER BY stack, address").fetchall():
        # A VM that is being made has disks and taps before it has a machine; it is not there to vanish yet.
        if parts == "{}" or (address.startswith("vm.") and '"machine":' not in parts):
            continue
        for rule in scenario.rules:
            if rule.takes(address) and misbehaving.take_turn(world, rule, scenario.seed, f"{address} vanish"):
                rows.remove(world, stack, address)
                break
