"""Giving files and taps to the user of a VM, and taking them back.

What a VM writes (its disk, its volumes, its logs) belongs to its user; what it reads alone (its seed) to its group; what several VMs read
to the group that all of them have. Folders stay ours, so a VMM can neither replace a file nor make one. Which files were given stands
beside the mark of the VM: whatever is cut off on the way is made good by the next try, and a volume that leaves a VM is taken back even if
nothing else remembers where it lies.
"""

import contextlib
import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons, plain_files, subprocesses
from herocloud.model.errors import Permanent
from herocloud.providers.vmm import folders, identity, jail_command, users
from herocloud.providers.vmm.users import User

_NOTE = "given.json"
_MOST_BYTES = 4 * 1024**2
_TUN = "/dev/net/tun"
_SET, _OWNER = 0x400454CA, 0x400454CC
_TAP, _NO_INFO, _VNET, _MULTI_QUEUE = 0x0002, 0x1000, 0x4000, 0x0100
_DEVICES = Path("/sys/class/net")
_PATIENCE = 30.0


class Needs(NamedTuple):
    """What one VM has to be able to open."""

    writes: frozenset[Path] = frozenset()
    """Disks of its own: nobody else opens them."""
    reads: frozenset[Path] = frozenset()
    """Files that others may read too."""
    taps: frozenset[str] = frozenset()
    private: frozenset[Path] = frozenset()
    """Files of its own that it does not write: a seed with secrets."""

    @property
    def files(self) -> frozenset[Path]:
        """Return all files."""
        return self.writes | self.reads | self.private


def give(data: Path, sid: str, needs: Needs) -> None:
    """Let the user of a VM open what it needs; a VMM that runs sees it from now on."""
    user = users.of(data, sid)
    if user.is_own:
        _remember(data, sid, {str(path) for path in needs.writes} | set(given(data, sid)))
        for path in needs.writes:
            _own(path, user.uid, user.gid, 0o600, os.O_NOFOLLOW)
        for path in needs.private:
            _own(path, 0, user.gid, 0o640, os.O_NOFOLLOW)
        for path in needs.reads:
            _share(data, path, user)
        for name in needs.taps:
            _own_tap(name, user.uid)
    _show(data, sid, needs)


def take_back(data: Path, sid: str, needs: Needs) -> None:
    """Take back every disk that was given to a VM and that it needs no more."""
    user = users.of(data, sid)
    known = given(data, sid)
    wanted = {str(path) for path in needs.writes}
    for name in [one for one in known if one not in wanted]:
        _hide(data, sid, Path(name))
        with contextlib.suppress(FileNotFoundError):
            if Path(name).stat().st_uid == user.uid:
                _own(Path(name), os.geteuid(), os.getegid(), 0o600)
    if set(known) - wanted:
        _remember(data, sid, wanted & set(known))


def give_files(data: Path, sid: str, *paths: Path) -> None:
    """Have files that a VMM writes to beside its mark: the folder is ours, so they have to be there before."""
    user = users.of(data, sid)
    for path in paths:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if user.is_own:
                os.fchown(descriptor, user.uid, user.gid)
        finally:
            os.close(descriptor)


def give_folder(data: Path, sid: str) -> None:
    """Give the folder of its sockets to the user of a VM, and let it pass to its files through folders in which it can make nothing."""
    user = users.of(data, sid)
    if not user.is_own:
        return
    os.chown(folders.runtime_folder(data, sid), user.uid, user.gid)
    machine = folders.machine_folder(data, sid)
    for folder in (machine, machine.parent, machine.parent.parent):
        mode = stat.S_IMODE(folder.stat().st_mode)
        if mode & 0o033 != 0o011:
            folder.chmod(mode & ~0o022 | 0o011)


def readable(data: Path, sid: str, path: Path) -> None:
    """Let the user of a VM read a file of ours that names how it is run."""
    user = users.of(data, sid)
    if user.is_own:
        _own(path, os.geteuid(), user.gid, 0o640)


