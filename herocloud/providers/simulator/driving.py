"""The effects of the simulator: perform, probe and undo for every kind of step that touches the world.

What a step does follows from its part before and after: nothing to something creates, something to nothing deletes, the rest changes.
A table of thirty functions, one a kind, would say the same thing thirty times; what is special to a kind is in `checking` and
`machines`. Longer kinds commit a half-way state first, so that a crash between leaves what a crash of a real hypervisor leaves.
"""

import functools
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.kits import faults
from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.hosts import Host
from herocloud.model.steps import BESIDE, KINDS, beside
from herocloud.providers import parts
from herocloud.providers.parts import Seen
from herocloud.providers.seam import Found, Probe, Tombstone, Work
from herocloud.providers.simulator import copied_data, moves, network_refusals, refusals, rows, scenarios, world_file
from herocloud.providers.simulator.misbehavior import Mischief
from herocloud.providers.simulator.rows import Limits, Row
from herocloud.providers.simulator.scenarios import Scenario
from herocloud.providers.simulator.world_file import World

if TYPE_CHECKING:
    from herocloud.providers.contexts import Lasting

HALVES = {
    "image.fetch": "downloading",
    "disk.create": "copying",
    "disk.prepare": "copying",
    "disk.grow": "growing",
    "disk.copy": "copying",
    "disk.restore": "restoring",
    "volume.create": "allocating",
    "volume.grow": "growing",
    "volume.copy": "copying",
    "volume.restore": "restoring",
    "snapshot.create": "copying",
    "snapshot.save": "saving memory",
    "network.create": "bridging",
    "tap.create": "plugging in",
    "overlay.enable": "joining",
    "vm.create": "starting",
    "vm.configure": "redefining",
    "vm.boot": "booting",
    "vm.revive": "reading memory",
    "vm.stop": "stopping",
    "vm.resize": "resizing",
    "vm.delete": "ending",
}
"""What a longer kind is at while it is half-way."""

PERFORMED = tuple(kind for kind, info in KINDS.items() if info.role not in ("state", "guest"))

FAULT_POINTS = tuple(
    f"simulator.{point}"
    for kind in PERFORMED
    for point in (
        f"{kind}.before",
        *((f"{kind}.half",) if kind in HALVES else ()),
        f"{kind}.after",
        f"undo.{kind}.before",
        f"undo.{kind}.after",
    )
)
"""Every point at which `HEROCLOUD_FAULTS` can strike the simulator."""


