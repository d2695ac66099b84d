"""Lists of access that tests put on files, as `setfacl --modify user:65534:...` writes them."""

import os
import struct
from pathlib import Path

import pytest

from herocloud.kits import access_lists

NOBODY, _NO_ONE = 65534, 2**32 - 1


def give_access(path: Path, rights: int, name: str = access_lists.OF_FILE) -> None:
    """Let user 65534 do this with a file or folder; skips where the file system knows no such lists."""
    mode = path.stat().st_mode
    entries = [(0x01, mode >> 6 & 7, _NO_ONE), (0x02, rights, NOBODY), (0x04, mode >> 3 & 7, _NO_ONE)]
    entries += [(0x10, mode >> 3 & 7 | rights, _NO_ONE), (0x20, mode & 7, _NO_ONE)]
    try:
        os.setxattr(path, name, struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))
    except OSError as error:
        pytest.skip(f"`{path}` takes no list of access ({error.strerror})")
