"""Connecting to the socket that is meant, and to no other that somebody put in its place.

The folder of a VM's sockets belongs to the user of that VM. A guest that got out of its VMM could put a link there which leads to the
socket of another VM, or of a daemon of the host, and herocloud would give its orders to that. So the socket is taken hold of first, looked
at, and then connected to by what was taken hold of.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HELD = Path("/proc/self/fd")


@contextmanager
def held(path: Path) -> Iterator[str]:
    """Yield a path that leads to the socket which lies at `path` now, whatever is put there meanwhile.

    Raises OSError where nothing lies there, or something that is not a socket of the one whom its folder belongs to.
    """
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status, folder = os.fstat(descriptor), path.parent.stat()
        if not stat.S_ISSOCK(status.st_mode):
            raise ConnectionRefusedError(111, "it is not a socket", str(path))
        if status.st_uid not in (folder.st_uid, os.geteuid()):
            raise ConnectionRefusedError(111, f"it belongs to user {status.st_uid}", str(path))
        yield f"{_HELD}/{descriptor}" if _HELD.is_dir() else str(path)
    finally:
        os.close(descriptor)
