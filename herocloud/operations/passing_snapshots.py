"""Snapshots that are only taken for a copy: which there are, and which were left by a command that was killed.

A command that copies a VM holds a mark below `DATA/copies` locked for as long as it runs, and removes it once its snapshot is deleted. So
a mark that nobody holds says what a command that was killed has left. An apply that did not end may go on copying from it, and keeps it.
"""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, StackName
from herocloud.operations import lookups
from herocloud.operations import snapshot_requests as snapshots
from herocloud.operations.deployment import STACK

_FOLDER = "copies"


class Passing(NamedTuple):
    """A snapshot that was taken for a copy."""

    stack: StackName
    address: Address
    name: str
    command: str
    """What copied: `vm clone` or `vm export`."""
    created: int
    """When it was to be taken; a snapshot of this name from another moment is somebody else's, and stays."""


@contextmanager
def marked(folder: Path, passing: Passing) -> Iterator[Path]:
    """Mark a snapshot as one that goes after its copy; the caller removes the mark once it is deleted."""
    place = folder / _FOLDER
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place / f"{passing.stack}.{passing.address}.{passing.name}"
    with _locked(path, os.O_CREAT) as descriptor:
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, jsons.dumps(passing._asdict()).encode(), 0)
        yield path


def unmark(folder: Path, passing: Passing, path: Path) -> None:
    """Remove the mark of a copy that failed, unless its snapshot is there or an apply waits that may still need it."""
    unfinished = {pending.stack for pending in lookups.read_recorded(folder).unfinished}
    if _is_idle(folder, passing, unfinished):
        path.unlink(missing_ok=True)


@contextmanager
def left(folder: Path) -> Iterator[list[tuple[Passing, Path]]]:
    """Hold what commands that were killed have left, and that nobody needs any more; marks of snapshots that are gone are removed."""
    found: list[tuple[Passing, Path]] = []
    with _all_locked(folder / _FOLDER) as marks:
        unfinished = {pending.stack for pending in lookups.read_recorded(folder).unfinished} if marks else set()
        for path, descriptor in marks:
            passing = _read(descriptor)
            if passing is None or _is_idle(folder, passing, unfinished):
                path.unlink(missing_ok=True)
            elif passing.stack not in unfinished and STACK not in unfinished:
                found.append((passing, path))
        yield found


def _is_idle(folder: Path, passing: Passing, unfinished: Collection[StackName]) -> bool:
    return passing.stack not in unfinished and STACK not in unfinished and not _is_there(folder, passing)


def _is_there(folder: Path, passing: Passing) -> bool:
    try:
        found = snapshots.list_all(folder, [passing.address], passing.stack)
    except Refused:
        # Its VM is gone, and with it all its snapshots.
        return False
    return any((snapshot.name, snapshot.part["created"]) == (passing.name, passing.created) for snapshot in found)


def _read(descriptor: int) -> Passing | None:
    try:
        return Passing(**jsons.loads(os.pread(descriptor, 65536, 0)))
    except (ValueError, TypeError):
        return None


@contextmanager
def _locked(path: Path, flags: int = 0) -> Iterator[int | None]:
    """Lock a mark, and keep it locked; nothing where somebody holds it, or it has just gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o600)
    except FileNotFoundError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor if path.exists() else None
    finally:
        os.close(descriptor)


@contextmanager
def _all_locked(place: Path) -> Iterator[list[tuple[Path, int]]]:
    with ExitStack() as stack:
        paths = sorted(place.iterdir()) if place.is_dir() else []
        held = [(path, stack.enter_context(_locked(path))) for path in paths if path.is_file() and not path.is_symlink()]
        yield [(path, descriptor) for path, descriptor in held if descriptor is not None]
