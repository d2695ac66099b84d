"""Reading a file that somebody named: only a plain one, and only up to a length.

A device never ends, and a pipe without a writer never begins. Both are found out before a byte is read.
"""

import errno
import io
import os
import stat
from pathlib import Path

from herocloud.kits import sizes


class NotPlain(OSError):
    """What the name leads to is not a file that can be read to its end, or it is too long."""


def open_unbuffered(path: Path | str) -> io.FileIO:
    """Open a plain file for reading; raises OSError, whose `strerror` says why not."""
    # Without O_NONBLOCK opening a pipe would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return io.FileIO(descriptor)
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise NotPlain(errno.EINVAL, "it is not a plain file", str(path))


def open_buffered(path: Path | str) -> io.BufferedReader:
    """Open a plain file for reading, as `open_unbuffered` does."""
    return io.BufferedReader(open_unbuffered(path))


def read(path: Path | str, limit: int) -> bytes:
    """Return the content of a plain file of at most `limit` bytes; raises OSError, whose `strerror` says why not."""
    with open_buffered(path) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise NotPlain(errno.EFBIG, f"it is larger than {sizes.format_size(limit)}", str(path))
    return content
