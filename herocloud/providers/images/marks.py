"""Marks: what lies beside every object and says whose it is, what it is, and whether somebody is at work on it.

A change writes its mark before it touches the object and again when it is done, so that after a crash the mark tells `half-way` wherever
the object may be in between. Extended attributes were the alternative; they do not survive `cp` and many backups, and nobody sees them.

A mark that cannot be read is none. `unmarked_objects` puts one together again for an object that the state knows.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons, plain_files
from herocloud.kits.jsons import Json, Part
from herocloud.model.powers import MARK
from herocloud.providers.images import file_identity, file_stamps, image_folders

ENDING = ".mark"
_ATTEMPTS = 20
_MOST_BYTES = 1024**2
WRONG = ("file", "content", "kernel_file", "initramfs_file", MARK)
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
    """Read the mark of an object; nothing when it has none that can be read."""
    try:
        content = _read_file(mark_of(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _parse([(path, content)])[0]


def is_unreadable(path: Path) -> bool:
    """Return whether something lies in the place of the mark of an object and tells nothing."""
    return os.path.lexists(mark_of(path)) and read(path) is None


def read_all(folders: Iterable[Path]) -> list[tuple[Path, Mark | None]]:
    """Read every mark in some folders, in the order of their names: each object with its mark, or nothing where that cannot be read."""
    contents = [(_object_of(place), content) for folder in folders for place, content in _scan(folder)]
    return list(zip([path for path, _ in contents], _parse(contents), strict=True))


def _read_file(place: Path) -> bytes:
    """Return what a mark holds; nothing where no file lies there that has an end."""
    try:
        return plain_files.read(place, _MOST_BYTES)
    except (plain_files.NotPlain, IsADirectoryError):
        return b""


def _parse(contents: Sequence[tuple[Path, bytes]]) -> list[Mark | None]:
    """Read many marks in one go: a JSON parser called ten thousand times spends most of its time on being called."""
    try:
        bodies = jsons.loads(b"[" + b",".join([content for _, content in contents]) + b"]")
    except ValueError:
        bodies = []
    if len(bodies) == len(contents):
        return [_mark_of(body, path) for body, (path, _) in zip(bodies, contents, strict=True)]
    # One of them is damaged; alone it says which.
    return [_parse([one])[0] for one in contents] if len(contents) > 1 else [None] * len(contents)


def _mark_of(body: Json, path: Path) -> Mark | None:
    """Return a mark; nothing where somebody wrote something else there, or copied it from beside another object."""
    try:
        mark = Mark(**body)
    except TypeError:
        return None
    sound = (
        all(isinstance(text, str) for text in mark[:_TEXTS])
        and (mark.half is None or isinstance(mark.half, str))
        and type(mark.serial) is int
        and _remembers(mark.more)
        and all(_is_part(part, mark.part, path) for part in (mark.body, mark.goal))
    )
    return mark if sound else None


def _remembers(more: Json) -> bool:
    """Return whether this can be what the kind of an object remembers: which file it is, what was in it, which content it points at."""
    if not isinstance(more, dict):
        return False
    stamps = more.get("stamps") or {}
    if not isinstance(stamps, dict) or (more.get("key") is not None and type(more.get("size", 0)) is not int):
        return False
    lists = [(more.get("file"), (2, 3)), (more.get("stamp"), (5,)), *((stamped, (5,)) for stamped in stamps.values())]
    return all(numbers is None or (isinstance(numbers, list) and len(numbers) in lengths) for numbers, lengths in lists)


_TEXTS = 4
"""How many fields of a mark are texts, from its first one on."""
_FIELDS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "disk": {"size": int}, "volume": {"size": int}, "snapshot": {"size": int, "disks": list},
    "image": {"source": (str, type(None)), "sha256": (str, type(None))},
}  # fmt: skip
"""What parts have that are reckoned with or looked up, by the first word of their name."""


def _is_part(part: Part, name: str, path: Path) -> bool:
    """Return whether this can be a part with a name, and lies where it says."""
    if part is None:
        return True
    if not isinstance(part, dict) or not str(path).endswith(f"/{part['path']}" if "path" in part else path.name):
        return False
    return all(isinstance(part.get(field), kind) for field, kind in _FIELDS.get(name.partition(".")[0], {}).items())


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
        except IsADirectoryError:
            if number:
                raise
            # Somebody put a folder there; only one with something in it is left to them.
            with contextlib.suppress(OSError):
                place.rmdir()
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
    except IsADirectoryError:
        place.rmdir()
    # The process that removed the last object beside this one may have taken the folder along already.
    with contextlib.suppress(FileNotFoundError):
        durable_files.sync_folder(place.parent)


def _scan(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield place and content of every mark in a folder, in the order of their names."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(ENDING) and not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        place = folder / name
        try:
            yield place, _read_file(place)
        except FileNotFoundError:
            # It went between the two looks.
            continue


def _object_of(place: Path) -> Path:
    """Return the object that a mark belongs to."""
    return place.with_name(place.name.removesuffix(ENDING))
