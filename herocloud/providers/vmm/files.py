"""The serial log of a VM, kept small; and the files that it needs, required to be there.

The log is written by the VMM itself, which appends and knows no limit. It is cut whenever a command comes by, and by a small shell while
none does (`log_bounds`): the old half is kept beside it. A process per VM that does nothing but copy would keep the limit at every instant,
and cost more memory than the tiny guest.
"""

import fcntl
import os
import shutil
from pathlib import Path

from herocloud.kits import plain_files
from herocloud.model.errors import Permanent
from herocloud.providers.vmm import folders

LOG_LIMIT = 4 * 1024**2
_END = 65536
_OLD = ".1"


def require(path: Path, what: str, way: str = "put it there, or name another one in the stack file") -> Path:
    """Return the path of a file that has to be there and readable; `way` is what to do where it is not there."""
    if not path.exists():
        raise Permanent(f"{what} `{path}` does not exist; {way}")
    if not os.access(path, os.R_OK):
        raise Permanent(f"{what} `{path}` may not be read by this user")
    return path


def end_of(log: Path, most: int = _END) -> str:
    """Return the last words of a log that may be long; nothing when there is none."""
    try:
        with plain_files.open_buffered(log) as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - most))
            return stream.read(most).decode(errors="replace")
    except OSError:
        return ""


def size_of_log(data: Path, sid: str) -> int:
    """Return how long the serial log of a VM is."""
    try:
        return folders.serial_log(data, sid).stat().st_size
    except OSError:
        return 0


def written_since(data: Path, sid: str, before: int) -> int:
    """Return how much a guest wrote since its log was `before` bytes long; a log that is shorter now had grown, and was cut."""
    size = size_of_log(data, sid)
    return size - before if size >= before else max(1, size)


def cut_log(log: Path, limit: int = LOG_LIMIT) -> bool:
    """Move what a log holds to its older brother when it has grown beyond `limit`; tells whether it did.

    The writer goes on: it appends, so after the cut it writes at the new end. What it wrote between copy and cut is lost, which is why
    the copy is taken again until nothing came meanwhile, or three times.
    """
    try:
        return _cut(log, limit)
    except OSError:
        # A user who only looks may not have the right to write here.
        return False


def _cut(log: Path, limit: int) -> bool:
    size = log.stat().st_size
    if size <= limit:
        return False
    old = log.with_name(log.name + _OLD)
    with log.open("rb") as lock:
        # Another one who cuts at the same time has it, and what that one put aside would be thrown away.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = log.stat().st_size
        if size <= limit:
            return False
        for _ in range(3):
            with log.open("rb") as source, old.open("wb") as target:
                source.seek(max(0, size - limit))
                shutil.copyfileobj(source, target)
            old.chmod(0o600)
            grown = log.stat().st_size
            if grown == size:
                break
            size = grown
        os.truncate(log, 0)
    return True
