"""A disk out of a snapshot in the place of what a VM has: the old one goes to a tombstone, the new one gets its name.

Before and after look the same from outside, so the mark remembers which restoring the disk is from. The order makes every crash plain: the
copy is whole before the old disk moves, and what lies in the tombstone is always the old one.
"""

from pathlib import Path

from herocloud.kits import durable_files
from herocloud.kits.sizes import format_size, show_size
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers import parts
from herocloud.providers.images import copies, image_folders, marks, open_files, part_states, tombstones
from herocloud.providers.images.image_folders import Ownership
from herocloud.providers.images.part_states import mark_for
from herocloud.providers.images.space import Room
from herocloud.providers.images.tombstones import Buried
from herocloud.providers.parts import Half
from herocloud.providers.seam import Found, Probe, Work

KINDS = ("disk.restore", "volume.restore")
_REPLACING, _GOING_BACK = "replacing", "going back"


class Replacements:
    """Puts disks of snapshots into their places in one data folder."""

    def __init__(self, folder: Path, room: Room, ownership: Ownership) -> None:
        """Work in a data folder."""
        self._folder, self._room, self._ownership = folder, room, ownership

    def probe(self, work: Work) -> Probe:
        """Say whether the disk is the one of this restoring."""
        path = self._path(work)
        seen, mark = part_states.look(path, work), marks.read(path)
        if mark is not None and mark.half in (_REPLACING, _GOING_BACK):
            return Probe(Found.PARTIAL, f"`{work.step.address}` is half-way: {work.step.part} is {mark.half}")
        if seen.stray is not None or not parts.same(seen.current, work.step.after):
            return Probe(Found.CONTRADICTED, parts.describe(seen, work))
        return Probe(Found.DONE if _is_from(work, mark) else Found.NOT_STARTED)

    def perform(self, work: Work, half: Half) -> None:
        """Put the copy into the place of the disk."""
        path, after = self._path(work), work.step.after
        mark = marks.read(path)
        if _is_from(work, mark) and path.exists():
            return
        resumed = mark is not None and mark.half == _REPLACING and mark.more.get("token") == work.step.origin["token"]
        if mark is None or not resumed:
            parts.refuse_unexpected(part_states.look(path, work), work)
        if mark is None:
            raise Conflict(f"`{path}` is gone")
        if not resumed:
            open_files.refuse_in_use(path, f"the {work.step.part} of `{work.step.address}`")
        key = mark.more["key"] if resumed else tombstones.new_key(path)
        deleted = mark.more["deleted"] if resumed else tombstones.now()
        was = marks.restoring_of(mark)
        marks.write(path, mark_for(work, after, half=_REPLACING, token=work.step.origin["token"], key=key, deleted=deleted, was=was))
        half()
        draft, moved = image_folders.draft_of(path), tombstones.holds(self._folder, key)
        if not moved:
            self._copy(work, draft)
            half()
            owner = part_states.owner_of(path, mark)
            if not work.purge:
                buried = Buried(key, owner.stack, owner.address, work.step.part, after, deleted, work.maker, was)
                tombstones.bury(self._folder, path, buried)
            half()
        if draft.exists():
            draft.replace(path)
            durable_files.sync_folder(path.parent)
        half()
        marks.write(path, mark_for(work, after, restored=work.step.origin["token"], key=key))

    def _copy(self, work: Work, draft: Path) -> None:
        source, size = image_folders.origin_path(self._folder, work.step.origin["path"]), work.step.after["size"]
        if not source.exists():
            raise Permanent(f"`{source}` is gone, so `{work.step.address}` cannot be restored from it")
        if source.stat().st_size > size:
            raise Permanent(f"`{work.step.address}`: {format_size(source.stat().st_size)} do not fit on a disk of {format_size(size)}")
        draft.unlink(missing_ok=True)
        try:
            copies.clone(
                source,
                draft,
                size=size,
                cancelled=work.cancelled,
                told=lambda done, total: work.progress(f"copying {show_size(total)}", done / total),
                before_copy=lambda: self._room.require_for_copy(copies.allocated(source), f"the {work.step.part} of `{work.step.address}`"),
            )
            self._ownership.give(draft)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def undo(self, work: Work, half: Half) -> None:
        """Bring back the disk that was replaced."""
        path, before = self._path(work), work.step.before
        mark = marks.read(path)
        ours = mark is not None and (_is_from(work, mark) or mark.more.get("token") == work.step.origin["token"])
        if mark is None or not ours:
            if tombstones.is_there(self._folder, work.maker):
                raise Conflict(
                    f"the {work.step.part} of `{work.step.address}` is from another restoring by now, which has to be undone first"
                )
            return
        key = mark.more["key"]
        buried = tombstones.read(self._folder, key)
        was = dict(buried.was) if buried is not None else marks.restoring_of(mark) if mark.half is not None else {}
        if tombstones.holds(self._folder, key):
            marks.write(path, mark_for(work, before, half=_GOING_BACK, token=work.step.origin["token"], key=key, was=was))
            half()
            tombstones.dig_up(self._folder, key, path)
        elif mark.half is None:
            raise Permanent(f"the data of `{work.step.address}` is gone: it was purged, so the restoring cannot be undone")
        tombstones.destroy(self._folder, key)
        image_folders.draft_of(path).unlink(missing_ok=True)
        half()
        marks.write(path, mark_for(work, before, **was))

    def _path(self, work: Work) -> Path:
        return image_folders.object_path(self._folder, work.step.after["path"])


def _is_from(work: Work, mark: marks.Mark | None) -> bool:
    return mark is not None and mark.half is None and mark.more.get("restored") == work.step.origin["token"]
