"""The user that a VMM runs as: one of its own for each VM where root starts them, and the starting user elsewhere.

The number is chosen when a VM boots for the first time and kept beside its mark until the VM is deleted, so disks and taps keep their
owner. Numbers come from a range that nobody else uses (the first one is the group of what several VMs read). Which are taken on this host,
by whatever data folder, stands in the runtime folder: one small file each, made only if it does not exist, so two never get the same.

Of a VM that runs the kernel knows better than any file who it is. What is written down is gone or changed when somebody was there, and who
went by it would take the VM's files and taps away from it.
"""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import plain_files
from herocloud.kits.jsons import Json
from herocloud.model import powers
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.vmm import folders, identity

FILE = "user"
_TAKEN = "users"
"""The folder of the numbers that are taken, in the runtime folder."""
_ALL = 2**32 - 2
_MOST_BYTES = 64 * 1024
_HOUR = 3600.0


class Range(NamedTuple):
    """The numbers that VMs may have."""

    first: int = 0x70000000
    """Above everything that distributions, containers and systemd hand out."""
    size: int = 0x1000000


def range_of(settings: Mapping[str, Json]) -> Range | None:
    """Return the range that the host file sets aside (section `vmm`); nothing when it says nothing of it."""
    if not settings:
        return None
    usual = Range()
    first, dash, last = str(settings.get("uids") or "").partition("-")
    if dash:
        return Range(int(first), int(last) - int(first) + 1)
    return Range(int(settings.get("first_uid") or usual.first), int(settings.get("uids") or usual.size))


class User(NamedTuple):
    """Who a VMM is."""

    uid: int
    gid: int
    shared: int | None = None
    """The group that may read what several VMs read: kernels, volumes that are attached read-only."""

    @property
    def is_own(self) -> bool:
        """Return whether it is a user of the VM's own."""
        return self.shared is not None


def caller() -> User:
    """Return the user who runs herocloud."""
    return User(os.geteuid(), os.getegid())


def of(data: Path, sid: str) -> User:
    """Return the user of a VM: that of its process while it runs, else the one that was chosen for it, else the one who runs herocloud."""
    if os.geteuid() != 0:
        return caller()
    number, shared = _chosen(data, sid)
    written = caller() if number is None else User(number, number, shared)
    return _of_process(data, sid, written) or written


def read(data: Path, sid: str) -> int | None:
    """Return the number that was chosen for a VM; nothing when none was."""
    return _chosen(data, sid)[0]


def shared_group(data: Path, sid: str) -> int | None:
    """Return the group of what several VMs read, which was the first of the range when the user of this VM was chosen."""
    return _chosen(data, sid)[1]


def is_user(data: Path, sid: str, number: int) -> bool:
    """Return whether a VM has this user; its process is asked only where something else is written down."""
    return read(data, sid) == number or of(data, sid).uid == number


def _of_process(data: Path, sid: str, written: User) -> User | None:
    """Return the user of the process of a VM; nothing where none is proven to run, and while it has not become its user yet."""
    # A boot asks this about twenty times before there is a record, and building a Path costs more than the check.
    if not os.access(f"{folders.machine_folder(data, sid)}/{identity.RECORD}", os.F_OK) and not identity.may_be_unrecorded(data, sid):
        return None
    known = identity.running(data, sid)
    found = None if known is None else _ids_of(known.pid)
    if known is None or found is None:
        return None
    owners, groups, more = found
    uid = max(owners)
    shared = max((group for group in more if group < uid), default=None)
    if uid == written.uid and shared == written.shared:
        return written
    # One number is user and group, and the group of all VMs begins the range that it is from.
    is_of_vm = owners == groups == {uid} and uid != 0 and shared is not None
    return User(uid, uid, shared) if is_of_vm and identity.is_alive(known) and identity.has_token(known, data, sid) else None


