"""To whom disks and seeds belong: the user as which a VMM runs, where that is not root."""

import os
from pathlib import Path
from typing import NamedTuple


class Ownership(NamedTuple):
    """User, group and mode of the files that a VMM opens; nothing leaves user and group as they are made."""

    uid: int | None = None
    gid: int | None = None
    mode: int = 0o600

    def give(self, path: Path) -> None:
        """Give a file to the VMM's user. The mode comes last: giving a file away may take bits of it."""
        if self.uid is not None or self.gid is not None:
            os.chown(path, -1 if self.uid is None else self.uid, -1 if self.gid is None else self.gid)
        path.chmod(self.mode)


KEEP = Ownership()
