"""Whether a data folder can be trusted: nobody else may be able to write to it, or to put another folder in its place.

Who writes to the data folder decides what runs with the rights of its owner: commands of VMs, seeds, records. So the folder and each of its
parents belong to this user or to root, and others cannot write there. A sticky folder like `/tmp` protects what is inside of it, and so
does a folder that others cannot enter. A folder of this user that holds no state yet is closed to others instead of refused: with an open
umask `mkdir` makes such folders.
"""

import os
import stat
from pathlib import Path

from herocloud.state import failures, state_files

_ALL_IDS = 2**32 - 1
"""As many ids as a host has outside of user namespaces."""


def require(folder: Path) -> None:
    """Raise unless only this user and root decide what lies in the folder; close a folder that holds nothing to trust yet."""
    whole = Path(os.path.realpath(folder))
    trusted = {0, os.geteuid()}
    hidden = False
    for path in (*reversed(whole.parents), whole):
        try:
            status = path.lstat()
        except FileNotFoundError:
            break
        if status.st_uid not in trusted and not (path != whole and _is_outside_of_namespace(status.st_uid)):
            raise failures.refusal("state-untrusted", folder, f"`{path}` belongs to user {status.st_uid}")
        if path != whole and (hidden or status.st_mode & stat.S_ISVTX):
            continue
        writers = _writers(status)
        if writers and path == whole and _holds_nothing_to_trust(whole, trusted):
            path.chmod(stat.S_IRWXU)
        elif writers:
            raise failures.refusal("state-untrusted", folder, f"{writers} may write to `{path}`")
        hidden = _keeps_others_out(status)


def _writers(status: os.stat_result) -> str:
    """Return who beside the owner may write there, empty when nobody may."""
    if status.st_mode & stat.S_IWOTH:
        return "everybody"
    if status.st_mode & stat.S_IWGRP and status.st_gid not in (0, os.getegid()):
        return f"group {status.st_gid}"
    return ""


def _keeps_others_out(status: os.stat_result) -> bool:
    """Return whether only the owner and trusted groups may enter a folder, so that the modes of what is inside protect nothing more."""
    return not status.st_mode & stat.S_IXOTH and (not status.st_mode & stat.S_IXGRP or status.st_gid in (0, os.getegid()))


def _holds_nothing_to_trust(folder: Path, trusted: set[int]) -> bool:
    """Return whether a folder has no state yet and nothing of somebody else in it."""
    known = (state_files.DATABASE, state_files.MARKER)
    if folder.lstat().st_uid != os.geteuid() or any((folder / name).exists() for name in known):
        return False
    with os.scandir(folder) as entries:
        return all(entry.stat(follow_symlinks=False).st_uid in trusted for entry in entries)


def _is_outside_of_namespace(uid: int) -> bool:
    """Return whether an owner is one whom this user namespace does not know: the root of the host, as containers see it."""
    try:
        unknown = int(Path("/proc/sys/kernel/overflowuid").read_text())
        spans = [int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except (OSError, ValueError, IndexError):
        return False
    return uid == unknown and sum(spans) < _ALL_IDS