def _ids_of(pid: int) -> tuple[set[int], set[int], set[int]] | None:
    """Return the users, the groups and the further groups of a process."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines() if line.startswith(("Uid:", "Gid:", "Groups:")))
        users, groups, more = ({int(word) for word in lines[name].split()} for name in ("Uid", "Gid", "Groups"))
    except (OSError, ValueError, KeyError):
        return None
    return users, groups, more


def _chosen(data: Path, sid: str) -> tuple[int | None, int | None]:
    """Return what was chosen for a VM: its number, and the group of what several VMs read."""
    try:
        # Asked for twenty times while a VM starts: opened without what a stream of Python brings along.
        descriptor = os.open(f"{folders.machine_folder(data, sid)}/{FILE}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None, None
    try:
        words = os.read(descriptor, 64).split()
    except OSError:
        return None, None
    finally:
        os.close(descriptor)
    number, shared = (int(word) if word.isdigit() else 0 for word in [*words, b"", b""][:2])
    # The group of all VMs begins the range that a number is from, so nobody writes down root, or a user of the host, as a VM's.
    return (number, shared) if 0 < shared < number else (None, None)


def lend(data: Path, sid: str, path: Path) -> None:
    """Let the user of a VM read a file that takes the place of another while it runs: its VMM opens it when the guest restarts."""
    user = of(data, sid)
    if user.is_own:
        os.chown(path, -1, user.gid)
        path.chmod(0o640)


def choose(data: Path, sid: str, wanted: Range | None = None) -> User:
    """Have a user for a VM, the same one every time; the folder of the VM has to be there."""
    numbers = usable_range(wanted)
    if numbers is None:
        return caller()
    known = of(data, sid)
    if known.is_own:
        if not _take(known.uid, data, sid):
            raise Conflict(
                f"user {known.uid} of `{data / 'vms' / sid}` runs a VM of another data folder; "
                f"remove `{folders.machine_folder(data, sid) / FILE}`, and another user is chosen"
            )
        if _chosen(data, sid) != (known.uid, known.shared):
            _write(folders.machine_folder(data, sid) / FILE, f"{known.uid} {known.shared}\n")
        return known
    for number in _candidates(data, sid, numbers):
        if _take(number, data, sid):
            _write(folders.machine_folder(data, sid) / FILE, f"{number} {numbers.first}\n")
            return User(number, number, numbers.first)
    raise Permanent(f"all {numbers.size} users for VMs are taken; `vmm: {{uids: …}}` in host.yaml makes the range larger")


def flaw(data: Path, sid: str, user: User) -> str:
    """Say what is wrong with what is written down of the user of a VM; nothing when all is well, or when it has none of its own."""
    if not user.is_own:
        return ""
    if _chosen(data, sid) != (user.uid, user.shared):
        return powers.USER_UNWRITTEN
    return "" if _holder(_entry(user.uid)) == _name(data, sid) else powers.USER_UNKNOWN


def let_go(data: Path, sid: str, number: int | None) -> None:
    """Give back the number that a VM had which is deleted."""
    if number is not None and _holder(_entry(number)) == _name(data, sid):
        with _alone():
            if _holder(_entry(number)) == _name(data, sid):
                _entry(number).unlink(missing_ok=True)


def any_taken(data: Path, wanted: Range | None = None) -> bool:
    """Return whether any VM on this host has a user of its own.

    What is written down in the runtime folder may be gone, so the VMs of this data folder count too, and every process of such a user.
    """
    # A data folder that was removed by hand leaves its entries behind.
    if any((holder := _holder(entry)) is not None and _is_there(holder) for entry in _taken()):
        return True
    try:
        if any(read(data, entry.name) is not None for entry in os.scandir(data / "vms")):
            return True
    except OSError:
        pass
    return any(_is_run_by(numbers) for numbers in (usable_range(wanted),) if numbers is not None)


def _is_run_by(numbers: Range) -> bool:
    """Return whether any process of this network namespace belongs to a user of a range."""
    here = os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116  (as below)
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError):
            if (
                entry.name.isdecimal()
                and numbers.first < entry.stat().st_uid < numbers.first + numbers.size - for_tools(numbers)
                and os.stat(f"{entry.path}/ns/net").st_ino == here  # noqa: PTH116  (a path is made for every process otherwise)
            ):
                return True
    return False


def usable_range(wanted: Range | None = None) -> Range | None:
    """Return the range that this process can use; nothing when it cannot become another user."""
    if os.geteuid() != 0:
        return None
    first, count = wanted or Range()
    spans = list(_spans())
    if any(low <= first and first + count <= low + size for low, size in spans):
        return Range(first, count)
    if wanted is not None:
        return None
    # A container that knows few users: the upper half of what it knows, below what is nobody's.
    low, size = max(spans, key=lambda span: span[1], default=(0, 0))
    if size < 2048:
        return None
    return Range(low + size // 2, min(size // 2, 65536 - 2) - 8)


def for_tools(numbers: Range) -> int:
    """Return how many numbers at the end of a range are for programs that read foreign data, and not for VMs."""
    return min(4096, numbers.size // 16)


def _spans() -> Iterator[tuple[int, int]]:
    """Yield the numbers that this user namespace knows: first and count."""
    try:
        for line in Path("/proc/self/uid_map").read_text().splitlines():
            low, _, count = line.split()
            yield int(low), int(count)
    except (OSError, ValueError):
        yield 0, _ALL


def _candidates(data: Path, sid: str, numbers: Range) -> Iterator[int]:
    """Yield numbers to try, beginning where no two VMs are likely to begin."""
    digest = int.from_bytes(hashlib.blake2b(_name(data, sid).encode(), digest_size=8).digest(), "big")
    most = numbers.size - 1 - for_tools(numbers)
    for step in range(most):
        yield numbers.first + 1 + (digest + step) % most


def _take(number: int, data: Path, sid: str) -> bool:
    """Take a number unless somebody has it whose VM is still there."""
    entry = _entry(number)
    name = _name(data, sid)
    if _holder(entry) == name:
        return True
    # Two who take what a VM had that is gone must not both find it free.
    with _alone():
        holder = _holder(entry)
        if holder is not None and holder != name and _has(holder, number):
            return False
        _write(entry, name)
        return True


def _alone() -> AbstractContextManager[Path]:
    return folders.alone_in(_TAKEN, "chooses the user of a VM")


def has_forgotten_lately() -> bool:
    """Return whether somebody looked for what is gone within an hour, and note that it is done now where nobody has.

    It reads a file for each VM of this host.
    """
    lock = _entry(0).with_name("lock")
    try:
        if abs(time.time() - lock.stat().st_mtime) < _HOUR:
            return True
        os.utime(lock)
    except OSError:
        # No VM of this host has got a user since it was started.
        return False
    return False


def forget_gone() -> None:
    """Remove what is said of VMs that are gone with their data folders, where no process of such a user is left."""
    gone = [entry for entry in _taken() if _is_of_nobody(entry)]
    if not gone:
        return
    with _alone():
        owners = _owners_of_processes()
        for entry in gone:
            if _is_of_nobody(entry) and int(entry.name) not in owners:
                entry.unlink(missing_ok=True)


def _taken() -> list[Path]:
    try:
        return [entry for entry in _entry(0).parent.iterdir() if entry.name.isdecimal()]
    except OSError:
        return []


def _is_of_nobody(entry: Path) -> bool:
    holder = _holder(entry)
    return holder is not None and not _is_there(holder)


def _owners_of_processes() -> set[int]:
    found = set()
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError):
            if entry.name.isdecimal():
                found.add(entry.stat().st_uid)
    return found


def _is_there(name: str) -> bool:
    data, _, sid = name.rpartition("/")
    return (Path(data) / "vms" / sid).is_dir()


def _has(name: str, number: int) -> bool:
    """Return whether a VM is there and may have a number: it has no other, or has not written down yet which one it took."""
    data, _, sid = name.rpartition("/")
    return _is_there(name) and read(Path(data), sid) in (None, number)


def _holder(entry: Path) -> str | None:
    """Return who has a number; nothing when it was given back a moment ago."""
    try:
        return plain_files.read(entry, _MOST_BYTES).decode()
    except (OSError, ValueError):
        return None


def _entry(number: int) -> Path:
    return folders.base() / _TAKEN / str(number)


def _name(data: Path, sid: str) -> str:
    return f"{folders.real(data.absolute())}/{sid}"


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.new")
    _write_new(draft, text)
    if path.is_dir() and not path.is_symlink():
        # Refused by the kernel where somebody keeps something in it.
        path.rmdir()
    draft.replace(path)


def _write_new(draft: Path, text: str) -> None:
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "w") as stream:
        stream.write(text)
