"""The effects of the provider: perform, probe and undo for images, disks, volumes and seeds.

What a step does follows from its part before and after, as on the simulator; what is special to a kind of object is in the module of
that kind, behind one small protocol. Every kind marks its object as half-way before it touches it, so that a probe after a crash
has something to go by, and performing or undoing again finds where the last try stopped.
"""

import functools
from pathlib import Path
from typing import Protocol

from herocloud.kits import faults, jsons
from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.hosts import Host
from herocloud.model.steps import KINDS, Step
from herocloud.providers.images import downloads, space
from herocloud.providers.images import tombstones as images_tombstones
from herocloud.providers.images.content_store import Store
from herocloud.providers.images.disks import MOVE, Disks, move_volume, probe_move
from herocloud.providers.images.folders import KEEP, Ownership
from herocloud.providers.images.image_names import Images
from herocloud.providers.images.inspection import Half, Seen, same
from herocloud.providers.images.seeds import Seeds
from herocloud.providers.seam import Found, Probe, Tombstone, Work

PERFORMED = tuple(kind for kind, info in KINDS.items() if info.role == "images")

FAULT_POINTS = tuple(
    f"images.{point}"
    for kind in PERFORMED
    for point in (f"{kind}.before", f"{kind}.half", f"{kind}.after", f"undo.{kind}.before", f"undo.{kind}.half", f"undo.{kind}.after")
)
"""Every point at which `HEROCLOUD_FAULTS` can strike; `half` is reached more than once in the kinds that have several ways to be torn."""


class Objects(Protocol):
    """What a kind of object knows to do. Each call leaves the mark as the last thing it writes, and may be called again after a crash."""

    def look(self, work: Work) -> Seen:
        """Say what is there."""
        ...

    def make(self, work: Work, half: Half) -> None:
        """Make the object that `after` describes; what is there of it is a half-made one."""
        ...

    def change(self, work: Work, before: Part, half: Half) -> None:
        """Turn what is there into `after`; `before` is what it is now."""
        ...

    def drop(self, work: Work, half: Half) -> None:
        """Take the object away, keeping data in a tombstone unless the work purges."""
        ...

    def unmake(self, work: Work, half: Half) -> None:
        """Take back a making, whole or half."""
        ...

    def unchange(self, work: Work, half: Half) -> None:
        """Take back a change, whole or half."""
        ...

    def restore(self, work: Work, half: Half) -> None:
        """Take back a drop, whole or half."""
        ...

    def sweep(self, work: Work) -> None:
        """Remove what a try left that did not get as far as a mark."""
        ...


