"""Room on the disk that belongs to the state: a file that is filled in advance, and given up piece by piece when the disk is full.

Without it a disk that guests have filled keeps even `destroy` from working, because that has to write down what it does before it frees
anything. Guests cannot take what is allocated already. It is given up in pieces, so that a guest which still writes takes one of them at
most; and the last half is for what frees room, so that nothing else can use it up. The next operation after the trouble fills it again.
"""

import contextlib
import os
from pathlib import Path

FILE = "state.reserve"
_MOST = 8 * 1024**2
_LEAST = 256 * 1024
"""Bytes that are left to others when the reserve is filled again; a disk with so small a share for it has none."""
_SHARE = 32
"""The reserve takes this part of a small disk."""
_PAGE = 4096
_PIECE = 1024**2
_LOW = 1024**2
"""Bytes free with which an operation begins without help: its lock, its plan and the marks of its steps fit in."""


def keep(folder: Path) -> None:
    """Fill the reserve; does nothing where it is whole.

    It is made where the disk has as much again beside it. One that was given up takes back what it can get, however little that is.
    """
    with contextlib.suppress(OSError):
        size, wanted, free = size_of(folder), wanted_for(folder), _free(folder)
        if size >= wanted or (free < 2 * wanted and not (folder / FILE).exists()):
            return
        goal = min(wanted, size + (free - _LEAST) // _PAGE * _PAGE)
        if goal <= size:
            return
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, goal)
        except OSError:
            # Somebody was faster. What was got is not known, and a file with a hole would be no reserve.
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)


def open_up(folder: Path, *, frees: bool) -> None:
    """Make room for an operation that begins on a full disk; `frees` says that it may end with more room than it began with."""
    with contextlib.suppress(OSError):
        if size_of(folder) and _free(folder) < _LOW:
            give(folder, frees=frees)


def give(folder: Path, *, frees: bool) -> bool:
    """Give up a piece of the reserve; returns whether there was one to give."""
    size = size_of(folder)
    left = size - min(size, _PIECE)
    if size == 0 or (not frees and left < wanted_for(folder) // 2):
        return False
    try:
        os.truncate(folder / FILE, left)
    except OSError:
        return False
    return True


def missing(folder: Path) -> int:
    """Return how much the reserve lacks: room that is free now and not to be promised."""
    try:
        return max(0, wanted_for(folder) - size_of(folder))
    except OSError:
        return 0


def size_of(folder: Path) -> int:
    """Return what the reserve holds now."""
    try:
        return os.stat(os.path.join(folder, FILE)).st_size  # noqa: PTH116, PTH118  (asked with every lock that is taken)
    except OSError:
        return 0


def wanted_for(folder: Path) -> int:
    """Return how large the reserve of a data folder is when it is whole; 0 on a disk that is too small for one."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    status = os.statvfs(there)
    wanted = min(_MOST, status.f_blocks * status.f_frsize // _SHARE // _PAGE * _PAGE)
    return wanted if wanted >= _LEAST else 0


def _free(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize
