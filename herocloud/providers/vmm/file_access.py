"""Who may open what belongs to a VM, compared with who should: owners and modes of its files, folders and sockets.

A mode that somebody changed shows nowhere else: the VM runs on with what it has open. But other users of the host then read its disk or the
secrets in its seed, or its own user cannot open its disk when it is started again. One look at each file is enough, and nothing is opened.

Everything belongs to who runs herocloud or to the VM's own user, and to nobody else. Others may do nothing with it but pass through its
folders, and a group may read what was given to it. While a VM runs, what it writes has to be its user's, since it opens that again.
"""

import contextlib
import functools
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import access_lists, deciding_paths
from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.providers.vmm import folders, grants, users
from herocloud.providers.vmm.users import User

_WRITTEN = frozenset({"serial.log", "events", "vmm.log", "firmware.fd"})
"""What a VMM or its attendant writes beside the mark of its VM."""
_SEED = "seed.iso"
_BOOT = "boot"
_WRITING = 0o022
_MOST = 3
"""Flaws that are named; who sees these looks at the others as well."""


class Flaw(NamedTuple):
    """One path that others may use, or that its VM cannot."""

    path: str
    word: str
    mend: Callable[[int], None]
    """Puts it right, by a descriptor of what was looked at."""


class AccessLook:
    """One look at the files of the VMs of a data folder."""

    def __init__(self, data: Path) -> None:
        """Look below a data folder."""
        self._data = data

    def with_flaw(self, sid: str, machine: Part, *, runs: bool, user: User | None = None) -> Part:
        """Return a machine with what is wrong about its files; nothing is added while all is well. Who knows its user spares a look."""
        found = sorted({f"{Path(flaw.path).name} {flaw.word}" for flaw in self._flaws(sid, user, runs=runs)})
        if not found or machine is None:
            return machine
        more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
        return {**machine, powers.FILES: ", ".join(found[:_MOST]) + more}

    def mend(self, sid: str, *, runs: bool) -> None:
        """Give each file back to whom it belongs, and take it from others."""
        for flaw in self._flaws(sid, None, runs=runs):
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(flaw.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    flaw.mend(descriptor)
                finally:
                    os.close(descriptor)

    def _flaws(self, sid: str, known: User | None, *, runs: bool) -> Iterator[Flaw]:
        user = known or users.of(self._data, sid)
        machine = folders.machine_folder(self._data, sid)
        own = machine.parent
        given = frozenset(grants.given(self._data, sid)) if runs and user.is_own else frozenset[str]()
        passes = 0o011 if runs and user.is_own else 0
        for folder in (own, machine):
            # Others may know the names, and write nowhere.
            yield from _of_folder(folder, 0o755, None, least=passes)
            for path, name, status in _files_in(folder):
                if path in given or (runs and user.is_own and folder is machine and name in _WRITTEN):
                    yield from _of_file(path, status, user, user.uid)
                else:
                    reader = user.gid if user.is_own and runs and folder is own and name == _SEED else None
                    yield from _of_file(path, status, user, None, reader)
        for path in given:
            if not path.startswith(f"{own}/"):
                with contextlib.suppress(OSError):
                    yield from _of_file(path, os.lstat(path), user, user.uid)
        yield from self._boot_flaws(sid, user)
        yield from self._data_flaws
        if runs:
            yield from self._runtime_flaws(sid, user)
            yield from self._shared_flaws

    def _boot_flaws(self, sid: str, user: User) -> Iterator[Flaw]:
        folder = self._data / _BOOT / sid
        yield from _of_folder(folder, 0o710 if user.is_own else 0o700, None, user.gid if user.is_own else None)
        for path, _, status in _files_in(folder):
            yield from _of_own(path, status, _WRITING)

    def _runtime_flaws(self, sid: str, user: User) -> Iterator[Flaw]:
        folder = folders.runtime_folder(self._data, sid)
        yield from _of_folder(folder, 0o700, user.uid)
        for path, _, status in _files_in(folder):
            mode, word = stat.S_IMODE(status.st_mode), _foreign(status, {user.uid, os.geteuid()})
            if stat.S_ISSOCK(status.st_mode) and (word or mode & 0o077):
                yield Flaw(path, word or _say(mode), functools.partial(_set, user.uid, user.gid, mode & 0o700))

    @functools.cached_property
    def _data_flaws(self) -> tuple[Flaw, ...]:
        """Return what is wrong with what decides in the data folder what runs and what VMs see."""
        return tuple(self._find_data_flaws())

    def _find_data_flaws(self) -> Iterator[Flaw]:
        for name in (*deciding_paths.FOLDERS, *deciding_paths.FILES, *deciding_paths.of_contents(self._data)):
            with contextlib.suppress(OSError):
                path = f"{self._data}/{name}"
                status = os.lstat(path)
                if stat.S_ISDIR(status.st_mode):
                    yield from _of_folder(Path(path), 0o755, None)
                else:
                    yield from _of_own(path, status, _WRITING)
        for name in deciding_paths.of_volumes(self._data):
            with contextlib.suppress(OSError):
                path = f"{self._data}/{name}"
                status = os.lstat(path)
                # Whose it is says the VM that it is given to.
                yield from _of_own(path, status, 0o037, status.st_uid)

    @functools.cached_property
    def _shared_flaws(self) -> tuple[Flaw, ...]:
        """Return what is wrong with the folders that all VMs have in common."""
        passing = 0o711 if os.geteuid() == 0 else 0o700
        root = folders.runtime_root(self._data)
        wanted = ((root.parent, 0o755), (root, passing), (root.parent / "orders", 0o700))
        found = [flaw for folder, mode in wanted for flaw in _of_folder(folder, mode, None)]
        for folder in (root.parent / "users", root.parent / "closed"):
            found += _of_folder(folder, 0o700, None)
            for path, _, status in _files_in(folder):
                found += _of_own(path, status, 0o077)
        with contextlib.suppress(OSError):
            lock = f"{root.parent}/network.lock"
            found += _of_own(lock, os.lstat(lock), 0o077)
        return tuple(found)


def _of_folder(folder: Path, most: int, owner: int | None, group: int | None = None, least: int = 0) -> Iterator[Flaw]:
    """Yield what is wrong with a folder that is there; `most` and `least` are what it may allow and has to."""
    owner = os.geteuid() if owner is None else owner
    try:
        status = os.lstat(folder)
    except OSError:
        return
    found = stat.S_IMODE(status.st_mode)
    stranger = _stranger(str(folder), status, access_lists.WRITE, {owner}, {group})
    word = _foreign(status, {owner}) or stranger
    if not stat.S_ISDIR(status.st_mode):
        return
    if most & 0o050 and status.st_gid in (0, os.getegid()):
        # With an umask of 002 the group of the user may write, which is that user's own.
        most |= 0 if stranger else 0o020
    if not word and group is not None and status.st_gid != group:
        word = f"of group {status.st_gid}"
    wanted = found & most | least
    if word or wanted != found:
        yield Flaw(str(folder), word or _say(found), functools.partial(_set, owner, -1 if group is None else group, wanted))


def _of_file(path: str, status: os.stat_result, user: User, owner: int | None, reader: int | None = None) -> Iterator[Flaw]:
    """Yield what is wrong with a file: whose it is, who may read it besides, and who must (`reader`)."""
    if not stat.S_ISREG(status.st_mode):
        return
    mode, ours = stat.S_IMODE(status.st_mode), os.geteuid()
    readers = {user.gid, user.shared, os.getegid(), 0}
    word = _foreign(status, {ours, user.uid} if owner is None else {owner})
    word = word or _stranger(path, status, access_lists.READ | access_lists.WRITE, {user.uid}, readers)
    opened = mode & 0o137 if status.st_gid in readers else mode & 0o177
    if owner is not None and mode & 0o600 != 0o600:
        word = word or _say(mode)
    if reader is not None and (status.st_gid != reader or not mode & 0o040):
        word = word or f"closed to group {reader}"
    if not word and not opened:
        return
    wanted = (mode & 0o600) | 0o400 | (mode & 0o040 if status.st_gid in readers else 0)
    if owner is not None:
        yield Flaw(path, word or _say(mode), functools.partial(_set, owner, user.gid, wanted | 0o600))
    elif reader is not None:
        yield Flaw(path, word or _say(mode), functools.partial(_set, ours, reader, 0o640))
    else:
        yield Flaw(path, word or _say(mode), functools.partial(_set, -1 if status.st_uid in (ours, user.uid) else ours, -1, wanted))


def _of_own(path: str, status: os.stat_result, closed: int, owner: int | None = None) -> Iterator[Flaw]:
    """Yield what is wrong with a file that only its owner changes; `closed` are the rights that nobody else has."""
    if not stat.S_ISREG(status.st_mode):
        return
    mode, owner = stat.S_IMODE(status.st_mode), os.geteuid() if owner is None else owner
    if status.st_gid in (0, os.getegid()) and closed == _WRITING:
        closed = 0o002
    stranger = _stranger(path, status, access_lists.WRITE, {owner}, set())
    word = _foreign(status, {owner}) or stranger
    if word or mode & closed:
        closed |= _WRITING if stranger else 0
        yield Flaw(path, word or _say(mode), functools.partial(_set, owner, -1, mode & ~closed))


def _stranger(path: str, status: os.stat_result, rights: int, users: set[int], groups: set[int | None]) -> str:
    """Say whom a list of access lets in."""
    trusted = {group for group in groups if group is not None} | {0, os.getegid()}
    who = access_lists.find_strangers(path, status, rights, users | {0, os.geteuid()}, trusted)
    return f"open to {who}" if who else ""


def _foreign(status: os.stat_result, owners: set[int]) -> str:
    return "" if status.st_uid in owners else f"of user {status.st_uid}"


def _say(mode: int) -> str:
    return f"with mode {mode:o}"


def _set(owner: int, group: int, mode: int, descriptor: int) -> None:
    # What the descriptor stands for, whatever has the name by now.
    place = Path(f"/proc/self/fd/{descriptor}")
    status = place.stat()
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1 and status.st_uid not in (os.geteuid(), owner):
        # A second name of somebody's file is not a reason to give that away.
        return
    access_lists.remove(str(place))
    os.chown(place, owner, group)
    place.chmod(mode)


def _files_in(folder: Path) -> list[tuple[str, str, os.stat_result]]:
    """Return path, name and status of everything in a folder; texts, because a look at many VMs passes through here."""
    try:
        with os.scandir(folder) as entries:
            return [(entry.path, entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
    except OSError:
        return []
