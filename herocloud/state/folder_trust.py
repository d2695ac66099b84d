"""Whether a data folder can be trusted: nobody else may be able to write to it, or to put another folder in its place.

Who writes to the data folder decides what runs with the rights of its owner: commands of VMs, seeds, records. So the folder and each of its
parents belong to this user or to root, and others cannot write there; a sticky folder like `/tmp` protects what is inside of it.
"""

import os
import stat
from pathlib import Path

from herocloud.state import failures

_ALL_IDS = 2**32 - 1
"""As many ids as a host has outside of user namespaces."""


def require(folder: Path) -> None:
    """Raise unless only this user and root decide what lies in the folder."""
    whole = Path(os.path.realpath(folder))
    trusted = {0, os.geteuid()}
    groups = {0, os.getegid()}
    for path in (whole, *whole.parents):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if status.st_uid not in trusted and not (path != whole and _is_outside_of_namespace(status.st_uid)):
            raise failures.refusal("state-untrusted", folder, f"`{path}` belongs to user {status.st_uid}")
        guarded = bool(status.st_mode & stat.S_ISVTX) and path != whole
        if status.st_mode & stat.S_IWOTH and not guarded:
            raise failures.refusal("state-untrusted", folder, f"everybody may write to `{path}`")
        if status.st_mode & stat.S_IWGRP and status.st_gid not in groups and not guarded:
            raise failures.refusal("state-untrusted", folder, f"group {status.st_gid} may write to `{path}`")


def _is_outside_of_namespace(uid: int) -> bool:
    """Tell whether an owner is one whom this user namespace does not know: the root of the host, as containers see it."""
    try:
        unknown = int(Path("/proc/sys/kernel/overflowuid").read_text())
        spans = [int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except (OSError, ValueError, IndexError):
        return False
    return uid == unknown and sum(spans) < _ALL_IDS
