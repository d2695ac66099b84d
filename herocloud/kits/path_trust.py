"""Who decides what a path holds: the owners and writers of a file or folder, and of every folder above it.

A sticky folder like `/tmp` protects what is inside of it, and so does a folder that others cannot enter. The last part of a path is judged
by itself: neither protects what everybody may write to.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from herocloud.kits import access_lists
from herocloud.kits.named_tuples import NamedTuple

_ALL_IDS = 2**32 - 1
"""As many ids as a host has outside of user namespaces."""


class Flaw(NamedTuple):
    """Somebody besides this user and root who decides."""

    path: Path
    text: str
    """A whole statement: who may do what to which path."""
    is_owner: bool
    """Whether it is the owner, and not others who may write."""


def trusted_users() -> set[int]:
    """Return who may decide: this user and root."""
    return {0, os.geteuid()}


def find_flaws(path: Path) -> Iterator[Flaw]:
    """Yield what is wrong with where a path leads, from the root on; what does not exist yet is not judged."""
    yield from _find_flaws(Path(os.path.realpath(path)))


def find_flaws_inside(path: Path, names: Iterable[str], lent: Iterable[str] = ()) -> Iterator[Flaw]:
    """Yield what is wrong with paths below a folder whose own path is without flaws; what others cannot get to is not judged.

    `lent` are files that may belong to others, and that nobody else may write to.
    """
    whole = Path(os.path.realpath(path))
    # The folder itself keeps them out nearly always, and its parents need not be looked at then.
    if any(_keeps_others_out(str(place), place.lstat()) for place in (whole, *whole.parents)):
        return
    trusted = trusted_users()
    for name, is_lent in (*((name, False) for name in names), *((name, True) for name in lent)):
        place = f"{whole}/{name}"
        try:
            status = os.lstat(place)
        except OSError:
            continue
        if status.st_uid not in trusted and not is_lent:
            yield Flaw(Path(place), f"`{place}` belongs to user {status.st_uid}", is_owner=True)
        if writers := "" if stat.S_ISLNK(status.st_mode) else _writers(place, status):
            yield Flaw(Path(place), f"{writers} may write to `{place}`", is_owner=False)


def find_flaws_of_file(path: Path) -> Iterator[Flaw]:
    """Yield what is wrong with a file, and with the link that leads to it: who can exchange that chooses the file."""
    if path.is_symlink():
        yield from _find_flaws(Path(os.path.realpath(path.parent)) / path.name)
    yield from find_flaws(path)


def _find_flaws(whole: Path) -> Iterator[Flaw]:
    trusted = trusted_users()
    hidden = False
    for place in (*reversed(whole.parents), whole):
        try:
            status = place.lstat()
        except FileNotFoundError:
            return
        if status.st_uid not in trusted and not (place != whole and _is_outside_of_namespace(status.st_uid)):
            yield Flaw(place, f"`{place}` belongs to user {status.st_uid}", is_owner=True)
        if stat.S_ISLNK(status.st_mode) or (place != whole and (hidden or status.st_mode & stat.S_ISVTX)):
            # The mode of a link says nothing.
            continue
        writers = _writers(str(place), status)
        if writers:
            yield Flaw(place, f"{writers} may write to `{place}`", is_owner=False)
        hidden = _keeps_others_out(str(place), status)


def _writers(path: str, status: os.stat_result) -> str:
    """Return who beside the owner may write there, empty when nobody may."""
    if status.st_mode & stat.S_IWOTH:
        return "everybody"
    if status.st_mode & stat.S_IWGRP and status.st_gid not in (0, os.getegid()):
        return f"group {status.st_gid}"
    return access_lists.find_strangers(path, status, access_lists.WRITE, trusted_users(), {0, os.getegid()})


def _keeps_others_out(path: str, status: os.stat_result) -> bool:
    """Return whether only the owner and trusted groups may enter a folder, so that the modes of what is inside protect nothing more."""
    if status.st_mode & stat.S_IXOTH:
        return False
    groups = {0, os.getegid()}
    return not status.st_mode & stat.S_IXGRP or (
        status.st_gid in groups and not access_lists.find_strangers(path, status, access_lists.ENTER, trusted_users(), groups)
    )


def _is_outside_of_namespace(uid: int) -> bool:
    """Return whether an owner is one whom this user namespace does not know: the root of the host, as containers see it."""
    try:
        unknown = int(Path("/proc/sys/kernel/overflowuid").read_text())
        spans = [int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    except (OSError, ValueError, IndexError):
        return False
    return uid == unknown and sum(spans) < _ALL_IDS
