"""Who holds the lock: a record for people, and the question whether its process still lives.

The lock itself is the kernel's and ends with its process; this record only puts a name to it. A process id alone proves nothing, because
ids are used again: the start time of the process and the boot it belongs to make it one process and no other.
"""

import json
import os
import time
from functools import cache
from pathlib import Path

from herocloud.kits import moments, plain_files
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.applies import HOST, Scope
from herocloud.model.ids import Address, StackName
from herocloud.state import state_files

_MOST_BYTES = 4096
"""One write and one read of less than a page are not torn on a local disk; a record that is torn all the same reads as unknown."""

PROC = Path("/proc")


class Holder(NamedTuple):
    """A process that writes to the state, or that died while it did."""

    pid: int
    start_time: int
    """In ticks after boot, as in `/proc/PID/stat`."""
    boot_id: str
    host: str
    user: str
    since: str
    """By the clock on the wall, for people only."""
    operation: str
    plan: str | None
    up: float
    """Seconds after boot at which it began: the clock on the wall may be set back, this one may not."""
    stack: str | None = None
    """What is locked: a stack, with `address` one VM of it, and without both the host."""
    address: str | None = None

    @property
    def scope(self) -> Scope:
        """Return what it has locked."""
        return Scope(self.stack and StackName(self.stack), self.address and Address(self.address))  # type: ignore[arg-type]

    def is_alive(self, proc: Path = PROC) -> bool | None:
        """Return whether the process lives; nothing when it runs on another host, which cannot be asked."""
        if self.boot_id != read_boot_id(proc):
            return None if self.host != os.uname().nodename else False
        return read_start_time(self.pid, proc) == self.start_time

    def seconds(self, proc: Path = PROC) -> float | None:
        """Return for how long it has been at work; nothing when it began before this boot or elsewhere."""
        return max(0.0, _up() - self.up) if self.boot_id == read_boot_id(proc) else None


def describe_self(operation: str, plan: str | None, proc: Path = PROC, scope: Scope = HOST) -> Holder:
    """Return the record of this process."""
    pid = os.getpid()
    start_time, boot_id = _identify_self(pid, proc)
    return Holder(
        pid,
        start_time,
        boot_id,
        os.uname().nodename,
        _user(os.geteuid()),
        _moment(time.time()),
        operation,
        plan,
        _up(),
        scope.stack,
        scope.address,
    )


def _identify_self(pid: int, proc: Path) -> tuple[int, str]:
    """Return the start time and the boot of this process. Neither changes while it lives, so they are read once; a fork has another id."""
    known = _selves.get((pid, proc))
    if known is None:
        known = (read_start_time(pid, proc) or 0, read_boot_id(proc))
        if all(known):
            # Those of a parent are of no use to its child.
            _selves.clear()
            _selves[pid, proc] = known
    return known


_selves: dict[tuple[int, Path], tuple[int, str]] = {}


def is_self(holder: Holder, proc: Path = PROC) -> bool:
    """Return whether a record is of this process."""
    pid = os.getpid()
    return holder.pid == pid and (holder.start_time, holder.boot_id) == _identify_self(pid, proc)


def name_stranger(pid: int, proc: Path = PROC, scope: Scope = HOST) -> Holder:
    """Return what is known of a process that left no readable record."""
    started = read_start_time(pid, proc)
    try:
        owner = (proc / str(pid)).stat().st_uid
    except OSError:
        owner = None
    up = (started or 0) / os.sysconf("SC_CLK_TCK")
    return Holder(
        pid,
        started or 0,
        read_boot_id(proc),
        os.uname().nodename,
        _user(owner),
        _moment(time.time() - _up() + up),
        "unknown",
        None,
        up,
        scope.stack,
        scope.address,
    )


def read(folder: Path, scope: Scope = HOST) -> Holder | None:
    """Return what the record says; nothing when it is empty, missing, or cannot be understood."""
    return read_file(state_files.holder(folder, scope))


def read_file(path: Path) -> Holder | None:
    """Return what the record in this file says."""
    try:
        with plain_files.open_buffered(path) as stream:
            data = json.loads(stream.read(_MOST_BYTES))
        holder = Holder(**data)
    except (OSError, ValueError, TypeError):
        return None
    return holder if _is_sound(holder) else None


def write(folder: Path, holder: Holder) -> None:
    """Put the record down. Not by rename: a crash would leave the other file behind, and nothing depends on this one being whole."""
    content = json.dumps(holder._asdict()).encode()[:_MOST_BYTES]
    descriptor = os.open(state_files.holder(folder, holder.scope), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, content, 0)
    finally:
        os.close(descriptor)


def clear(folder: Path, scope: Scope = HOST) -> None:
    """Take the record away. The file of the host stays; that of a stack or a VM goes, or there would be one for every name ever used."""
    if scope.stack is None:
        os.truncate(state_files.holder(folder), 0)
    else:
        state_files.holder(folder, scope).unlink(missing_ok=True)


def was_left(folder: Path, scope: Scope = HOST) -> bool:
    """Return whether the file of the record holds anything, understood or not."""
    try:
        return state_files.holder(folder, scope).stat().st_size > 0
    except FileNotFoundError:
        return False


def find_locker(path: Path, proc: Path = PROC) -> int | None:
    """Return the process that the kernel says has locked a folder or file. Asking so disturbs nobody, unlike trying to lock it."""
    try:
        status = path.stat()
        lines = (proc / "locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    wanted = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in lines:
        # `1: FLOCK  ADVISORY  WRITE 4242 fd:01:131 0 EOF`; those who wait for a lock have an arrow behind the number.
        fields = line.split()
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[3] == "WRITE" and fields[5] == wanted:
            return int(fields[4])
    return None


def read_start_time(pid: int, proc: Path = PROC) -> int | None:
    """Return when a process started, in ticks after boot; nothing when it is gone."""
    # Field 22 of the line.
    fields = _read_fields(pid, proc)
    dead = fields[:1] in (["Z"], ["X"])
    return int(fields[19]) if len(fields) > 19 and not dead else None


def is_stopped(pid: int, proc: Path = PROC) -> bool:
    """Return whether a signal, or somebody who traces it, has stopped a process."""
    return _read_fields(pid, proc)[:1] in (["T"], ["t"])


def _read_fields(pid: int, proc: Path) -> list[str]:
    """Return what is known of a process, from its third field on; nothing when it is gone."""
    try:
        text = (proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    # The name in brackets may hold spaces and brackets itself; what follows the last one is regular.
    return text.rpartition(")")[2].split()


def read_boot_id(proc: Path = PROC) -> str:
    """Return the name of this boot."""
    try:
        return (proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _is_sound(holder: Holder) -> bool:
    names = (holder.plan or "", holder.stack or "", holder.address or "")
    texts = (holder.boot_id, holder.host, holder.user, holder.since, holder.operation, *names)
    numbers = (holder.pid, holder.start_time, holder.up)
    return all(isinstance(text, str) for text in texts) and all(isinstance(number, int | float) for number in numbers)


def _moment(seconds: float) -> str:
    return moments.write_utc(seconds, "%Y-%m-%d %H:%M:%S UTC")


def _up() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def _user(number: int | None) -> str:
    import pwd

    if number is None:
        return "unknown"
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"
