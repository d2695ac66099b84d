"""The mark of an object that somebody removed or damaged, put together again: the part from the record, the rest from its file.

A running VM that has the file open proves that it is the one of the record. Where nobody has it open, a plain file in the place of the
object is that object from now on, as it is where somebody swapped it (`lost_files` of the plan). A seed is written again, because its
mark was all that told whether somebody wrote into it; an image is looked up in the store again.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Conflict
from herocloud.model.parts import LOST, OTHERS, REPLACED, SNAPSHOT, without_mark
from herocloud.model.powers import MARK
from herocloud.providers import ownership, parts
from herocloud.providers.images import file_identity, image_folders, marks, open_files, part_states
from herocloud.providers.images.part_states import mark_for
from herocloud.providers.seam import Work
from herocloud.providers.vmm import identity

_WRITING = "being written"
"""What the mark of a seed says from which it is written again."""


def path_of(folder: Path, stack: str, address: str, part: str, body: Part) -> Path:
    """Return where the object of a part lies."""
    if part == "image":
        return image_folders.name_path(folder, stack, address)
    if part.startswith(SNAPSHOT):
        return image_folders.snapshot_path(folder, body["path"])
    return image_folders.object_path(folder, body["path"])


def look(path: Path, part: str, body: Part, sids: Iterable[str]) -> Part:
    """Return what is there of a part whose mark is lost, and how the mark was lost; nothing if the object is gone too.

    `body` is what is recorded of it, and `sids` are the VMs that have it open while they run.
    """
    seen = _look_at_object(path, part, body, sids)
    if seen is None:
        return None
    return {**seen, MARK: ownership.unreadable(marks.mark_of(path)) if os.path.lexists(marks.mark_of(path)) else ownership.GONE}


def _look_at_object(path: Path, part: str, body: Part, sids: Iterable[str]) -> Part:
    if part == "image" or part.startswith(SNAPSHOT):
        return body if part == "image" or path.is_dir() else None
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        status = None
    wrong = "" if status is None else file_identity.judge(path, status, None)
    if part.startswith("seed"):
        return None if status is None else {**body, "file": wrong} if wrong else body
    holder = open_files.find_nameless(path)
    if holder is not None:
        return {**part_states.with_size(body, holder.size), "file": f"{LOST if status is None or wrong else REPLACED}{holder.path}"}
    if status is None:
        return None
    if not wrong and part == "disk" and not all(_has_open(path, sid) for sid in sids):
        wrong = OTHERS
    sized = part_states.with_size(body, status.st_size)
    return {**sized, "file": wrong} if wrong else sized


def _has_open(path: Path, sid: str) -> bool:
    """Return whether a VM has its root disk open, or does not run."""
    process = identity.running(part_states.data_folder(path), sid)
    known = file_identity.identify(path)
    return process is None or known is None or open_files.has_open(process.pid, known, path.parent)


def is_lost(folder: Path, work: Work) -> bool:
    """Return whether the mark that a step is to write again is not there yet."""
    return _says_lost(work) and marks.read(_path_of_step(folder, work)) is None


def _says_lost(work: Work) -> bool:
    # A step that renames something is about its mark too, and says so by the name of its part.
    return work.step.part != "mark" and isinstance(work.step.before, dict) and MARK in work.step.before


def _path_of_step(folder: Path, work: Work) -> Path:
    return path_of(folder, work.stack, work.step.address, work.step.part, work.step.before)


def sound(work: Work) -> Work:
    """Return the work without what became of the mark: it is written again before anything else is done."""
    if not _says_lost(work):
        return work
    return work._replace(step=work.step._replace(before=without_mark(work.step.before), after=without_mark(work.step.after)))


def write_again(folder: Path, work: Work) -> Work:
    """Write the mark again that a step finds lost, and return what is left to do then."""
    before, rest, path = work.step.before, sound(work), _path_of_step(folder, work)
    whole = rest.step.before
    seen = look(path, work.step.part, whole, [path.parent.name] if work.step.part == "disk" else ())
    if seen is None or not parts.same(without_mark(seen), whole):
        raise Conflict(parts.describe(parts.Seen(seen), work))
    if not work.step.part.startswith("seed"):
        marks.write(path, mark_for(rest, whole))
        return rest
    marks.write(path, mark_for(rest, whole, half=_WRITING, old=None)._replace(goal=whole))
    changed: Json = {} if "file" in before else {"content": "changed"}
    return rest._replace(step=rest.step._replace(before={**whole, **changed}))
