"""Root disks and volumes: raw files with holes.

Raw and not qcow2, because Cloud Hypervisor has open reports of corruption with the latter and a raw file can be shared by reflink, grown by
a truncate and read by everything. A root disk begins as a copy of its image, a volume as a hole.

A rename of a volume changes its mark and leaves the file where it is, open or not. A VM's rename is its hypervisor's: what lies in the
VM's folder belongs to whom the folder belongs (`providers.ownership`).
"""

import os
from pathlib import Path

from herocloud.kits import durable_files, faults
from herocloud.kits.jsons import Part
from herocloud.kits.sizes import format_size, show_size
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.parts import ANOTHER
from herocloud.model.steps import BESIDE, KINDS
from herocloud.providers.images import burials, copies, image_folders, image_names, marks, open_files, part_states, tombstones
from herocloud.providers.images.burials import BURYING, RESTORING
from herocloud.providers.images.content_store import Entry, Store
from herocloud.providers.images.image_folders import Ownership
from herocloud.providers.images.marks import Mark
from herocloud.providers.images.part_states import DELETING, mark_for
from herocloud.providers.images.space import Room
from herocloud.providers.images.tombstones import Buried
from herocloud.providers.parts import Half, Seen
from herocloud.providers.seam import Found, Probe, Work

_COPYING, _GROWING, _SHRINKING = "copying", "growing", "shrinking"
_PLACING = "being put in its place"


