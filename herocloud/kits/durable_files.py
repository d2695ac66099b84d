"""Files that survive a power cut, and locks that end with their process.

A durable write is temp file, fsync, rename, fsync of the folder: leaving out the last one can lose the name after a crash even though
the bytes were safe.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits import faults

_POLL = 0.02


def write_durably(path: Path, content: bytes, mode: int = 0o600, *, draft: Path | None = None) -> None:
    """Put `content` at `path` so that a reader sees the old file or the whole new one, whatever happens on the way.

    A killed process leaves its draft behind. Where only one writer can be at work, a `draft` with a fixed name is taken over by the next.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = draft or path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.new")
    try:
        faults.reached("file.open")
        if draft is not None:
            draft.unlink(missing_ok=True)
        # Made here or not at all: in a folder that others may write to, somebody could have put a link under a name that can be guessed.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            faults.reached("file.fsync")
            os.fsync(stream.fileno())
        faults.reached("file.rename")
        _rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _rename(temporary: Path, path: Path) -> None:
    try:
        temporary.replace(path)
    except IsADirectoryError as error:
        # Nobody can do anything about the draft, which is gone when this is read.
        raise IsADirectoryError(error.errno, error.strerror, str(path)) from None


def write_where_named(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` where a user said, as durably as that place allows.

    A rename would turn a device or a pipe into a plain file and a link into a copy, so those are written through. A folder that does not
    exist is a mistyped one, and is not made.
    """
    real = path.resolve() if path.is_symlink() else path
    if real.exists() and not real.is_file():
        with real.open("wb", buffering=0) as stream:
            stream.write(content)
        return
    if not real.parent.is_dir():
        raise FileNotFoundError(2, os.strerror(2), str(real.parent))
    write_durably(real, content, mode)


def sync_folder(folder: Path) -> None:
    """Make a rename or removal in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def wait_for_lock(path: Path, seconds: float, stopped: Callable[[], bool]) -> int | None:
    """Return a descriptor that holds an OS lock on `path`; nothing when it was not to be had in time, or nobody wants it any more."""
    import fcntl

    until = time.monotonic() + seconds
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until and not stopped():
                time.sleep(_POLL)
                continue
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


@contextmanager
def flock(path: Path, *, blocking: bool) -> Iterator[bool]:
    """Hold an OS lock on `path` while inside; yields whether it was got. The kernel drops it when the process dies."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
