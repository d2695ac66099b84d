"""One batched look at the simulated world.

All parts of all things come out of one query as JSON text, joined and parsed in one go: 10,000 small `json.loads` take four times as
long. Looking changes nothing, unless the scenario has things vanish behind our back: then that happens first, as a change of the world.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herocloud.kits import collector
from herocloud.kits.jsons import Part
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.parts import SNAPSHOT
from herocloud.model.worlds import Observed, Thing
from herocloud.providers.seam import Standing
from herocloud.providers.simulator import claims, copied_data, moves, rows, world_file

if TYPE_CHECKING:
    from herocloud.providers.contexts import Lasting
    from herocloud.providers.simulator.kept_worlds import Things


class SimulatorObserver:
    """Looks at the world of one data folder."""

    def __init__(self, folder: Path, scenario: Path | None = None, lasting: "Lasting | None" = None) -> None:
        """Remember where to look; nothing is opened yet."""
        self._folder = folder
        self._scenario = scenario
        self._lasting = lasting

    def observe(self, stacks: Iterable[StackName] | None = None) -> Observed:
        """Look at everything that carries our mark, of these stacks or of all."""
        self._let_vanish()
        if self._lasting is not None:
            from herocloud.providers.simulator.kept_worlds import KeptLook

            kept = self._lasting.find(KeptLook, self._folder)
            if kept is not None:
                return kept.observe(stacks, read)
        world = world_file.open_for_reading(self._folder)
        if world is None:
            return Observed()
        try:
            with world.reading() as connection:
                return read(connection, stacks)
        finally:
            world.close()

    def _let_vanish(self) -> None:
        if self._scenario is None or not (self._folder / world_file.FILE).exists():
            return
        # Only a scenario needs any of this, and every command that looks pays for what is imported here.
        from herocloud.providers.simulator import misbehavior, scenarios

        scenario = scenarios.load(self._scenario)
        if scenario.vanishing:
            misbehavior.vanish_from(self._folder, scenario)


def read(connection: sqlite3.Connection, stacks: Iterable[StackName] | None, known: "Things | None" = None) -> Observed:
    """Return what there is of these stacks or of all, in one moment. A row that is `known` is the same thing again; new ones become so."""
    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
    wanted = None if stacks is None else list(dict.fromkeys(stacks))
    found = _read_rows(connection, wanted)
    things = _make_things(found) if known is None else _make_unknown(found, wanted, known)
    buried = connection.execute("SELECT coalesce(sum(bytes), 0) FROM tombstones").fetchone()[0]
    return Observed(
        things=_by_stack(things),
        images=_images(things),
        tombstones=buried,
        serials={key.removeprefix(rows.SERIAL): int(value) for key, value in meta.items() if key.startswith(rows.SERIAL)},
    )


def _read_rows(world: sqlite3.Connection, wanted: list[StackName] | None) -> list[tuple[Any, ...]]:
    noted = " OR ".join(f"instr(contents, '{word}')" for word in (moves.RESTORED, rows.SLICES))
    query = f"SELECT stack, address, provider, lineage, parts, halves, iif({noted}, contents, '{{}}') FROM things"  # noqa: S608  (ours)
    if wanted is not None:
        query += f" WHERE stack IN ({', '.join('?' * len(wanted))})"
    return world.execute(query + " ORDER BY stack, address", wanted or ()).fetchall()


def _make_unknown(found: list[tuple[Any, ...]], wanted: list[StackName] | None, known: "Things") -> list[Thing]:
    """Make the things of those rows that are not as they were, and forget what is not there any more."""
    fresh = [row for row in found if (before := known.get((row[0], row[1]))) is None or before[0] != row]
    for row, thing in zip(fresh, _make_things(fresh), strict=True):
        known[(row[0], row[1])] = (row, thing)
    things = [known[(row[0], row[1])][1] for row in found]
    there = {(row[0], row[1]) for row in found}
    for owner in [owner for owner in known if owner not in there and (wanted is None or owner[0] in wanted)]:
        del known[owner]
    return things


def _make_things(found: list[tuple[Any, ...]]) -> list[Thing]:
    if not found:
        return []
    # Walking the fresh containers costs the collector as long again as parsing them, and none of them is garbage.
    with collector.paused():
        bodies = json.loads("[" + ",".join([row[4] for row in found]) + "]")
        noted = json.loads("[" + ",".join([row[6] for row in found]) + "]")
        return [
            Thing(
                StackName(stack),
                Address(address),
                provider,
                parts,
                lineage,
                halves=_NONE if halves == "{}" else _halves(halves, parts),
                restored=_restored(contents) if moves.RESTORED in text else {},
                taken=copied_data.taken_of(contents) if SNAPSHOT in text else {},
                slices=tuple(map(Sid, contents.get(rows.SLICES, "").split())),
            )
            for (stack, address, provider, lineage, _, halves, text), parts, contents in zip(found, bodies, noted, strict=True)
        ]


def _restored(contents: Mapping[str, str]) -> dict[str, str]:
    ending = f" {moves.RESTORED}"
    return {name.removesuffix(ending): token for name, token in contents.items() if name.endswith(ending)}


_NONE: dict[str, Part] = {}


def _halves(text: str, parts: Mapping[str, Part]) -> dict[str, Part]:
    """Return what is half made, and not what is there and half changed or half gone."""
    return {part: half["body"] for part, half in json.loads(text).items() if part not in parts and half["body"] is not None}


def _by_stack(found: list[Thing]) -> dict[StackName, dict[Address, Thing]]:
    things: dict[StackName, dict[Address, Thing]] = {}
    for thing in found:
        things.setdefault(thing.stack, {})[thing.address] = thing
    return things


def _images(things: list[Thing]) -> dict[str, int]:
    bodies = (thing.parts["image"] for thing in things if thing.address.startswith("image.") and "image" in thing.parts)
    return {body["source"]: claims.IMAGE_SIZE for body in bodies if body.get("source")}


def survey(folder: Path) -> Standing:
    """Say whether the simulator can work here, and why (not)."""
    if sqlite3.sqlite_version_info < (3, 37):
        return Standing(False, f"SQLite {sqlite3.sqlite_version} is too old for strict tables; 3.37 is the oldest that works")
    try:
        world = world_file.open_for_reading(folder)
    except Refused as refused:
        return Standing(False, refused.diagnostics[0].detail)
    if world is None:
        return Standing(True, "ready; there is no simulated world yet")
    world.close()
    return Standing(True, "ready")