def _share(data: Path, path: Path, user: User) -> None:
    """Let all VMs read a file of ours; who may read a file of the host is not ours to change."""
    if user.shared is not None and data.resolve() in path.resolve().parents and not path.stat().st_mode & stat.S_IROTH:
        _own(path, os.geteuid(), user.shared, 0o640)


def _own(path: Path, uid: int, gid: int, mode: int, flags: int = 0) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) != (uid, gid, mode):
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _own_tap(name: str, uid: int) -> None:
    """Let a user open a tap, which is persistent."""
    try:
        flags = int((_DEVICES / name / "tun_flags").read_text(), 16)
        owner = int((_DEVICES / name / "owner").read_text())
    except (OSError, ValueError):
        # No tap: what the VMM says about it is the better message.
        return
    if owner == uid:
        return
    device = os.open(_TUN, os.O_RDWR | os.O_CLOEXEC)
    try:
        wanted = _TAP | _NO_INFO | _VNET | (flags & _MULTI_QUEUE)
        fcntl.ioctl(device, _SET, struct.pack("16sH22x", name.encode(), wanted))
        fcntl.ioctl(device, _OWNER, uid)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise Permanent(
                f"the tap `{name}` is busy: another program holds this tap; `ip -details link show` and `fuser /dev/net/tun` find it"
            ) from error
        raise Permanent(f"the tap `{name}` cannot be given to user {uid} ({error.strerror})") from error
    finally:
        os.close(device)


# A VMM that runs.


def _show(data: Path, sid: str, needs: Needs) -> None:
    """Let a VMM that runs see files at the places where they lie; one that starts is shown them by its orders."""
    process = _viewer(data, sid)
    if process is None:
        return
    own = folders.machine_folder(data, sid).parent
    for path in sorted(needs.files):
        if own not in path.parents and not _sees(process, path):
            _door("show", str(process), str(path), "rw" if path in needs.writes else "ro")


def _sees(process: int, path: Path) -> bool:
    """Return whether a VMM that runs sees the file that lies there now."""
    try:
        there, here = Path(f"/proc/{process}/root{path}").stat(), path.stat()
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _hide(data: Path, sid: str, path: Path) -> None:
    process = _viewer(data, sid)
    if process is not None and folders.machine_folder(data, sid).parent not in path.parents:
        _door("hide", str(process), str(path))


def _viewer(data: Path, sid: str) -> int | None:
    """Return the process of a VM that runs and has a view of its own."""
    known = identity.running(data, sid)
    if known is None and not identity.record_path(data, sid).exists() and identity.is_held(identity.record_path(data, sid)):
        known = identity.find(data, sid)
    if known is None or not users.of(data, sid).is_own:
        return None
    with contextlib.suppress(OSError):
        if Path(f"/proc/{known.pid}/ns/mnt").readlink() != Path("/proc/self/ns/mnt").readlink():
            return known.pid
    return None


def _door(*words: str) -> None:
    command = jail_command.words(*words, program=jail_command.DOOR)
    try:
        subprocesses.run(command, timeout=_PATIENCE)
    except subprocesses.CommandError as error:
        raise Permanent(f"the VMM cannot be shown `{words[2]}`: {error.stderr.strip()}") from error


# The note.


def given(data: Path, sid: str) -> list[str]:
    """Return the files that a VM writes and that belong to its user."""
    try:
        said = jsons.loads(plain_files.read(folders.machine_folder(data, sid) / _NOTE, _MOST_BYTES))
    except (OSError, ValueError):
        return []
    return [one for one in said if isinstance(one, str)] if isinstance(said, list) else []


def _remember(data: Path, sid: str, paths: Iterable[str]) -> None:
    path = folders.machine_folder(data, sid) / _NOTE
    wanted = sorted(paths)
    if wanted != given(data, sid):
        durable_files.write_durably(path, jsons.dumps(wanted).encode(), draft=path.with_name(f".{_NOTE}.new"))
