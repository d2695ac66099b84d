"""Snapshots on a real host: a folder beside the disk of a VM with copies of its disks, and the memory that its hypervisor puts there.

The folder gets its name when all copies are whole, so a snapshot is there or it is not. The folders of snapshots stay ours: no VMM reads
another VM's disk there, nor an old one of its own.
"""

import time
from pathlib import Path

from herocloud.kits import durable_files
from herocloud.kits.jsons import Part
from herocloud.kits.sizes import show_size
from herocloud.model import parts
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers import ownership, snapshot_memory, snapshot_moment
from herocloud.providers.images import burials, copies, image_folders, marks, part_states, tombstones
from herocloud.providers.images.burials import BURYING, RESTORING
from herocloud.providers.images.marks import Mark
from herocloud.providers.images.part_states import DELETING, mark_for
from herocloud.providers.images.space import Room
from herocloud.providers.images.tombstones import Buried
from herocloud.providers.ownership import Owner
from herocloud.providers.parts import Half, Parts, Seen
from herocloud.providers.seam import Work

_COPYING = "copying"


class Snapshots(Parts):
    """Makes and deletes the snapshots of one data folder."""

    def __init__(self, folder: Path, room: Room) -> None:
        """Work in a data folder."""
        self._folder, self._room = folder, room

    def look(self, work: Work) -> Seen:
        """Say what is there."""
        path = self._path(work)
        mark = marks.read(path)
        there = path.is_dir()
        if mark is None:
            if there:
                return Seen(None, stray=part_states.stray(path))
            return Seen(None, litter=any(draft.exists() for draft in part_states.drafts_of(path)))
        owner = owner_of(path, mark)
        if (owner.stack, owner.address) != (work.stack, work.step.address):
            return Seen(None, stray=f"`{path}` belongs to `{owner.address}` of stack `{owner.stack}`")
        lost = mark.half == DELETING and not there
        return Seen(body_of(path, mark) if there else None, mark.lineage, mark.half, lost=lost)

    def make(self, work: Work, half: Half) -> None:
        """Copy every disk into a draft of the folder, and give it its name."""
        path = self._path(work)
        mark = marks.read(path)
        if mark is not None and mark.half == BURYING:
            self._bury(path, mark, work, half)
        owner = ownership.read_owner(path.parent.parent)
        if owner is None:
            raise Conflict(f"`{work.step.address}` has no folder, so there is nothing to take a snapshot of")
        _make_private(path.parent)
        marks.write(path, mark_for(work, None, half=_COPYING))
        half()
        draft = image_folders.draft_of(path)
        try:
            # With its name it is whole: the last try came that far.
            if not path.exists():
                self._copy(work, draft)
                half()
                draft.rename(path)
        except BaseException:
            # Half a copy may be gigabytes, on a disk that has just run full; and it holds nothing that is not elsewhere.
            _remove(draft)
            marks.remove(path)
            self.sweep(work)
            raise
        durable_files.sync_folder(path.parent)
        half()
        marks.write(path, mark_for(work, work.step.after))

    def _copy(self, work: Work, draft: Path) -> None:
        after = work.step.after
        taken = time.time() if work.held is None else work.held
        _remove(draft)
        draft.mkdir(mode=0o700)
        total, before = after["size"] or 1, 0
        for disk in after["disks"]:
            source = image_folders.object_path(self._folder, disk["path"])
            if not source.exists():
                raise Permanent(f"`{disk['disk']}` of `{work.step.address}` is gone: `{source}` does not exist")
            copies.clone(
                source,
                draft / parts.copy_file(disk["disk"]),
                cancelled=work.cancelled,
                told=lambda done, _all, before=before: work.progress(f"copying {show_size(total)}", (before + done) / total),  # type: ignore[misc]
                before_copy=lambda source=source: self._room.require_for_copy(  # type: ignore[misc]
                    copies.allocated(source), f"the snapshot of `{work.step.address}`"
                ),
            )
            before += disk["size"]
        snapshot_moment.note(draft, taken)
        durable_files.sync_folder(draft)

    def change(self, work: Work, before: Part, half: Half) -> None:  # noqa: ARG002  (the seam's signature)
        """Refuse: what is in a snapshot does not change."""
        raise Permanent(f"`{work.step.address}`: a snapshot does not change")

    def drop(self, work: Work, half: Half) -> None:
        """Put the snapshot into a tombstone, or destroy it at once."""
        path = self._path(work)
        mark = marks.read(path)
        if mark is None:
            self.sweep(work)
            return
        if work.purge or mark.half in (_COPYING, DELETING):
            self._destroy(path, mark, half)
        else:
            self._bury(path, mark, work, half)
        self.sweep(work)

    def unmake(self, work: Work, half: Half) -> None:
        """Destroy what was made: everything in it is in the disks that it was copied from."""
        path = self._path(work)
        mark = marks.read(path)
        if mark is not None:
            self._destroy(path, mark, half)
        self.sweep(work)

    def restore(self, work: Work, half: Half) -> None:
        """Bring a deleted snapshot back."""
        path, before, step = self._path(work), work.step.before, work.step
        mark = marks.read(path)
        key, buried = burials.find_return(self._folder, work, mark)
        if buried is None and not path.is_dir():
            raise Permanent(f"snapshot `{path.name}` of `{step.address}` was purged, so its deletion cannot be undone")
        body = buried.body if buried else before
        _make_private(path.parent)
        marks.write(path, mark_for(work, body, half=RESTORING, key=key))
        half()
        if key:
            tombstones.dig_up(self._folder, key, path)
        half()
        marks.write(path, mark_for(work, body))

    def _bury(self, path: Path, mark: Mark, work: Work, half: Half) -> None:
        key, deleted, by = burials.describe(mark, work, f"{path.parent.parent.name}-{tombstones.new_key(path)}")
        body = mark.body if mark.half == BURYING or not path.is_dir() else body_of(path, mark)
        owner = owner_of(path, mark)
        marks.write(path, mark._replace(body=body, half=BURYING, goal=None, more={"key": key, "deleted": deleted, "by": list(by)}))
        half()
        tombstones.bury(self._folder, path, Buried(key, owner.stack, owner.address, mark.part, body, deleted, by))
        half()
        marks.remove(path)

    def _destroy(self, path: Path, mark: Mark, half: Half) -> None:
        if mark.half == BURYING:
            tombstones.destroy(self._folder, mark.more["key"])
        marks.write(path, mark._replace(half=DELETING, goal=None, more={}))
        half()
        draft = image_folders.draft_of(path)
        _remove(draft)
        if path.exists():
            # File by file, it would be a snapshot that lacks some of them where this is cut off.
            path.rename(draft)
            durable_files.sync_folder(path.parent)
            half()
        _remove(draft)
        durable_files.sync_folder(path.parent)
        half()
        marks.remove(path)

    def sweep(self, work: Work) -> None:
        """Remove what a try left that did not get as far as a mark, and the folders that are empty then."""
        path = self._path(work)
        for draft in part_states.drafts_of(path):
            if draft.is_dir():
                _remove(draft)
            else:
                draft.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError:
            # Another snapshot lies there, or none ever did.
            return
        ownership.release(path.parent.parent)

    def _path(self, work: Work) -> Path:
        return image_folders.snapshot_path(self._folder, (work.step.after or work.step.before)["path"])


def _make_private(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        durable_files.sync_folder(folder.parent)


def owner_of(path: Path, mark: Mark) -> Owner:
    """Say whose a snapshot is: that of whom its VM's folder is."""
    return ownership.read_owner(path.parent.parent) or Owner(mark.stack, mark.address, mark.lineage)


def body_of(path: Path, mark: Mark) -> Part:
    """Return a snapshot as it is: with the memory that its hypervisor has put there."""
    body = mark.body
    if body is None:
        return None
    memory = snapshot_memory.read(path)
    if memory == body["memory"]:
        return body
    size = sum(disk["size"] for disk in body["disks"]) + (memory["size"] if memory else 0)
    return {**body, "memory": memory, "size": size}


def _remove(folder: Path) -> None:
    # Loaded when it is needed: it brings lzma along, and most steps of this provider remove no folder.
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