class Disks:
    """Makes, grows and deletes the disks of one data folder."""

    def __init__(self, folder: Path, store: Store, room: Room, ownership: Ownership) -> None:
        """Copy images out of `store`; disks belong to the VMM's user."""
        self._folder, self._store, self._room, self._ownership = folder, store, room, ownership

    def look(self, work: Work) -> Seen:
        """Say what is there."""
        return part_states.look_at_place(self._path(work), work)

    def make(self, work: Work, half: Half) -> None:
        """Copy the image, or make a hole, beside the place of the disk; it gets its name when it is whole."""
        path, after = self._path(work), work.step.after
        mark = marks.read(path)
        if mark is not None and mark.half == BURYING:
            self._bury(path, mark, work, half)
        if KINDS[work.step.kind].places and self._place(path, work, half):
            return
        part_states.refuse_taken_place(path, work)
        source = None if work.step.origin is not None else self._source(work, after)
        part_states.claim_folder(path, work)
        marks.write(path, mark_for(work, None, half=_COPYING))
        half()
        draft = image_folders.draft_of(path)
        draft.unlink(missing_ok=True)
        try:
            self._write(work, draft, source, after["size"])
            half()
            draft.rename(path)
        except BaseException:
            # Half a copy may be gigabytes, on a disk that has just run full.
            draft.unlink(missing_ok=True)
            raise
        durable_files.sync_folder(path.parent)
        half()
        marks.write(path, mark_for(work, after))

    def _place(self, path: Path, work: Work, half: Half) -> bool:
        """Put the disk that was prepared in its place; tells whether there was one. One that has gone since is made now."""
        ready, own = image_folders.beside(path), marks.read(path)
        if own is None or own.half != _PLACING:
            prepared, size = marks.read(ready), part_states.size_of(ready)
            if prepared is None or prepared.half is not None or size is None:
                return False
            if {**(prepared.body or {}), "path": work.step.after["path"], "size": size} != work.step.after:
                return False
        part_states.claim_folder(path, work)
        marks.write(path, mark_for(work, None, half=_PLACING))
        half()
        if ready.exists():
            ready.rename(path)
            durable_files.sync_folder(path.parent)
        half()
        if not path.exists():
            return False
        marks.remove(ready)
        marks.write(path, mark_for(work, work.step.after))
        return True

    def _put_back(self, path: Path, mark: Mark, work: Work, half: Half) -> None:
        """Put a disk beside its place again, where it was prepared."""
        ready = image_folders.beside(path)
        marks.write(path, mark._replace(half=_PLACING))
        half()
        if path.exists():
            path.rename(ready)
            durable_files.sync_folder(path.parent)
        half()
        if ready.exists():
            marks.write(ready, part_states.waiting(work))
        marks.remove(path)

    def _write(self, work: Work, draft: Path, source: Entry | None, size: int) -> None:
        if work.step.origin is not None:
            self._copy(work, draft, image_folders.origin_path(self._folder, work.step.origin["path"]), size)
        elif source is None:
            descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(descriptor, size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        else:
            self._copy(work, draft, self._store.content(source.key), size)
        self._ownership.give(draft)

    def _copy(self, work: Work, draft: Path, content: Path, size: int) -> None:
        if not content.exists():
            raise Permanent(f"`{content}` is gone, so the {work.step.part} of `{work.step.address}` cannot be copied from it")
        if content.stat().st_size > size:
            smaller = f"{format_size(content.stat().st_size)} do not fit on a disk of {format_size(size)}"
            raise Permanent(f"`{work.step.address}`: {smaller}")
        copies.clone(
            content,
            draft,
            size=size,
            cancelled=work.cancelled,
            told=lambda done, total: work.progress(f"copying {show_size(total)}", done / total),
            before_copy=lambda: self._room.require_for_copy(copies.allocated(content), f"the root disk of `{work.step.address}`"),
        )

    def _source(self, work: Work, after: Part) -> Entry | None:
        """Return the content that a disk begins as; nothing for an empty one."""
        identity, size = after.get("source"), after["size"]
        if size <= 0:
            raise Permanent(f"`{work.step.address}`: a disk of {size} bytes is impossible")
        if identity is None:
            return None
        entry = image_names.find_content(self._folder, self._store, work.stack, after["image"], identity)
        if entry is None:
            raise Permanent(f"`{work.step.address}`: image `{after['image']}` is not in the store; it has to be fetched first")
        if entry.size > size:
            raise Permanent(
                f"`{work.step.address}`: image `{after['image']}` is {format_size(entry.size)} and does not fit on a disk of "
                f"{format_size(size)}. Give `root_disk` at least that size."
            )
        return entry

    def change(self, work: Work, before: Part, half: Half) -> None:
        """Grow in place. The room behind the old end is a hole, so it takes a truncate and no copying."""
        path, after = self._path(work), work.step.after
        mark = marks.read(path)
        if before.get("file") not in (None, ANOTHER):
            raise Conflict(f"the file of `{work.step.address}` was {before['file']}; `herocloud plan` shows how its data is saved")
        if mark is None or before["path"] != after["path"] or before.get("source") != after.get("source"):
            raise Permanent(f"`{work.step.address}`: a disk stays where it is and what it was made from; this change needs a new one")
        if after["size"] < before["size"]:
            raise Permanent(
                f"`{work.step.address}`: shrinking from {format_size(before['size'])} to {format_size(after['size'])} would destroy data"
            )
        started = mark.more["from"] if mark.half == _GROWING else before["size"]
        was = marks.restoring_of(mark)
        marks.write(path, mark_for(work, mark.body, half=_GROWING, **{"from": started}, was=was))
        half()
        _resize(path, after["size"])
        half()
        # The moment tells later whether anybody has written to the disk since, and so whether it may shrink again.
        marks.write(path, mark_for(work, after, grown_from=started, untouched=path.stat().st_mtime_ns, **was))

    def drop(self, work: Work, half: Half) -> None:
        """Put the disk into a tombstone, or destroy it at once."""
        path = self._path(work)
        mark = marks.read(path)
        if mark is None:
            part_states.sweep(path)
            return
        open_files.refuse_in_use(path, f"the {work.step.part} of `{work.step.address}`")
        # What was never whole holds nothing of anybody's.
        never_whole = mark.body is None and mark.half in (_COPYING, _PLACING)
        if work.purge or never_whole or mark.half == DELETING or work.step.part.endswith(BESIDE):
            self._destroy(path, mark, half)
        else:
            self._bury(path, mark, work, half)
        part_states.release_folder(path)

    def _bury(self, path: Path, mark: Mark, work: Work, half: Half) -> None:
        key, deleted, by = burials.describe(mark, work, tombstones.new_key(path))
        body = part_states.with_size(mark.body, size) if (size := part_states.size_of(path)) is not None else mark.body
        owner, was = part_states.owner_of(path, mark), marks.restoring_of(mark)
        more = {"key": key, "deleted": deleted, "by": list(by), "was": was}
        marks.write(path, mark._replace(body=body, half=BURYING, goal=None, more=more))
        half()
        tombstones.bury(self._folder, path, Buried(key, owner.stack, owner.address, mark.part, body, deleted, by, was))
        half()
        marks.remove(path)

    def _destroy(self, path: Path, mark: Mark, half: Half) -> None:
        if mark.half == BURYING:
            tombstones.destroy(self._folder, mark.more["key"])
        marks.write(path, mark._replace(half=DELETING, goal=None, more={}))
        half()
        self._unlink(path)
        half()
        marks.remove(path)

    def unmake(self, work: Work, half: Half) -> None:
        """Destroy what was made: it held nothing of anybody's until the step that is taken back."""
        path = self._path(work)
        mark = marks.read(path)
        if mark is not None and KINDS[work.step.kind].places:
            self._put_back(path, mark, work, half)
        elif mark is not None:
            open_files.refuse_in_use(path, f"the {work.step.part} of `{work.step.address}`")
            self._destroy(path, mark, half)
        self.sweep(work)

    def unchange(self, work: Work, half: Half) -> None:
        """Give back room that a disk has grown by, as long as nobody has written to the disk since."""
        path, before = self._path(work), work.step.before
        mark = marks.read(path)
        size = part_states.size_of(path)
        if mark is None or size is None:
            raise Conflict(f"`{path}` is gone")
        if why := self.why_it_stays(work):
            raise Permanent(why)
        was = marks.restoring_of(mark)
        marks.write(path, mark._replace(half=_SHRINKING, goal=before, more={**mark.more, "was": was}))
        half()
        _resize(path, before["size"])
        marks.write(path, mark._replace(body=before, half=None, goal=None, more=was))

    def why_it_stays(self, work: Work) -> str:
        """Say why a disk that grew does not get its earlier size back; nothing where it does."""
        path = self._path(work)
        mark, size = marks.read(path), part_states.size_of(path)
        if mark is None or size is None or size <= work.step.before["size"] or mark.half in (_GROWING, _SHRINKING):
            return ""
        if mark.more.get("untouched") == path.stat().st_mtime_ns:
            return ""
        return (
            f"`{work.step.address}` was written to after it grew to {format_size(size)}, so the new room may be in use. "
            "The disk stays that large."
        )

    def restore(self, work: Work, half: Half) -> None:
        """Bring deleted data back."""
        path, before, step = self._path(work), work.step.before, work.step
        mark = marks.read(path)
        key, buried = burials.find_return(self._folder, work, mark)
        if buried is None and part_states.size_of(path) is None:
            raise Permanent(f"the data of `{step.address}` is gone: `{before['path']}` was purged, so its deletion cannot be undone")
        body = buried.body if buried else mark.body if mark else before
        was = dict(buried.was) if buried else marks.restoring_of(mark)
        part_states.claim_folder(path, work)
        marks.write(path, mark_for(work, body, half=RESTORING, key=key, was=was))
        half()
        if key:
            tombstones.dig_up(self._folder, key, path)
        half()
        marks.write(path, mark_for(work, body, **was))

    def _unlink(self, path: Path) -> None:
        for file in (image_folders.draft_of(path), path):
            file.unlink(missing_ok=True)
        durable_files.sync_folder(path.parent)

    def sweep(self, work: Work) -> None:
        """Remove drafts of a try that did not get as far as a mark, and what a disk in its place has left beside."""
        path = self._path(work)
        ready = image_folders.beside(path)
        if KINDS[work.step.kind].places and path.exists() and not ready.exists():
            marks.remove(ready)
        part_states.sweep(path)

    def _path(self, work: Work) -> Path:
        part = work.step.after or work.step.before
        return image_folders.object_path(self._folder, part["path"])


def _resize(path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


MOVE = "volume.move"


def move_volume(folder: Path, work: Work, *, back: bool = False) -> None:
    """Give a volume its new address, or its old one again; one that has it already is left alone."""
    origin, target = _ends(work)
    if back:
        origin, target = target, origin
    old, new = _find(folder, work, origin), _find(folder, work, target)
    if old is None:
        if new is None:
            raise Permanent(f"neither `{origin}` nor `{target}` exists, so there is nothing to rename")
        return
    if new is not None:
        raise Conflict(f"File exists: `{target}` is there already, so `{origin}` cannot take its name")
    mark = marks.read(old)
    if mark is None:
        raise Conflict(f"`{origin}` went away while it was renamed")
    faults.reached(f"images.{'undo.' if back else ''}{MOVE}.half")
    marks.write(old, mark._replace(address=target, lineage=work.lineage))


def probe_move(folder: Path, work: Work) -> Probe:
    """Say which of the two addresses there is."""
    origin, target = _ends(work)
    old, new = (_find(folder, work, address) is not None for address in (origin, target))
    if old and new:
        return Probe(Found.CONTRADICTED, f"both `{origin}` and `{target}` exist")
    if not old and not new:
        return Probe(Found.CONTRADICTED, f"neither `{origin}` nor `{target}` exists")
    return Probe(Found.DONE if new else Found.NOT_STARTED)


def _ends(work: Work) -> tuple[str, str]:
    return work.step.before["address"], work.step.after["address"]


def _find(folder: Path, work: Work, address: str) -> Path | None:
    """Return the volume that has an address; its file keeps the name it was made with."""
    for path, mark in marks.read_all([folder / image_folders.VOLUMES / work.stack]):
        if mark is not None and mark.address == address and path.exists():
            return path
    return None
