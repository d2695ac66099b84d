"""Who has a file open: one that has no name any more, or one that is about to go.

This looks at the descriptors of every process, so it is asked only about files whose name is gone or leads somewhere else, and about data
before it is removed.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from herocloud.model.errors import Conflict
from herocloud.providers.images import file_identity
from herocloud.providers.images.file_identity import FileIdentity

_PROC = Path("/proc")


class Holder(NamedTuple):
    """A process that has a file open, and by which descriptor."""

    pid: int
    descriptor: int
    size: int

    @property
    def path(self) -> str:
        """Return under which name the file can still be read."""
        return f"/proc/{self.pid}/fd/{self.descriptor}"


def find_holder(known: FileIdentity, folder: Path) -> Holder | None:
    """Return a process that has a file of a folder open for writing, or else for reading; nothing when nobody has."""
    found: Holder | None = None
    for holder in _holders(known, folder):
        if _writes(holder):
            return holder
        found = found or holder
    return found


def find_nameless(path: Path) -> Holder | None:
    """Return a process that has a file open which lay at a path and has no name any more; nothing when nobody has."""
    place = f"{path.parent.resolve() / path.name} (deleted)"
    for process, descriptor in _descriptors():
        try:
            if str(descriptor.readlink()) == place:
                return Holder(process, int(descriptor.name), descriptor.stat().st_size)
        except OSError:
            continue
    return None


def has_open(pid: int, known: FileIdentity, folder: Path) -> bool:
    """Return whether a process has a file of a folder open."""
    return any(holder.pid == pid for holder in _holders(known, folder))


def refuse_in_use(path: Path, what: str) -> None:
    """Raise when a machine has a file open, or anybody else writes to it: its data must not be taken away from under a guest.

    A machine that has just ended or given a disk back closes it within a moment, so it gets that.
    """
    deadline = time.monotonic() + PATIENCE
    while (user := _find_user(path)) is not None:
        if time.monotonic() >= deadline:
            by = f"process {user.pid} (`{_name_of(user.pid)}`)"
            raise Conflict(f"Device or resource busy: {what} is in use by {by}, which has `{path}` open; stop what runs on it first")
        time.sleep(_PAUSE)


PATIENCE, _PAUSE = 2.0, 0.05
_MACHINES = ("cloud-hyp", "qemu-")
"""How the names of processes begin that are virtual machines; of a name the kernel keeps fifteen characters."""


def _find_user(path: Path) -> Holder | None:
    known = file_identity.identify(path)
    holders = _holders(known, path.parent) if known is not None and not _is_ours_alone(path) else ()
    # Who only reads a file, such as a backup, can go on with it after it is gone.
    users = (holder for holder in holders if holder.pid != os.getpid() and (_writes(holder) or _name_of(holder.pid).startswith(_MACHINES)))
    return next(users, None)


def _is_ours_alone(path: Path) -> bool:
    """Return whether the kernel is sure that nobody has a file open: it grants a write lease on no other. This needs no search."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Another process that opens the file now waits for the lease to end; SIGIO, which tells the holder, would end this process.
        fcntl.fcntl(descriptor, _F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


_F_SETSIG = 10


def _name_of(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def _holders(known: FileIdentity, folder: Path) -> Iterator[Holder]:
    devices = (known.device, folder.stat().st_dev)
    for pid, descriptor in _descriptors():
        try:
            seen = descriptor.stat()
        except OSError:
            continue
        if seen.st_ino != known.inode or seen.st_dev not in devices:
            continue
        if known.born is not None and file_identity.birth_of(descriptor, follow=True) != known.born:
            # The number of a file that is gone was given to another one.
            continue
        yield Holder(pid, int(descriptor.name), seen.st_size)


def _descriptors() -> Iterator[tuple[int, Path]]:
    """Yield every descriptor of every process that lets us look."""
    for process in _PROC.iterdir():
        try:
            descriptors = list((process / "fd").iterdir()) if process.name.isdecimal() else []
        except OSError:
            continue
        yield from ((int(process.name), descriptor) for descriptor in descriptors)


def _writes(holder: Holder) -> bool:
    try:
        flags = (_PROC / str(holder.pid) / "fdinfo" / str(holder.descriptor)).read_text()
    except OSError:
        return False
    line = next((line for line in flags.splitlines() if line.startswith("flags:")), "flags: 0")
    return bool(int(line.split()[1], 8) & os.O_ACCMODE)
