"""Access lists of files and folders (POSIX ACLs): whom they let in beside those that the mode tells of.

The bits of a mode for the group are the most that a list grants, so where these allow nothing, there is nothing to read. Folders have a
second list, for what will be made in them.
"""

import errno
import os
import stat
import struct
from collections.abc import Iterator

OF_FILE, OF_NEW = "system.posix_acl_access", "system.posix_acl_default"
READ, WRITE, ENTER = 4, 2, 1
_HEADER, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
_USER, _GROUP, _MASK = 0x02, 0x08, 0x10
_ABSENT = frozenset({errno.ENODATA, errno.EOPNOTSUPP, errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.EACCES, errno.EPERM})


def find_strangers(path: str, status: os.stat_result, rights: int, users: set[int], groups: set[int]) -> str:
    """Say who beside these is let in by a list, empty when nobody is; a folder counts as what will be made in it, too."""
    if stat.S_ISLNK(status.st_mode):
        return ""
    if status.st_mode >> 3 & rights:
        for who in _strangers(path, OF_FILE, rights, users, groups):
            return who
    if stat.S_ISDIR(status.st_mode) and rights != ENTER:
        for who in _strangers(path, OF_NEW, READ | WRITE, users, groups):
            return who
    return ""


def remove(path: str) -> None:
    """Take the lists away from what is at a path, where links are followed: the path of a descriptor is one."""
    for name in (OF_FILE, OF_NEW):
        try:
            os.removexattr(path, name)
        except OSError as error:
            if error.errno not in _ABSENT:
                raise


def _strangers(path: str, name: str, rights: int, users: set[int], groups: set[int]) -> Iterator[str]:
    try:
        raw = os.getxattr(path, name, follow_symlinks=False)
    except OSError as error:
        if error.errno in _ABSENT:
            return
        raise
    entries = list(_ENTRY.iter_unpack(raw[_HEADER.size :]))
    most = next((granted for tag, granted, _ in entries if tag == _MASK), READ | WRITE)
    for tag, granted, number in entries:
        if granted & (most if name == OF_FILE else granted) & rights:
            if tag == _USER and number not in users:
                yield f"user {number}"
            elif tag == _GROUP and number not in groups:
                yield f"group {number}"
