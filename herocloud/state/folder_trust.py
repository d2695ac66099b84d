"""Whether a data folder can be trusted: nobody else may be able to write to it, or to put another folder in its place.

Anyone who can write to the data folder decides what runs with the rights of its owner: commands of VMs, seeds, records. So the folder and
each of its parents belong to this user or to root, and others cannot write there. A sticky folder like `/tmp` protects what is inside of
it, and so does a folder that others cannot enter. A folder of this user that holds no state yet is closed to others instead of refused:
with an open umask `mkdir` makes such folders. The same holds for the folders in it that decide what runs.
"""

import os
import stat
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from herocloud.kits import deciding_paths, path_trust
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.state import failures, state_files

Owners = tuple[tuple[int, int, int], ...]
"""Mode, owner and group of each folder from the root to one, and of this process: all that the judgement goes by."""

_good: dict[str, Owners] = {}
"""Those with which a folder was found to be trusted. A daemon asks hundreds of times a minute."""


def require(folder: Path, *, with_vms: bool = False) -> None:
    """Raise unless only this user and root decide what lies in the folder; close a folder that holds nothing to trust yet.

    `with_vms` also looks at the folders of each VM, which takes longer the more there are.
    """
    name = os.path.abspath(folder)  # noqa: PTH100  (as it is named: a link in it is seen below)
    owners = _owners_of(name)
    if owners is None or _good.get(name) != owners:
        _judge_again(folder, name, owners)
    if owners is not None:
        _judge_inside(folder, with_vms=with_vms)


def find(folder: Path) -> list[Diagnostic]:
    """Return for what `require` refuses an apply here, changing nothing: a plan says the same."""
    try:
        _judge(folder, closes=False)
        _judge_inside(folder, with_vms=True, with_files=True)
    except Refused as error:
        return list(error.diagnostics)
    except OSError:
        # Reading the state tells what cannot be looked at.
        return []
    return []


def _judge_inside(folder: Path, *, with_vms: bool, with_files: bool = False) -> None:
    names: Iterable[str] = (*deciding_paths.FOLDERS, *deciding_paths.FILES)
    if with_vms:
        names = chain(names, deciding_paths.of_vms(folder), deciding_paths.of_contents(folder))
    for flaw in path_trust.find_flaws_inside(folder, names, deciding_paths.of_volumes(folder) if with_files else ()):
        raise failures.refusal("state-untrusted", folder, flaw.text)


def _judge_again(folder: Path, name: str, owners: Owners | None) -> None:
    _judge(folder)
    # What leads through a link may lead elsewhere the next time, and what was closed just now is not as it was found.
    if owners is not None and os.path.realpath(name) == name and _owners_of(name) == owners:
        _good[name] = owners


def _owners_of(name: str) -> Owners | None:
    """Return nothing where a folder is not there yet."""
    found = [(os.geteuid(), os.getegid(), 0)]
    end = 0
    try:
        while end >= 0:
            end = name.find(os.sep, end + 1)
            status = os.lstat(name if end < 0 else name[:end])
            found.append((status.st_mode, status.st_uid, status.st_gid))
        root = os.lstat(os.sep)
    except OSError:
        return None
    return (*found, (root.st_mode, root.st_uid, root.st_gid))


def _judge(folder: Path, *, closes: bool = True) -> None:
    whole = Path(os.path.realpath(folder))
    for flaw in path_trust.find_flaws(folder):
        if not flaw.is_owner and flaw.path == whole and _holds_nothing_to_trust(whole, path_trust.trusted_users()):
            if closes:
                whole.chmod(stat.S_IRWXU)
        else:
            raise failures.refusal("state-untrusted", folder, flaw.text)


def _holds_nothing_to_trust(folder: Path, trusted: set[int]) -> bool:
    """Return whether a folder has no state yet and nothing of somebody else in it."""
    known = (state_files.DATABASE, state_files.MARKER)
    if folder.lstat().st_uid != os.geteuid() or any((folder / name).exists() for name in known):
        return False
    with os.scandir(folder) as entries:
        return all(entry.stat(follow_symlinks=False).st_uid in trusted for entry in entries)
