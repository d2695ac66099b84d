"""The folder through which a caged VMM that opens files by itself writes the memory of a snapshot, and reads it again.

Snapshots are ours, and no VMM gets to them. So a VMM writes into a folder of its own user beside its mark, and what it wrote is taken over
once it is whole: the folder becomes ours before anything in it is looked at, and then gets its place with one rename. For reading the
files get second names in such a folder, and the VM's group may read them until the folder goes. The alternative, opening the folder of
the snapshot to the VM's user, would show it the names of all its snapshots and leave it the owner of what is kept.
"""

import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path

from herocloud.kits import durable_files
from herocloud.model.errors import Permanent
from herocloud.providers import snapshot_memory
from herocloud.providers.vmm import folders, grants, users

_NAME = "memory"
_LONGEST = 3600.0
"""Seconds that no memory takes to be moved."""


def path_of(data: Path, sid: str) -> Path:
    """Return where the folder is while memory is moved."""
    return folders.machine_folder(data, sid) / _NAME


def is_being_moved(data: Path, sid: str) -> bool:
    """Return whether memory is being written or read now; what a crash left there is not believed for ever."""
    try:
        return time.time() - path_of(data, sid).stat().st_mtime < _LONGEST
    except OSError:
        return False


def open_for_writing(data: Path, sid: str) -> Path:
    """Make an empty folder in which the user of a VM may make files; what an earlier try left goes."""
    remove(data, sid)
    folder, user = path_of(data, sid), users.of(data, sid)
    grants.give_folder(data, sid)
    folder.mkdir(mode=0o700)
    folder.chmod(0o700)
    if user.is_own:
        os.chown(folder, user.uid, user.gid)
    return folder


def take_over(data: Path, sid: str, names: Iterable[str]) -> Path:
    """Make the folder and these files in it ours and durable; anything else in it is refused."""
    folder = path_of(data, sid)
    os.chown(folder, os.geteuid(), os.getegid())
    # From here on nobody else makes or renames anything in it.
    there = sorted(entry.name for entry in folder.iterdir())
    if there != sorted(names):
        raise Permanent(f"`{folder}` holds {', '.join(there) or 'nothing'}, and that is not the memory of a VM")
    for name in there:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                raise Permanent(f"`{folder / name}` is not a file of its own, and that is not the memory of a VM")
            os.fchown(descriptor, os.geteuid(), os.getegid())
            os.fchmod(descriptor, 0o600)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    durable_files.sync_folder(folder)
    return folder


def put_away(data: Path, sid: str, snapshot: Path) -> None:
    """Move the folder that was taken over to its place in a snapshot."""
    snapshot_memory.make_folder(snapshot).rmdir()
    path_of(data, sid).rename(snapshot_memory.folder_of(snapshot))
    durable_files.sync_folder(path_of(data, sid).parent)
    durable_files.sync_folder(snapshot)


def open_for_reading(data: Path, sid: str, snapshot: Path, names: Iterable[str]) -> Path:
    """Show these files of a snapshot to the user of a VM."""
    remove(data, sid)
    kept, folder, user = snapshot_memory.folder_of(snapshot), path_of(data, sid), users.of(data, sid)
    grants.give_folder(data, sid)
    folder.mkdir(mode=0o700)
    for name in names:
        try:
            os.link(kept / name, folder / name, follow_symlinks=False)
        except FileNotFoundError as error:
            raise Permanent(f"`{kept / name}` is gone, so no VM can go on from it") from error
        if user.is_own:
            _lend(folder / name, user.gid, 0o640)
    if user.is_own:
        os.chown(folder, -1, user.gid)
        folder.chmod(0o750)
    return folder


def add(data: Path, sid: str, name: str, content: bytes) -> None:
    """Put one more file for the user of a VM into the folder that it reads."""
    path, user = path_of(data, sid) / name, users.of(data, sid)
    durable_files.write_durably(path, content, 0o600, draft=path.with_name(f".{name}.new"))
    if user.is_own:
        _lend(path, user.gid, 0o640)


def remove(data: Path, sid: str) -> None:
    """Remove the folder; files of a snapshot that were shown in it are for us alone again."""
    folder = path_of(data, sid)
    if not folder.exists():
        return
    if folder.lstat().st_uid == os.geteuid():
        for entry in folder.iterdir():
            status = entry.stat(follow_symlinks=False)
            if status.st_nlink > 1 and status.st_uid == os.geteuid() and stat.S_ISREG(status.st_mode):
                _lend(entry, os.getegid(), 0o600)
    import shutil

    shutil.rmtree(folder)
    durable_files.sync_folder(folder.parent)


def _lend(path: Path, group: int, mode: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)
