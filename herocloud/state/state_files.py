"""The files of a state in a data folder: their names, and a look at them before SQLite opens anything.

The write-ahead log and its index stay between commands (see `connections`), so a person sees five names after the first apply.

The look says whether there is a state, and whether it can be one of ours. SQLite takes an empty file for a good database, and reports
every other trouble as being unable to open the file. The look is at names, sizes and rights only. Opening the database here, even for its
header, would do harm: when a process closes any descriptor of a file, the kernel drops all locks of the process on that file, and those of
SQLite's open connections are among them.
"""

import errno
import functools
import os
from pathlib import Path

from herocloud.kits import plain_files
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.applies import HOST, Scope
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.state import failures

DATABASE = "state.db"
LOG = "state.db-wal"
LOG_INDEX = "state.db-shm"
DRAFT = "state.db.new"
"""The database while it is being made; it gets its name only when it is whole."""
MARKER = "state.lineage"
"""Says that a database was here, so that a lost one is never taken for an empty host."""
_MOST_BYTES = 64 * 1024
HOLDER = "lock"
"""Who holds the lock of the host; the lock itself is on the folder, where nobody can delete it."""
KEY = "secret.key"
LOCKS = "locks"
"""Holds a file for each stack or VM that is worked on; such a file is its own lock, and goes when the work ends."""


def database(folder: Path) -> Path:
    """Return where the database is."""
    return folder / DATABASE


def marker(folder: Path) -> Path:
    """Return where the marker is."""
    return folder / MARKER


@functools.lru_cache(maxsize=256)
def holder(folder: Path, scope: Scope = HOST) -> Path:
    """Return where the record of a lock's holder is."""
    if scope.stack is None:
        return folder / HOLDER
    name = f"stack.{scope.stack}" if scope.address is None else f"vm.{scope.stack}.{scope.address}"
    return folder / LOCKS / name.replace("/", "%2f")


def locked(folder: Path, scope: Scope = HOST) -> Path:
    """Return what the lock itself is on: the folder for the host, where nobody can delete it, and else the record's own file."""
    return folder if scope.stack is None else holder(folder, scope)


def size(folder: Path) -> int:
    """Return what the state takes of the disk: its files, those of the daemon, and the room that is kept for it."""
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return 0


def shares_disk(folder: Path, other: Path) -> bool:
    """Return whether the state lies on the same file system as something else, or will."""
    try:
        return folder == other or folder.stat().st_dev == other.stat().st_dev
    except OSError:
        return True


class Seen(NamedTuple):
    """What is in the folder."""

    present: bool
    """True when there is a database; False when nothing was ever written here."""
    lineage: str | None = None
    """What the marker says."""
    size: int = 0
    log_bytes: int | None = None
    """The size of the write-ahead log; nothing when there is none."""
    indexed: bool = False
    """Whether the log's index is there, without which a reader would have to create it."""


def examine(folder: Path) -> Seen:
    """Look into the folder; raises `Refused` when a state should be there and is missing, or cannot be one, or is out of reach."""
    path = database(folder)
    with failures.Guarded(path):
        lineage = _read_marker(folder)
        log_bytes = _size(folder / LOG)
        indexed = _size(folder / LOG_INDEX) is not None
        size = _size(path)
        if size is None:
            if lineage is not None or log_bytes is not None or indexed:
                raise _missing(folder, lineage)
            return Seen(present=False)
        if not path.is_file():
            raise failures.damaged(path, "it is not a file")
        if size == 0:
            raise failures.damaged(path, "it is empty")
        require_access(path, os.R_OK)
    return Seen(True, lineage, size, log_bytes, indexed)


def require_access(path: Path, way: int) -> None:
    """Raise the error that opening the file in this way would meet."""
    if os.access(path, way, effective_ids=True):
        return
    read_only = way == os.W_OK and os.statvfs(path).f_flag & os.ST_RDONLY
    number = errno.EROFS if read_only else errno.EACCES
    raise OSError(number, os.strerror(number), str(path))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise failures.refusal("state-unusable", path.parent, "it is not a folder") from error


def _read_marker(folder: Path) -> str | None:
    try:
        # An empty marker still says that a state was here; whose it was, the database knows.
        return plain_files.read(marker(folder), _MOST_BYTES).decode(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except plain_files.NotPlain as error:
        raise failures.refusal("state-unusable", marker(folder), error.strerror or str(error)) from error


def _missing(folder: Path, lineage: str | None) -> Refused:
    evidence = f"`{MARKER}` says that the state {lineage} was kept here" if lineage else "its other files show that a state was kept here"
    return Refused(
        [
            Diagnostic(
                "state-missing",
                "The state is missing",
                f"`{database(folder)}` is gone, but {evidence}. Herocloud does not take that for an empty host, because it would "
                f"make everything a second time. Put `{DATABASE}` back from a backup. Only when nothing of ours is left on this "
                f"host: remove `{MARKER}`, `{LOG}` and `{LOG_INDEX}` from the folder and start over.",
            )
        ]
    )


class Sign(NamedTuple):
    """What a file looks like at one moment: it differs after somebody wrote to it, or put another one there."""

    file: tuple[int, int]
    """As `identify` has it."""
    size: int
    changed: int


def sign_of(path: Path) -> Sign | None:
    """Return what a file looks like now; nothing where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Sign((status.st_dev, status.st_ino), status.st_size, status.st_mtime_ns)


def identify(path: Path) -> tuple[int, int] | None:
    """Return which file is at a path now; nothing where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