class ImagesDriver:
    """Performs the steps of the role `images`; it may be used by many threads."""

    def __init__(
        self,
        folder: Path,
        host: Host | None = None,
        *,
        ownership: Ownership = KEEP,
        patience: downloads.Patience = downloads.Patience(),  # noqa: B008  (a named tuple never changes)
    ) -> None:
        """Work in a data folder; `ownership` says to whom disks and seeds belong, for a VMM that does not run as root."""
        self._folder = folder
        store, there = Store(folder), space.Room(folder, space.bounds_of(host))
        disks = Disks(folder, store, there, ownership)
        self._objects: dict[str, Objects] = {
            "image": Images(folder, store, there, patience),
            "disk": disks,
            "volume": disks,
            "seed": Seeds(folder, ownership),
        }

    def perform(self, work: Work) -> Part:
        """Bring the part to `after`; what is there already is left alone."""
        step = work.step
        try:
            faults.reached(f"images.{step.kind}.before")
            if step.kind == MOVE:
                move_volume(self._folder, work)
            else:
                self._perform(work, self._objects[step.part])
            faults.reached(f"images.{step.kind}.after")
        except OSError as error:
            raise _wrap(step, error) from error
        return step.after

    def _perform(self, work: Work, objects: Objects) -> None:
        step = work.step
        seen = objects.look(work)
        if seen.half is None and same(seen.current, step.after) and seen.stray is None:
            _refuse_foreign(seen, work)
            objects.sweep(work)
            return
        _refuse_unexpected(seen, work)
        half = functools.partial(faults.reached, f"images.{step.kind}.half")
        if step.after is None:
            objects.drop(work, half)
        elif step.before is None or seen.current is None:
            objects.make(work, half)
        else:
            objects.change(work, seen.current, half)

    def probe(self, work: Work) -> Probe:
        """Compare the world with the part before and after."""
        step = work.step
        if step.kind == MOVE:
            return probe_move(self._folder, work)
        seen = self._objects[step.part].look(work)
        if seen.half is not None:
            return Probe(Found.PARTIAL, f"`{step.address}` is half-way: {step.part} is {seen.half}")
        if seen.litter:
            return Probe(Found.PARTIAL, f"`{step.address}` is half-way: {step.part} has only begun")
        if seen.stray is not None:
            return Probe(Found.CONTRADICTED, _describe(seen, work))
        if same(seen.current, step.after):
            if seen.current is not None and step.before is None and _is_foreign(seen, work):
                return Probe(Found.CONTRADICTED, f"`{step.address}` is there already and carries the mark of another state, {seen.lineage}")
            return Probe(Found.DONE)
        if same(seen.current, step.before):
            return Probe(Found.NOT_STARTED)
        return Probe(Found.CONTRADICTED, _describe(seen, work))

    def undo(self, work: Work) -> None:
        """Bring the part back to `before`, from `after` or from half-way."""
        step = work.step
        try:
            faults.reached(f"images.undo.{step.kind}.before")
            if step.kind == MOVE:
                move_volume(self._folder, work, back=True)
            else:
                self._undo(work, self._objects[step.part])
            faults.reached(f"images.undo.{step.kind}.after")
        except OSError as error:
            raise _wrap(step, error) from error

    def _undo(self, work: Work, objects: Objects) -> None:
        step = work.step
        seen = objects.look(work)
        if seen.stray is not None:
            if step.before is None:
                # What lies there is nothing that this step has made.
                return
            raise Conflict(_describe(seen, work))
        if seen.half is None:
            if same(seen.current, step.before):
                objects.sweep(work)
                return
            if not same(seen.current, step.after):
                raise Conflict(_describe(seen, work))
        half = functools.partial(faults.reached, f"images.undo.{step.kind}.half")
        if step.before is None:
            _refuse_foreign(seen, work)
            objects.unmake(work, half)
        elif step.after is None:
            objects.restore(work, half)
        else:
            objects.unchange(work, half)

    def tombstones(self) -> list[Tombstone]:
        """List the data that was deleted and is still there, oldest first."""
        return images_tombstones.list_tombstones(self._folder)

    def drop_tombstone(self, key: str) -> bool:
        """Destroy what a tombstone keeps; tells whether there was anything under this key."""
        return images_tombstones.destroy(self._folder, key)

    def close(self) -> None:
        """Let go of nothing: no connection outlives a step."""


def _refuse_unexpected(seen: Seen, work: Work) -> None:
    step = work.step
    _refuse_foreign(seen, work)
    if seen.stray is not None:
        raise Conflict(f"File exists: {_describe(seen, work)}")
    # A deletion takes what is there, however it drifted; a change that started from something else would mix two wills.
    if seen.half is not None or step.after is None or same(seen.current, step.before):
        return
    if step.before is None:
        raise Conflict(f"File exists: `{step.address}` has a different {step.part} already: {jsons.dumps(seen.current)}")
    raise Conflict(_describe(seen, work))


def _refuse_foreign(seen: Seen, work: Work) -> None:
    step = work.step
    if step.before is None and _is_foreign(seen, work):
        raise Conflict(f"`{step.address}` carries the mark of another state, {seen.lineage}")


def _is_foreign(seen: Seen, work: Work) -> bool:
    return seen.lineage is not None and seen.lineage != work.lineage


def _describe(seen: Seen, work: Work) -> str:
    step = work.step
    if seen.stray is not None:
        return f"the place of the {step.part} of `{step.address}` is taken: {seen.stray}"
    if seen.current is None:
        return f"the {step.part} of `{step.address}` is gone"
    return f"the {step.part} of `{step.address}` is neither as before nor as after `{step.kind}`; found: {jsons.dumps(seen.current)}"


def _wrap(step: Step, error: OSError) -> Permanent:
    """Put an error of the operating system into words; the disk is the only thing that this provider works on."""
    where = f" (`{error.filename}`)" if error.filename else ""
    return Permanent(f"`{step.address}`: {error.strerror or error}{where}")
