"""Which file lies at a path: the one that a mark was written beside, or another one that somebody put there.

A name says nothing: a file can be removed, swapped or replaced by a link while a VM has the old one open, and what the guest writes then
goes to a file without a name, until the VM stops. So marks remember the inode, and when it was born: file systems give the numbers of
files that are gone to new ones. The device is remembered too, but it may be called something else after a reboot: a file on the file
system of its folder is on the right one. No file is opened for this.
"""

import functools
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from herocloud.kits.jsons import Json
from herocloud.model.parts import ANOTHER

_HERE, _NO_FOLLOW, _BIRTH, _STATX_SIZE = -100, 0x100, 0x800, 256
"""AT_FDCWD, AT_SYMLINK_NOFOLLOW, STATX_BTIME, and the size of what the kernel answers."""
_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}


class FileIdentity(NamedTuple):
    """One file of one file system."""

    device: int
    inode: int
    born: int | None = None
    """Nanoseconds since 1970; nothing where the file system does not know."""


def identify(path: Path) -> FileIdentity | None:
    """Return which plain file lies at a path, itself and not what a link leads to."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileIdentity(status.st_dev, status.st_ino, birth_of(path)) if stat.S_ISREG(status.st_mode) else None


def read(more: Json) -> FileIdentity | None:
    """Return what a mark remembers; marks of earlier versions do not."""
    known = (more or {}).get("file")
    return FileIdentity(*known) if known else None


def judge(path: Path, found: os.stat_result, known: FileIdentity | None) -> str:
    """Say what lies at a path instead of the file of the mark; empty when it is that file. `found` is what `lstat` says."""
    if not stat.S_ISREG(found.st_mode):
        return _KINDS.get(stat.S_IFMT(found.st_mode), "a device")
    if known is None:
        return ""
    moved = found.st_dev != known.device and found.st_dev != path.parent.stat().st_dev
    if moved or found.st_ino != known.inode:
        return ANOTHER
    born = birth_of(path) if known.born is not None else None
    return ANOTHER if born not in (None, known.born) else ""


def birth_of(path: Path, *, follow: bool = False) -> int | None:
    """Ask the file system when a file was made, which `os.stat` leaves out."""
    ask = _find_statx()
    answer = ask(os.fsencode(path), 0 if follow else _NO_FOLLOW) if ask is not None else None
    if answer is None:
        return None
    mask, seconds, nanoseconds = struct.unpack_from("=I76xqI", answer)
    return int(seconds * 10**9 + nanoseconds) if mask & _BIRTH else None


@functools.cache
def _find_statx() -> Callable[[bytes, int], bytes | None] | None:
    """Return a way to call `statx`; nothing where the C library has none."""
    # Loading it takes 3 ms, which only those pay who have something to look at.
    import ctypes

    call = getattr(ctypes.CDLL(None), "statx", None)
    if call is None:
        return None

    def ask(path: bytes, flags: int) -> bytes | None:
        answer = ctypes.create_string_buffer(_STATX_SIZE)
        return None if call(_HERE, path, flags, _BIRTH, answer) else answer.raw

    return ask
