"""One look at everything that this provider keeps: the marks, and the sizes of what they stand beside.

No process is started and nothing is opened but small files, all of them read before they are parsed together. What has no mark is not
ours and is not seen, unless the state knows it; a mark without its object is something that vanished.
"""

import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from herocloud.kits.jsons import Part
from herocloud.model.errors import Permanent
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing
from herocloud.providers import ownership, recollections, snapshot_moment
from herocloud.providers.images import image_folders, image_states, marks, part_states, snapshot_folders, tombstones, unmarked_objects
from herocloud.providers.images.content_store import Store
from herocloud.providers.images.file_stamps import Stamps
from herocloud.providers.images.marks import Mark
from herocloud.providers.ownership import Owner
from herocloud.providers.recollections import Memory, RememberedPart
from herocloud.providers.seam import Standing

NAME = "images"


class _Found(NamedTuple):
    owner: Owner
    part: str
    body: Part
    half: bool = False
    restored: str | None = None
    taken: float | None = None


class ImagesObserver:
    """Looks at the images, disks, volumes and seeds of one data folder."""

    def __init__(self, folder: Path, memory: Memory = recollections.NOTHING) -> None:
        """Remember where to look, and what the state knows of VMs."""
        self._folder = folder
        self._memory = memory
        self._serials: dict[str, int] = {}
        self._marked: set[Path] = set()
        """Objects with a mark that can be read."""
        self._stamps = Stamps(folder)

    def observe(self, stacks: Iterable[StackName] | None = None) -> Observed:
        """Look at everything that carries our mark, of these stacks or of all."""
        wanted = None if stacks is None else frozenset(stacks)
        try:
            self._serials, self._marked = {}, set()
            images, sizes = self._images(wanted)
            disks, snapshots = self._objects(image_folders.VMS, None), self._snapshots()
            found = [*images, *disks, *snapshots, *self._objects(image_folders.VOLUMES, wanted)]
            self._stamps.keep()
            buried = tombstones.total_bytes(self._folder)
        except OSError as error:
            raise Permanent(f"{error.strerror or error} (`{error.filename or self._folder}`)") from error
        return Observed(things=_gather(found, wanted), images=sizes, tombstones=buried, serials=self._serials)

    def _images(self, wanted: frozenset[str] | None) -> tuple[list[_Found], dict[str, int]]:
        store = Store(self._folder)
        found_things: list[_Found] = []
        sizes: dict[str, int] = {}
        for _, mark in self._read_marks(_folders(self._folder / image_folders.NAMES)):
            key, body = mark.more.get("key"), mark.body
            owner = Owner(mark.stack, mark.address, mark.lineage)
            if mark.body is None and mark.goal is not None and (wanted is None or mark.stack in wanted):
                found_things.append(_Found(owner, mark.part, mark.goal, half=True))
            if key is not None and not store.content(str(key)).exists():
                continue
            if key is not None and body is not None:
                # Every stack profits from what another has fetched: sizes are reported for all of them.
                sizes[body["source"]] = mark.more["size"]
            if wanted is None or mark.stack in wanted:
                found_things.append(_Found(owner, mark.part, image_states.body_of(store, mark, self._stamps)))
        for path, known in self._unmarked("image", wanted):
            entry = store.find_for(known.body)
            if entry is not None:
                sizes[known.body["source"]] = entry.size
            if entry is not None or known.body["source"] is None:
                found_things.append(_Found(_owner_of(known), known.part, unmarked_objects.look(path, known.part, known.body, known.sids)))
        return found_things, sizes

    def _objects(self, name: str, wanted: frozenset[str] | None) -> Iterator[_Found]:
        """Yield what lies in the folders of VMs, or of the stacks with volumes."""
        in_vms = name == image_folders.VMS
        folders = [folder for folder in _folders(self._folder / name) if wanted is None or folder.name in wanted]
        owners: dict[Path, Owner | None] = {}

        def owner_of(folder: Path) -> Owner | None:
            if folder not in owners:
                owners[folder] = self._owner_of(folder) if in_vms else None
            return owners[folder]

        for path, mark in self._read_marks(folders):
            # What is made for the first time has no body yet, and is nothing but where it goes.
            body = part_states.body_of(path, mark, self._stamps) if mark.body is not None else mark.goal
            if body is None:
                continue
            owner = owner_of(path.parent) or Owner(mark.stack, mark.address, mark.lineage)
            yield _Found(owner, mark.part, body, mark.body is None, marks.restoring_of(mark).get("restored") if mark.half is None else None)
        for kind in ("disk", "seed") if in_vms else ("volume",):
            for path, known in self._unmarked(kind, wanted):
                body = unmarked_objects.look(path, known.part, known.body, known.sids)
                yield _Found(owner_of(path.parent) or _owner_of(known), known.part, body)

    def _owner_of(self, folder: Path) -> Owner | None:
        return ownership.find_owner(folder, self._memory)[0]

    def _snapshots(self) -> Iterator[_Found]:
        """Yield the snapshots of all VMs."""
        folders = _folders(self._folder / image_folders.VMS)
        for path, mark in self._read_marks([folder / image_folders.SNAPSHOTS for folder in folders]):
            body = snapshot_folders.body_of(path, mark) if path.is_dir() else None
            if body is not None:
                owner = self._owner_of(path.parent.parent) or Owner(mark.stack, mark.address, mark.lineage)
                yield _Found(owner, mark.part, body, taken=snapshot_moment.read(path))
        for path, known in self._unmarked("snapshot", None):
            owner = self._owner_of(path.parent.parent) or _owner_of(known)
            body = unmarked_objects.look(path, known.part, known.body, known.sids)
            yield _Found(owner, known.part, body, taken=snapshot_moment.read(path))

    def _read_marks(self, folders: Iterable[Path]) -> list[tuple[Path, Mark]]:
        """Read the marks in some folders, and remember beside which objects there is one."""
        found = [(path, mark) for path, mark in marks.read_all(folders) if mark is not None]
        self._marked.update(path for path, _ in found)
        for _, mark in found:
            if mark.serial > self._serials.get(mark.lineage, 0):
                self._serials[mark.lineage] = mark.serial
        return found

    def _unmarked(self, kind: str, wanted: frozenset[str] | None) -> Iterator[tuple[Path, RememberedPart]]:
        """Yield what is recorded of a kind of part, and has no mark that can be read."""
        for known in self._recorded.get(kind, ()):
            if not (wanted is None or known.stack in wanted):
                continue
            path = self._path_of(known)
            if path is not None and path not in self._marked:
                yield path, known

    @functools.cached_property
    def _recorded(self) -> dict[str, list[RememberedPart]]:
        """Return what is recorded, by kind of part: each look asks for four kinds."""
        found: dict[str, list[RememberedPart]] = {}
        for known in self._memory.parts():
            found.setdefault(known.part.partition(".")[0], []).append(known)
        return found

    def _path_of(self, known: RememberedPart) -> Path | None:
        try:
            return unmarked_objects.path_of(self._folder, known.stack, known.address, known.part, known.body)
        except (Permanent, KeyError):
            # Somebody changed the record; what it says of the part is compared with nothing then.
            return None


def _owner_of(known: RememberedPart) -> Owner:
    return Owner(known.stack, known.address, known.lineage)


def _gather(found_things: Iterable[_Found], wanted: frozenset[str] | None) -> dict[StackName, dict[Address, Thing]]:
    things: dict[StackName, dict[Address, Thing]] = {}
    for owner, part, body, half, restored, taken in found_things:
        if body is None or (wanted is not None and owner.stack not in wanted):
            continue
        stack, address = StackName(owner.stack), Address(owner.address)
        known = things.setdefault(stack, {}).get(address) or Thing(stack, address, NAME, {})
        parts, halves = ({}, {part: body}) if half else ({part: body}, {})
        known = known._replace(parts={**known.parts, **parts}, halves={**known.halves, **halves}, lineage=owner.lineage)
        if restored:
            known = known._replace(restored={**known.restored, part: restored})
        things[stack][address] = known if taken is None else known._replace(taken={**known.taken, part: taken})
    return {stack: dict(sorted(of_stack.items())) for stack, of_stack in sorted(things.items())}


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return []


def survey(folder: Path) -> Standing:
    """Say whether images, disks and seeds can be made here, and why (not)."""
    import importlib.util
    import shutil

    if importlib.util.find_spec("pycdlib") is None:
        return Standing(False, "the Python package `pycdlib` is missing, without which no seed can be written")
    if folder.exists() and not os.access(folder, os.W_OK):
        return Standing(False, f"`{folder}` cannot be written to")
    if shutil.which("qemu-img") is None:
        return Standing(True, "ready for raw images; qcow2 needs `qemu-img` (package qemu-utils)")
    return Standing(True, "ready")
