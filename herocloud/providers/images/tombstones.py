"""Tombstones: deleted data that is still there, until its time to live passes or somebody purges it.

A disk is renamed into a folder, with a note beside it: that costs nothing, and what was deleted comes back as it was. The note is written
first, so that data never lies there without saying what it is.
"""

import errno
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.kits import durable_files, jsons
from herocloud.kits.jsons import Json, Part
from herocloud.model import makers
from herocloud.model.errors import Permanent
from herocloud.model.ids import Address, StackName
from herocloud.model.makers import Maker
from herocloud.providers import tombstone_choice
from herocloud.providers.images import image_folders, part_states
from herocloud.providers.seam import Tombstone, Work

_DATA, _NOTE = image_folders.BURIED, "note.json"


class Buried(NamedTuple):
    """What a tombstone says."""

    key: str
    stack: str
    address: str
    part: str
    body: Part
    deleted: float
    by: Maker = ()
    """The step that made it; nothing in notes from before that was written down."""
    was: Mapping[str, Json] = {}
    """Which restoring it was from, as its mark said (`marks.restoring_of`)."""


def new_key(path: Path) -> str:
    """Name a new tombstone after what it keeps; no two ever have the same name."""
    return f"{path.parent.name}-{path.stem}-{os.urandom(4).hex()}"


def bury(folder: Path, path: Path, what: Buried) -> None:
    """Move data into its tombstone. Going on after a crash: what has been moved already stays there."""
    place = _place(folder, what.key)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    durable_files.sync_folder(place.parent)
    note = place / _NOTE
    durable_files.write_durably(note, jsons.dumps(what._asdict()).encode(), draft=image_folders.draft_of(note))
    if not path.exists():
        return
    try:
        path.rename(place / _DATA)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise Permanent(
                f"`{path}` lies on another file system than the data folder, so it cannot be kept; delete it with `--purge`"
            ) from error
        raise
    durable_files.sync_folder(place)
    durable_files.sync_folder(path.parent)


def find(folder: Path, work: Work, path: str) -> Buried | None:
    """Return the tombstone that a step brings back. It must have the step's path; its size may differ, because disks get resized by hand.

    The path of a root disk names its VM, whatever the VM was called when it went.
    """
    step = work.step
    fitting = [
        tombstone
        for tombstone in _read_all(folder)[::-1]
        if (tombstone.stack, tombstone.part) == (work.stack, step.part) and tombstone.body["path"] == path
    ]
    own = any(tombstone.address == step.address for tombstone in fitting)
    fits = [tombstone.address == step.address or (step.part == "disk" and not own) for tombstone in fitting]
    chosen = tombstone_choice.choose_tombstone([tombstone.by for tombstone in fitting], work, unmarked=fits)
    return None if chosen is None else fitting[chosen]


def read(folder: Path, key: str) -> Buried | None:
    """Return what a tombstone says; nothing when there is none under this key."""
    try:
        said: dict[str, Any] = jsons.loads((_place(folder, key) / _NOTE).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return Buried(**{**said, "by": tuple(said.get("by", ()))})


def dig_up(folder: Path, key: str, path: Path) -> None:
    """Move data back to where it was, and take its tombstone away; going on after a crash is fine."""
    place = _place(folder, key)
    if (place / _DATA).exists():
        (place / _DATA).rename(path)
        durable_files.sync_folder(path.parent)
    destroy(folder, key)


def destroy(folder: Path, key: str) -> bool:
    """Destroy a tombstone with what it keeps; tells whether there was one. The note goes last: it is what a list finds."""
    place = _place(folder, key)
    if not place.is_dir():
        return False
    note = place / _NOTE
    if (place / _DATA).is_dir():
        import shutil  # brings lzma along, which nobody needs to open this provider

        shutil.rmtree(place / _DATA)
    for path in (place / _DATA, image_folders.draft_of(note), note):
        path.unlink(missing_ok=True)
    place.rmdir()
    durable_files.sync_folder(place.parent)
    return True


def list_tombstones(folder: Path) -> list[Tombstone]:
    """List everything buried, oldest first, with what it really takes on the disk."""
    return [
        Tombstone(
            tombstone.key,
            StackName(tombstone.stack),
            Address(tombstone.address),
            _bytes(_place(folder, tombstone.key)),
            tombstone.deleted,
            tombstone.by,
        )
        for tombstone in _read_all(folder)
    ]


def total_bytes(folder: Path) -> int:
    """Add up what deleted data still takes."""
    return sum(_bytes(_place(folder, key)) for key in _keys(folder))


def now() -> float:
    """Tell when something is deleted, so that tests can set it."""
    return time.time()


def is_there(folder: Path, maker: Maker) -> bool:
    """Return whether there is a tombstone of this maker."""
    return any(makers.is_same(tombstone.by, maker) for tombstone in _read_all(folder))


def _read_all(folder: Path) -> list[Buried]:
    buried = [tombstone for key in _keys(folder) if (tombstone := read(folder, key)) is not None]
    return sorted(buried, key=lambda one: (one.deleted, one.key))


def _keys(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in os.scandir(folder / image_folders.TOMBSTONES) if entry.is_dir())
    except FileNotFoundError:
        return []


def holds(folder: Path, key: str) -> bool:
    """Return whether the data of a tombstone is in it."""
    return (_place(folder, key) / _DATA).exists()


def _bytes(place: Path) -> int:
    data = place / _DATA
    if data.is_dir():
        return sum(path.stat().st_blocks * 512 for path in data.rglob("*") if path.is_file())
    return 0 if part_states.size_of(data) is None else data.stat().st_blocks * 512


def _place(folder: Path, key: str) -> Path:
    if not key or "/" in key or key in (".", ".."):
        raise Permanent(f"`{key}` is not a key of a tombstone")
    return folder / image_folders.TOMBSTONES / key
