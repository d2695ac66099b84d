"""What is there of one part, seen from outside: its mark, its object, and whether the two agree."""

import contextlib
import os
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Conflict
from herocloud.model.parts import ANOTHER, LOST, REPLACED
from herocloud.model.steps import BESIDE, KINDS, beside
from herocloud.providers import ownership
from herocloud.providers.images import file_identity, file_stamps, image_folders, marks, open_files
from herocloud.providers.images.file_stamps import Stamps
from herocloud.providers.images.marks import Mark
from herocloud.providers.ownership import Owner
from herocloud.providers.parts import Seen, same
from herocloud.providers.seam import Work

DELETING = "deleting"
"""What a mark says of an object that is being destroyed."""


def look(path: Path, work: Work) -> Seen:
    """Look at an object and its mark. What another address owns is not ours, even when it is equal."""
    mark = marks.read(path)
    size = size_of(path) if mark is None else None
    litter = any(draft.exists() for draft in drafts_of(path))
    if mark is None:
        if size is not None:
            return Seen(None, stray=stray(path))
        return Seen(None, litter=litter or (_in_vm(path) and ownership.is_bare(path.parent)))
    owner = owner_of(path, mark)
    if (owner.stack, owner.address) != (work.stack, work.step.address):
        return Seen(None, stray=f"`{path}` belongs to `{owner.address}` of stack `{owner.stack}`")
    lost = mark.half == DELETING and not path.exists()
    return Seen(body_of(path, mark, Stamps(data_folder(path))), mark.lineage, mark.half, litter=litter, lost=lost)


def stray(path: Path) -> str:
    """Say what lies in a place without a mark that says whose it is."""
    if marks.is_unreadable(path):
        return f"`{path}` has a mark that cannot be read, `{marks.mark_of(path)}`, so nobody can tell whose it is; move both away"
    return f"`{path}` has no mark, so it was not made by herocloud; move it away"


def refuse_taken_place(path: Path, work: Work) -> None:
    """Raise when the place is taken that what is made beside it is to get: nothing may be stopped for that."""
    if work.step.part.endswith(BESIDE):
        place = path.with_name(path.name.replace(BESIDE, ""))
        if os.path.lexists(place) and marks.read(place) is None:
            part = work.step.part.removesuffix(BESIDE)
            raise Conflict(f"File exists: the place of the {part} of `{work.step.address}` is taken: {stray(place)}")


def data_folder(path: Path) -> Path:
    """Return the data folder of an object, which lies in `vms/SID` or `volumes/STACK`."""
    return path.parent.parent.parent


def body_of(path: Path, mark: Mark, stamps: Stamps) -> Part:
    """Return the part as it is: with its real size, and with what is wrong about its file where something is.

    A file that is gone while somebody has it open is not gone yet: what it holds can be saved until then, and a new one in its place would
    hide that it has to be.
    """
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        status = None
    known = file_identity.read(mark.more) if mark.half is None else None
    wrong = "" if status is None else file_identity.judge(path, status, known)
    # A seed can be written again, no matter who has the old one open.
    lost = known is not None and not mark.part.startswith("seed") and (status is None or wrong)
    holder = open_files.find_holder(known, path.parent) if known is not None and lost else None
    if status is None and holder is None:
        return None
    if mark.body is None:
        return None
    size = status.st_size if status is not None and not wrong else holder.size if holder is not None else size_of(path)
    body = mark.body if size is None else with_size(mark.body, size)
    if holder is not None:
        return {**body, "file": f"{REPLACED if wrong == ANOTHER else LOST}{holder.path}"}
    if wrong:
        return {**body, "file": wrong}
    changed = stamps.judge(path, file_stamps.read(mark.more.get("stamp"))) if mark.half is None else ""
    return {**body, "content": changed} if changed else body


def look_at_place(path: Path, work: Work) -> Seen:
    """Look at an object that takes the place of another: while anything of it is left beside, it is not done."""
    seen = look(path, work)
    left = KINDS[work.step.kind].places and seen.current is not None and marks.read(image_folders.beside(path)) is not None
    return seen._replace(litter=True) if left and same(seen.current, work.step.after) else seen


def waiting(work: Work) -> Mark:
    """Return the mark of what waits beside the place that this step would put it in."""
    body = beside(work.step.after)
    return mark_for(work, body)._replace(part=f"{work.step.part}{BESIDE}")


def drafts_of(path: Path) -> tuple[Path, Path]:
    """Return where an object and its mark lie while they are written."""
    return image_folders.draft_of(path), image_folders.draft_of(marks.mark_of(path))


def claim_folder(path: Path, work: Work) -> None:
    """Make the folder of an object; a VM's is given to the VM."""
    if _in_vm(path):
        ownership.write_owner(path.parent, Owner(work.stack, work.step.address, work.lineage))
    else:
        image_folders.make_folder(path.parent)


def sweep(path: Path) -> None:
    """Remove what drafts were left, and the folder when nothing was ever finished in it."""
    for draft in drafts_of(path):
        draft.unlink(missing_ok=True)
    release_folder(path)


def release_folder(path: Path) -> None:
    """Remove the folder of an object that is gone, unless others need it."""
    if _in_vm(path):
        ownership.release(path.parent)
    else:
        # The last object takes the folder along; any other finds it in use.
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _in_vm(path: Path) -> bool:
    return path.parent.parent.name == image_folders.VMS


def owner_of(path: Path, mark: Mark) -> Owner:
    """Say whose an object is: what lies in a VM's folder belongs to whom the folder belongs."""
    if _in_vm(path) and (owner := ownership.read_owner(path.parent)) is not None:
        return owner
    return Owner(mark.stack, mark.address, mark.lineage)


def size_of(path: Path) -> int | None:
    """Return the size of an object; nothing when there is none."""
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def with_size(body: Part, size: int) -> Part:
    """Put the size that an object has into its part: a VMM that grows a disk under a running machine leaves the mark as it is."""
    if body is None or "size" not in body or body["size"] == size:
        return body
    return {**body, "size": size}


def mark_for(work: Work, body: Part, *, half: str | None = None, **more: Json) -> Mark:
    """Return the mark that says that this step is at work on a part, or has done it."""
    step = work.step
    return Mark(work.stack, step.address, work.lineage, step.part, body, half, step.after if half else None, more, work.serial)