class SimulatorDriver:
    """Performs the steps of every role; it may be used by many threads."""

    def __init__(self, world: World, limits: Limits, scenario: Scenario = scenarios.NOTHING, step_time: float = 0.0) -> None:
        """Work on an open world."""
        self._world = world
        self.let_go = world.close
        """What its end does to the world, which others may work on as well."""
        self._limits = limits
        self._mischief = Mischief(scenario, world, step_time)
        self._noted: tuple[str, int] | None = None
        """The state and its serial that the world knows of already: one apply says the same with each of its steps."""

    def perform(self, work: Work) -> Part:
        """Bring the part to `after`; what is there already is left alone."""
        try:
            return self._perform(work)
        except (OSError, sqlite3.DatabaseError) as error:
            raise Permanent(f"the simulated world failed: {error}") from error

    def _perform(self, work: Work) -> Part:
        step = work.step
        self._mischief.strike(work, "before")
        faults.reached(f"simulator.{step.kind}.before")
        word = HALVES.get(step.kind)
        if word is None:
            self._mischief.spend(work)
            self._mischief.strike(work, "half")
        elif self._begin(work, word):
            work.progress(word, None)
            faults.reached(f"simulator.{step.kind}.half")
            self._mischief.spend(work)
            self._mischief.strike(work, "half")
        if step.kind in moves.KINDS:
            with self._world.changing() as world:
                moves.move(world, work)
        else:
            self._finish(work)
        faults.reached(f"simulator.{step.kind}.after")
        self._mischief.strike(work, "after")
        return step.after

    def _begin(self, work: Work, word: str) -> bool:
        step = work.step
        with self._world.changing() as world:
            row = rows.load(world, work.stack, step.address)
            if _is_done(row, work):
                return False
            half = row.halves.get(step.part)
            if half is not None and half["kind"] == step.kind and parts.same(half["body"], step.after):
                return True
            rows.abandon(world, row, step.part)
            self._check(world, row, work)
            _mark(row, work)
            rows.begin(world, row, step.part, step.after, self._limits, kind=step.kind, word=word)
            rows.save(world, row)
            return True

    def _finish(self, work: Work) -> None:
        step = work.step
        serial = work.lineage, work.serial
        with self._world.changing() as world:
            row = rows.load(world, work.stack, step.address)
            if _is_done(row, work):
                return
            self._check(world, row, work)
            _mark(row, work)
            if serial != self._noted:
                rows.raise_serial(world, *serial)
            self._settle(world, row, work, step.after)
            rows.save(world, row)
        self._noted = serial

    def _check(self, world: sqlite3.Connection, row: Row, work: Work) -> None:
        step = work.step
        current = row.parts.get(step.part)
        if step.kind in copied_data.RESTORES:
            parts.refuse_unexpected(_seen(row, work), work)
            refusals.check_replacing(world, row, step.part, current)
            return
        if parts.same(current, step.after):
            return
        if step.kind == "vm.revive":
            copied_data.check_reviving(world, row, step.origin)
        if step.part != "power":
            parts.refuse_unexpected(_seen(row, work), work)
        refusals.check(world, row, step.kind, step.part, current=current, target=step.after)
        if step.part == "network":
            network_refusals.check(world, row, step.provider, current, step.after)
        if step.kind == "vm.create" and step.after.get("payload"):
            refusals.check_image(world, row, work.spec.get("image"))

    def _settle(self, world: sqlite3.Connection, row: Row, work: Work, target: Part, *, undoing: bool = False) -> None:
        """Make `target` the part, with what goes along: data of disks, and the power that a machine has."""
        part = work.step.part
        current = row.parts.get(part)
        if work.step.kind in copied_data.RESTORES:
            self._settle_restored(world, row, work, target, undoing=undoing)
            return
        holds_data = part in refusals.DATA or copied_data.is_snapshot(part)
        places = KINDS[work.step.kind].places
        kept = self._take_prepared(world, row, part) if places and not undoing else row.contents.get(part)
        if holds_data and target is None and current is not None:
            # What an undone step made was empty until now; a tombstone of it would only be litter.
            if not work.purge and not undoing:
                moves.bury(world, row, part, current, by=work)
            row.contents.pop(part, None)
            row.contents.pop(moves.restored_mark(part), None)
        comes = holds_data and current is None and target is not None
        # What comes back only changes its place: it is out of its tombstone before its room is taken.
        kept = _restored(world, row, part, target, work) if comes and undoing else kept
        rows.put(world, row, part, target, self._limits)
        if comes:
            row.contents[part] = kept or self._new_content(world, row, work)
        if places and undoing:
            rows.put(world, row, f"{part}{BESIDE}", beside(work.step.after), self._limits)
            if kept is not None:
                row.contents[f"{part}{BESIDE}"] = kept
        if part == refusals.PREPARED:
            row.contents.pop(part, None)
            if target is not None:
                row.contents[part] = moves.new_content()
        if part == "machine" and target is None:
            row.parts.pop("power", None)
            row.halves.pop("power", None)
        elif part == "machine" and current is None:
            row.parts["power"] = "stopped"
        if part == "machine":
            _note_slices(row, target, work.slices(target))

    def _take_prepared(self, world: sqlite3.Connection, row: Row, part: str) -> str | None:
        """Take what was prepared from beside its place; returns the data on it."""
        rows.put(world, row, f"{part}{BESIDE}", None, self._limits)
        return row.contents.pop(f"{part}{BESIDE}", None)

    def _settle_restored(self, world: sqlite3.Connection, row: Row, work: Work, target: Part, *, undoing: bool) -> None:
        part = work.step.part
        if undoing:
            if copied_data.is_restored(row, work):
                copied_data.take_back(world, row, work)
        else:
            copied_data.restore(world, row, work, self._world.path.parent)
        rows.put(world, row, part, target, self._limits)

    def _new_content(self, world: sqlite3.Connection, row: Row, work: Work) -> str:
        """Return what a new disk or snapshot holds."""
        if copied_data.is_snapshot(work.step.part):
            return copied_data.take(world, row, work.step.after, work.held)
        if work.step.origin is not None:
            return copied_data.read(world, work.step.origin, self._world.path.parent)
        return moves.new_content()

    def probe(self, work: Work) -> Probe:
        """Compare the world with the part before and after."""
        self._mischief.strike(work, "before", "probe")
        step = work.step
        with self._world.reading() as world:
            if step.kind in moves.KINDS:
                return moves.probe(world, work)
            row = rows.load(world, work.stack, step.address)
        half = row.halves.get(step.part)
        if half is not None:
            return Probe(Found.PARTIAL, f"`{step.address}` is half-way: {step.part} is {half['word']} (`{half['kind']}`)")
        return copied_data.probe(row, work) if step.kind in copied_data.RESTORES else parts.judge(_seen(row, work), work)

    def undo(self, work: Work) -> None:
        """Bring the part back to `before`, from `after` or from half-way."""
        step = work.step
        self._mischief.strike(work, "before", "undo")
        try:
            faults.reached(f"simulator.undo.{step.kind}.before")
            with self._world.changing() as world:
                if step.kind in moves.KINDS:
                    moves.move(world, work, back=True)
                else:
                    self._undo(world, work)
            faults.reached(f"simulator.undo.{step.kind}.after")
        except (OSError, sqlite3.DatabaseError) as error:
            raise Permanent(f"the simulated world failed: {error}") from error

    def _undo(self, world: sqlite3.Connection, work: Work) -> None:
        step = work.step
        row = rows.load(world, work.stack, step.address)
        turned_back = rows.abandon(world, row, step.part)
        current = row.parts.get(step.part)
        restored = step.kind in copied_data.RESTORES and copied_data.is_restored(row, work)
        if restored or not parts.same(current, step.before):
            if step.part != "power" and not parts.same(current, step.after):
                raise Conflict(parts.describe(_seen(row, work), work))
            parts.refuse_foreign(_seen(row, work), work)
            refusals.check(world, row, step.kind, step.part, current=current, target=step.before, undoing=True)
            if step.part == "network":
                network_refusals.check(world, row, step.provider, current, step.before)
            _mark(row, work)
            self._settle(world, row, work, step.before, undoing=True)
        elif not turned_back:
            if step.kind in copied_data.RESTORES:
                copied_data.refuse_another(world, work)
            return
        rows.save(world, row)

    def tombstones(self) -> list[Tombstone]:
        """List the data that was deleted and is still there, oldest first."""
        with self._world.reading() as world:
            return moves.list_tombstones(world)

    def drop_tombstone(self, key: str) -> bool:
        """Destroy what a tombstone keeps; tells whether there was anything under this key."""
        with self._world.changing() as world:
            return moves.drop(world, key)

    def close(self) -> None:
        """End every wait and let go of the world."""
        self._mischief.close()
        self.let_go()


