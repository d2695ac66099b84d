"""The folders below `DATA/imports` into which archives are unpacked, each for as long as a VM is made from it.

An import that runs holds its folder locked, so what nobody holds was left by one that was killed. An apply that did not end may go on
copying from it, and keeps all of them.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from herocloud.operations import lookups
from herocloud.operations.deployment import STACK

_FOLDER = "imports"


class Swept(NamedTuple):
    """What was removed."""

    folders: int
    size: int
    """Bytes that they had on the disk."""


@contextmanager
def open_new(folder: Path) -> Iterator[Path]:
    """Make a folder for one import, and remove it behind it unless an unfinished apply still needs it."""
    while True:
        place = folder / _FOLDER / os.urandom(8).hex()
        for path in (folder, place.parent, place):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.exists():
            break
        # Somebody swept here before it was locked.
        os.close(lock)
    try:
        yield place
    finally:
        if not _is_needed(folder):
            shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def sweep(folder: Path) -> Swept:
    """Remove what imports have left that are over."""
    try:
        places = [path for path in (folder / _FOLDER).iterdir() if path.is_dir() and not path.is_symlink()]
    except OSError:
        return Swept(0, 0)
    number = size = 0
    for place in places if places and not _is_needed(folder) else ():
        lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = sum(path.lstat().st_blocks * 512 for path in place.rglob("*"))
            shutil.rmtree(place, ignore_errors=True)
            number, size = number + 1, size + held
        except BlockingIOError:
            continue
        finally:
            os.close(lock)
    return Swept(number, size)


def _is_needed(folder: Path) -> bool:
    return any(pending.stack == STACK for pending in lookups.read_recorded(folder).unfinished)
