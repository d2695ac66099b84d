"""Uploads that nobody needs any more: their plan cannot be applied any more, and no apply that did not end goes on with them.

There are secrets among them, which are written into seeds and needed for nothing afterwards. What VMs use where it lies stays with them:
kernels, which are read at each boot, and what they share.
"""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from herocloud.model.errors import Refused
from herocloud.model.worlds import Record
from herocloud.operations import plan_files, unfinished
from herocloud.rpc.jobs import shelf, uploads
from herocloud.rpc.jobs.desk import Desk
from herocloud.stack.catalogue import IMAGE_FILES

_SPARE_SECONDS = 600.0
"""For how long a stack may be planned after its files have come."""
_APPLYING = frozenset({"apply_plan", "resume_stack", "undo"})
"""Methods whose jobs may read uploads before anything of them is in the journal."""


def sweep(desk: Desk, began: float) -> None:
    """Remove what was sent to an earlier daemon than the one that began then, and what was sent so long ago that its plan is too old."""
    remove(desk, max(began, time.time() - shelf.SECONDS - _SPARE_SECONDS))


def remove(desk: Desk, before: float = float("inf")) -> None:
    """Remove all that was sent before then to a daemon of this data folder, and that nothing needs."""
    desk.shelf.drop_old()
    old = [folder for folder in uploads.folders(desk.runtime, desk.folder) if uploads.sent_at(folder) < before]
    if not old or any(job.method in _APPLYING for job in desk.jobs.open()):
        return
    pending = list(_unfinished_plans(desk.folder))
    old = [folder for folder in old if not any(str(folder) in plan for plan in pending)]
    # What is here without a record uses them, too; a look by another thread would end after this daemon has closed its files.
    desk.sight.look_now()
    recorded = desk.with_unrecorded()
    records = [record for known in (recorded.records, recorded.lost) for stack in known.values() for record in stack.values()]
    used = [Path(path) for path in _used_in_place(records)]
    for folder in old:
        _remove_unused(folder, [path for path in used if path.is_relative_to(folder)])


def _unfinished_plans(folder: Path) -> Iterator[str]:
    """Yield the plans of applies that run or did not end, as text."""
    for pending in unfinished.list_unfinished(folder):
        try:
            plan, _ = unfinished.load(folder, pending)
        except Refused:
            # It came to its end in between.
            continue
        yield plan_files.dump(plan).decode()


def _used_in_place(records: Iterable[Record]) -> Iterator[str]:
    for record in records:
        if record.kind == "image":
            yield from (str(record.spec[key]).removeprefix("file://") for key in IMAGE_FILES if record.spec.get(key))
        yield from (str(share["path"]) for share in record.spec.get("shares") or ())


def _remove_unused(folder: Path, used: list[Path]) -> None:
    """Remove the files of an upload but those that are used where they lie; the folder goes with its last file."""
    if folder in used:
        return
    for parent, folders, names in os.walk(folder, topdown=False):
        # A guest may have put links into what it shared.
        for file in (Path(parent, name) for name in (*names, *folders)):
            if (file.is_symlink() or not file.is_dir()) and not any(file.is_relative_to(path) for path in used):
                file.unlink(missing_ok=True)
        if not any(Path(parent).is_relative_to(path) for path in used) and not os.listdir(parent):  # noqa: PTH208  (names, no paths)
            os.rmdir(parent)  # noqa: PTH106  (as os.walk names it)
    if not folder.exists():
        uploads.forget(folder)