def open_world(
    folder: Path, host: Host | None = None, *, scenario: Path | None = None, step_time: float = 0.0, lasting: "Lasting | None" = None
) -> SimulatorDriver:
    """Open the world of a data folder for work; a scenario with mistakes is refused before anything is touched."""
    rules = scenarios.load(scenario) if scenario is not None else scenarios.NOTHING
    name = host.name if host is not None else ""
    if lasting is not None:
        from herocloud.providers.simulator.kept_worlds import KeptWorld

        kept = lasting.find(KeptWorld, folder)
        if kept is not None:
            world = kept.lend(name)
            driver = SimulatorDriver(world, limits_of(host), rules, step_time)
            driver.let_go = functools.partial(kept.take_back, world)
            return driver
    return SimulatorDriver(world_file.open_world(folder, name=name), limits_of(host), rules, step_time)


def limits_of(host: Host | None) -> Limits:
    """Tell what the hardware of a host holds, with what its operator chose to promise beyond."""
    if host is None:
        return Limits()
    disk = int(host.disk * host.ratios.disk)
    return Limits(int(host.memory * host.ratios.memory), disk if host.limit_disk is None else min(disk, host.limit_disk))


def _restored(world: sqlite3.Connection, row: Row, part: str, body: Part, work: Work) -> str:
    content = moves.dig_up(world, row, part, body, work)
    if content is None:
        raise Permanent(f"the data of `{row.address}` is gone: `{body.get('path')}` was purged, so its deletion cannot be undone")
    return content


def _is_done(row: Row, work: Work) -> bool:
    step = work.step
    if step.part in row.halves or not parts.same(row.parts.get(step.part), step.after):
        return False
    if step.kind in copied_data.RESTORES:
        return copied_data.is_restored(row, work)
    if step.before is None and step.after is not None and parts.is_foreign(_seen(row, work), work):
        raise Conflict(f"`{step.address}` exists and carries the mark of another state, {row.lineage}")
    return True


def _seen(row: Row, work: Work) -> Seen:
    current = row.parts.get(work.step.part)
    return Seen(current, None if current is None else row.lineage, beside=tuple(sorted(row.parts)))


def _note_slices(row: Row, machine: Part, slices: Sequence[str] | None) -> None:
    if machine is None:
        row.contents.pop(rows.SLICES, None)
    elif slices:
        row.contents[rows.SLICES] = " ".join(slices)


def _mark(row: Row, work: Work) -> None:
    row.lineage = work.lineage
    # A VM belongs to its hypervisor, no matter which provider made its disk: then world and record name the same provider.
    if not row.parts or KINDS[work.step.kind].role == "hypervisor":
        row.provider = work.step.provider
