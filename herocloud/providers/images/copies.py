"""Copies of large files that cost as little as the file system allows.

A reflink shares the blocks and takes a millisecond, however large the file; where the file system cannot, only what holds data is copied
and holes stay holes. Calling `cp` would do the same, with a process per disk and without a way to stop it.
"""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from herocloud.model.errors import Temporary

_FICLONE = 0x40049409
_NO_REFLINK = {errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM}
_NO_KERNEL_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}
_STRIDE = 64 * 1024**2
"""Bytes after which a copy tells how far it is and asks whether it should go on: a fraction of a second on any disk."""

Told = Callable[[int, int], None]
"""Hears of bytes done and bytes in all, holes included."""


def clone(
    source: Path,
    target: Path,
    *,
    size: int | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    told: Told = lambda _done, _all: None,
    before_copy: Callable[[], None] = lambda: None,
    reflink: bool = True,
    durable: bool = True,
) -> bool:
    """Make `target` a copy of `source`, `size` bytes long (as long as the source when not given); tells whether blocks are shared.

    `target` must not exist. `before_copy` is called when data has to be copied, and may refuse it. Raises Temporary when it is cancelled.
    """
    reading = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        writing = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            shared = reflink and share_blocks(reading, writing)
            if not shared:
                before_copy()
                copy_data(reading, writing, cancelled=cancelled, told=told)
            os.ftruncate(writing, os.fstat(reading).st_size if size is None else size)
            if durable:
                os.fsync(writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    return shared


def share_blocks(source: int, target: int) -> bool:
    """Make an open file share all blocks of another; tells whether the file system can."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _NO_REFLINK:
            return False
        raise
    return True


def copy_data(source: int, target: int, *, cancelled: Callable[[], bool] = lambda: False, told: Told = lambda _done, _all: None) -> None:
    """Copy what is not a hole from one open file to another, which must be empty."""
    size = os.fstat(source).st_size
    offset = 0
    by_kernel = True
    while offset < size:
        try:
            offset = os.lseek(source, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        end = os.lseek(source, offset, os.SEEK_HOLE)
        while offset < end:
            if cancelled():
                raise Temporary("the copy was cancelled")
            length = min(end - offset, _STRIDE)
            if by_kernel:
                copied = _copy_by_kernel(source, target, offset, length)
                by_kernel = copied is not None
            if not by_kernel:
                copied = _copy_by_hand(source, target, offset, length)
            if not copied:
                # The source became shorter while it was read.
                return
            offset += copied
            told(offset, size)


def _copy_by_kernel(source: int, target: int, offset: int, length: int) -> int | None:
    try:
        return os.copy_file_range(source, target, length, offset, offset)
    except OSError as error:
        if error.errno in _NO_KERNEL_COPY:
            return None
        raise


def _copy_by_hand(source: int, target: int, offset: int, length: int) -> int:
    data = os.pread(source, min(length, 1024**2), offset)
    return os.pwrite(target, data, offset) if data else 0


def allocated(path: Path) -> int:
    """Return how many bytes a file really takes on the disk."""
    return path.stat().st_blocks * 512
