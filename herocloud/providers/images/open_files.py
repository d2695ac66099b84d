"""Who has a file open that has no name any more.

This looks at the descriptors of every process, so it is asked only about files whose name is gone or leads somewhere else.
"""

import os
from pathlib import Path
from typing import NamedTuple

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
    devices = (known.device, folder.stat().st_dev)
    for process in _PROC.iterdir():
        try:
            descriptors = list((process / "fd").iterdir()) if process.name.isdecimal() else []
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                seen = descriptor.stat()
            except OSError:
                continue
            if seen.st_ino != known.inode or seen.st_dev not in devices:
                continue
            if known.born is not None and file_identity.birth_of(descriptor, follow=True) != known.born:
                # The number of a file that is gone was given to another one.
                continue
            holder = Holder(int(process.name), int(descriptor.name), seen.st_size)
            if _writes(holder):
                return holder
            found = found or holder
    return found


def _writes(holder: Holder) -> bool:
    try:
        flags = (_PROC / str(holder.pid) / "fdinfo" / str(holder.descriptor)).read_text()
    except OSError:
        return False
    line = next((line for line in flags.splitlines() if line.startswith("flags:")), "flags: 0")
    return bool(int(line.split()[1], 8) & os.O_ACCMODE)
