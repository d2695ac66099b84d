"""Marks: what lies beside every object and says whose it is, what it is, and whether somebody is at work on it.

A change writes its mark before it touches the object and again when it is done, so that after a crash the mark tells `half-way` wherever
the object may be in between. Extended attributes were the alternative; they do not survive `cp` and many backups, and nobody sees them.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons
from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Permanent
from herocloud.providers.images import file_identity, file_stamps, image_folders

ENDING = ".mark"
_ATTEMPTS = 20
WRONG = ("file", "content", "kernel_file", "initramfs_file")
"""Fields of a part that say what is wrong with its files."""


class Mark(NamedTuple):
    """What is known of an object."""

    stack: str
    address: str
    lineage: str
    part: str
    body: Part
    """The part as it was made last; nothing while it is made for the first time."""
    half: str | None = None
    """A word for the work that has begun and is not known to have ended."""
    goal: Part = None
    """Where that work goes."""
    more: Mapping[str, Json] = {}
    """What the object's own kind has to remember."""
    serial: int = 0
    """Of the state when this was written."""


def restoring_of(mark: Mark | None) -> dict[str, Json]:
    """Return which restoring a whole disk is from and where the one before it lies, as its mark says; nothing for any other disk."""
    if mark is None:
        return {}
    if mark.half is not None:
        return dict(mark.more.get("was") or {})
    return {field: mark.more[field] for field in ("restored", "key") if "restored" in mark.more}


def mark_of(path: Path) -> Path:
    """Return where the mark of an object lies."""
    return path.with_name(path.name + ENDING)


def read(path: Path) -> Mark | None:
    """Read the mark of an object; nothing when it has none."""
    place = mark_of(path)
    try:
        content = place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return parse([(place, content)])[0]


def parse(contents: Iterable[tuple[Path, bytes]]) -> list[Mark]:
    """Read many marks in one go: a JSON parser called ten thousand times spends most of its time on being called."""
    found = list(contents)
    try:
        bodies = jsons.loads(b"[" + b",".join([content for _, content in found]) + b"]")
        return [Mark(**body) for body in bodies]
    except (ValueError, TypeError):
        if len(found) == 1:
            place = found[0][0]
            raise Permanent(
                f"the mark `{place}` is damaged, so nobody can tell what lies beside it; restore it from a backup, or move both away"
            ) from None
    # One of them is damaged; alone it says which.
    return [parse([one])[0] for one in found]


def write(path: Path, mark: Mark) -> None:
    """Write the mark of an object durably. One that says that its object is whole remembers which file that is."""
    mark = mark._replace(body=_plain(mark.body), goal=_plain(mark.goal))
    if mark.half is None and mark.body is not None and "file" not in mark.more:
        mark = mark._replace(more={**mark.more, **_identity(path, mark.part)})
    place, content = mark_of(path), jsons.dumps(mark._asdict()).encode()
    for number in range(_ATTEMPTS):
        try:
            if number or not place.parent.is_dir():
                image_folders.make_folder(place.parent)
            durable_files.write_durably(place, content, draft=image_folders.draft_of(place))
        except (FileNotFoundError, FileExistsError):
            # The process that removed the last object beside this one has just taken the folder of both along.
            if number == _ATTEMPTS - 1:
                raise
        else:
            return


def _identity(path: Path, part: str) -> dict[str, Json]:
    found = file_identity.identify(path)
    if found is None:
        return {}
    return {"file": found, "stamp": file_stamps.stamp(path)} if part.startswith("seed") else {"file": found}


def _plain(body: Part) -> Part:
    """Return a part without what was wrong with it: that is looked at again each time."""
    return {field: value for field, value in body.items() if field not in WRONG} if isinstance(body, dict) else body


def remove(path: Path) -> None:
    """Take the mark of an object away, durably; nothing happens when there is none."""
    place = mark_of(path)
    image_folders.draft_of(place).unlink(missing_ok=True)
    try:
        place.unlink()
    except FileNotFoundError:
        return
    # The process that removed the last object beside this one may have taken the folder along already.
    with contextlib.suppress(FileNotFoundError):
        durable_files.sync_folder(place.parent)


def scan(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield place and content of every mark in a folder, in the order of their names."""
    import os

    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(ENDING) and not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        place = folder / name
        try:
            yield place, place.read_bytes()
        except FileNotFoundError:
            # It went between the two looks.
            continue


def object_of(place: Path) -> Path:
    """Return the object that a mark belongs to."""
    return place.with_name(place.name.removesuffix(ENDING))
