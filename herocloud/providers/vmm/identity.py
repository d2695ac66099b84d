"""Which process is a VM's: the record that it wrote itself, and the proofs that it lives or is dead.

A process is touched only after its identity is proven, and taken for gone only after its death is. The number alone proves nothing: the
kernel gives it to somebody else as soon as it is free. Number and start time together name one process in one boot of the host.

The record is written by the process itself before it becomes the VMM (see `launch`), so there is no instant at which a VMM runs without
one. It lies with the data and not with the sockets: emptying the runtime folder must not make running VMs look dead.
"""

import contextlib
import errno
import fcntl
import functools
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from herocloud.providers.vmm import folders, host_processes

RECORD = "process"
TOKEN = "HEROCLOUD_VM"  # noqa: S105  (the name of a variable, and no secret)
_LOCK = 9
"""The descriptor under which a process holds its lock."""
_MOST_BYTES = 64 * 1024
_WRITES_RECORD = 5.0
"""Seconds within which a process that holds the lock has written its record, even on a busy host."""
_BESIDE = frozenset({b"herocloud-keeper", b"herocloud-adopter", b"flock"})
"""Words of the shell beside a VMM, which has the lock open as well, and of what waits for it to be free; a VMM has none of them."""
_PROC = Path("/proc")
_STEP = 0.005
_DEAD = "ZX"
"""States of processes that nobody has waited for yet: what they ran is over."""


class Identity(NamedTuple):
    """One process in one boot of the host."""

    pid: int
    started: int
    """Clock ticks between the boot and the start, as the kernel counts them."""
    boot: str
    digest: str = ""
    """Of the configuration that it was started with."""
    socket: str = ""
    """Where it takes commands."""


def record_path(data: Path, sid: str, companion: str = "") -> Path:
    """Return where the record of a VM's process is; companions (a daemon for shares, say) have one each."""
    return folders.machine_folder(data, sid) / (RECORD + companion)


@functools.cache
def boot_id() -> str:
    """Name this boot of the host, which no process outlives."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def read(record: Path) -> Identity | None:
    """Read a record; nothing when there is none, or when the process has not finished writing it."""
    try:
        # A pipe that somebody put in its place must not be waited for.
        descriptor = os.open(record, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            content = os.read(descriptor, _MOST_BYTES).decode()
        finally:
            os.close(descriptor)
        boot, digest, socket, stat = content.splitlines()
        number, fields = host_processes.split(stat)
        return Identity(number, int(fields[19]), boot, digest, socket)
    except (OSError, ValueError, IndexError):
        return None


def describe_self() -> str:
    """Return the record of this process, for a file that says who is at work."""
    return f"{boot_id()}\n\n\n{(_PROC / 'self/stat').read_text()}"


def is_alive(identity: Identity) -> bool:
    """Prove that the process still runs: same boot, same number, same start time, and not merely unburied."""
    if identity.boot != boot_id():
        return False
    try:
        fields = host_processes.split((_PROC / str(identity.pid) / "stat").read_text())[1]
    except (OSError, ValueError):
        return False
    return fields[0] not in _DEAD and int(fields[19]) == identity.started


def running(data: Path, sid: str, companion: str = "") -> Identity | None:
    """Return the process of a VM when it is proven to run, whatever became of its record."""
    if companion:
        recorded = read(record_path(data, sid, companion))
        return recorded if recorded is not None and is_alive(recorded) else None
    return _recorded(data, sid) or _find_unrecorded(data, sid)


def is_unrecorded(data: Path, sid: str) -> bool:
    """Return whether the process of a VM runs and its record, which somebody removed or changed, does not say so."""
    return _recorded(data, sid) is None and _find_unrecorded(data, sid) is not None


def may_be_unrecorded(data: Path, sid: str) -> bool:
    """Return whether a process of a VM may run that no record names: its lock is held, or is gone although there are orders for it."""
    # A boot asks this a dozen times before there is a lock, and building paths costs more than the checks.
    if os.access(f"{folders.machine_folder(data, sid)}/{RECORD}.lock", os.F_OK):
        return is_held(record_path(data, sid))
    return os.access(folders.orders_path(record_path(data, sid)), os.F_OK)


def _recorded(data: Path, sid: str) -> Identity | None:
    identity = read(record_path(data, sid))
    return identity if identity is not None and is_alive(identity) and not _is_of_another(identity, data, sid) else None


_proven: set[tuple[Identity, bytes]] = set()
"""Processes that were seen to carry the token of their VM, which they keep for life."""


def _is_of_another(process: Identity, data: Path, sid: str) -> bool:
    """Return whether a process that a record names carries no token of that VM: somebody wrote another one's into it.

    Nobody but the VM's own may be put into its groups, or ended with it. What cannot be read, or is just being set up, says nothing.
    """
    wanted = _marked(data, sid)
    if (process, wanted) in _proven:
        return False
    try:
        words = (_PROC / str(process.pid) / "environ").read_bytes()
    except OSError:
        return False
    if words and wanted not in words.split(b"\0"):
        return True
    if words:
        _proven.add((process, wanted))
    return False


def _find_unrecorded(data: Path, sid: str) -> Identity | None:
    """Return the process that a VM was given and that no record names; nothing while one that has just been started writes its record.

    It holds the lock of the VM, as nobody else does for long but the shell beside it, and mostly it is a child of that shell.
    """
    if not may_be_unrecorded(data, sid):
        return None
    record = record_path(data, sid)
    wanted, keeper = _marked(data, sid), read(record.with_name(f"{record.name}.keeper"))
    children = [] if keeper is None or not is_alive(keeper) else host_processes.children(keeper.pid)
    # A shell that took the place of another one has no VMM among its children.
    holding = [pid for pid in children if _is_process_of(pid, wanted, record)]
    holding = holding or [pid for pid in host_processes.numbers() if _is_process_of(pid, wanted, record)]
    found = [one for pid in holding if (one := _identify(pid)) is not None and host_processes.age(one.started) > _WRITES_RECORD]
    return max(found, key=lambda one: (one.started, one.pid), default=None)


def _is_process_of(pid: str, wanted: bytes, record: Path) -> bool:
    """Return whether a process carries the token of a VM, holds its lock and is not a shell of ours."""
    process = _PROC / pid
    try:
        held = (process / "fd" / str(_LOCK)).readlink()
        is_lock = str(held).removesuffix(" (deleted)") == str(_lock_of(record).parent.resolve() / _lock_of(record).name)
        return is_lock and _carries(process, wanted) and _BESIDE.isdisjoint(host_processes.words(process))
    except OSError:
        return False


def _identify(pid: str) -> Identity | None:
    try:
        number, fields = host_processes.split((_PROC / pid / "stat").read_text())
    except (OSError, ValueError, IndexError):
        return None
    return None if fields[0] in _DEAD else Identity(number, int(fields[19]), boot_id())


def is_there(data: Path, sid: str, booted: str) -> bool:
    """Return whether a VM that was started in the boot `booted` runs. A record that got lost makes this look through all processes."""
    if booted != boot_id():
        return False
    record = record_path(data, sid)
    identity = read(record)
    if identity is not None:
        return is_alive(identity)
    return is_held(record) or (not record.exists() and find(data, sid) is not None)


def lives(data: Path, sid: str, booted: str | None) -> bool:
    """Return whether the process of a VM runs, whatever its mark says; `booted` is when the mark has it started."""
    return running(data, sid) is not None or (booted is not None and is_there(data, sid, booted))


@contextlib.contextmanager
def hold(record: Path, patience: float = 1.0) -> Iterator[int | None]:
    """Take the lock of a record and yield its descriptor, for a process that goes on to hold it; nothing where somebody else does.

    It is waited for, because a look at it holds it for an instant.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(record.with_name(record.name + ".lock"), flags, 0o600)
    try:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    yield None
                    return
                time.sleep(_STEP)
                continue
            yield descriptor
            return
    finally:
        os.close(descriptor)


def is_held(record: Path) -> bool:
    """Return whether anybody holds the lock of a record: the VMM does until it ends, and so does one that is just being started.

    Asked with a shared lock: two who look do not take each other for the VMM, and a start that meets a look waits for it (see `launch`).
    """
    try:
        descriptor = os.open(_lock_of(record), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock_of(record: Path) -> Path:
    return record.with_name(record.name + ".lock")


def find(data: Path, sid: str) -> Identity | None:
    """Look for the process of a VM among all processes, by the token in its environment; for when its record is lost.

    This reads a file of every process of the host, so it is for healing and not for looking.
    """
    wanted = _marked(data, sid)
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            if not _carries(entry, wanted) or _holds_another(entry) or not _BESIDE.isdisjoint(host_processes.words(entry)):
                continue
            number, fields = host_processes.split((entry / "stat").read_text())
            if fields[0] not in _DEAD:
                found.append(Identity(number, int(fields[19]), boot_id()))
    # Whatever else the shell beside a VMM ran with its token was there before it.
    return max(found, key=lambda one: (one.started, one.pid), default=None)


def children(process: Identity, name: str) -> list[Identity]:
    """Return the children of a process that run a program of this name; none where the kernel does not tell."""
    found = []
    for number in host_processes.children(process.pid):
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (_PROC / number / "stat").read_text()
            if stat.partition("(")[2].rpartition(")")[0] == name:
                found.append(Identity(int(number), int(host_processes.split(stat)[1][19]), boot_id()))
    return found


def find_unmarked(data: Path, sid: str) -> Identity | None:
    """Return the process of a VM of which no mark tells; one whose own record is lost too is looked for among all processes."""
    if record_path(data, sid).exists():
        # Where that process is dead its keeper may pause before it starts another one, which writes a record of its own.
        return running(data, sid)
    return find(data, sid)


def _holds_another(process: Path) -> bool:
    """Return whether a process holds the lock of a companion: one that works beside a VMM may be started with the VMM's environment."""
    try:
        lock = (process / "fd" / str(_LOCK)).readlink().name
    except OSError:
        return False
    return lock.startswith(f"{RECORD}-")


def token(data: Path, sid: str) -> str:
    """Return what marks every process that belongs to a VM."""
    return f"{folders.runtime_root(data).name}/{sid}"


def has_token(process: Identity, data: Path, sid: str) -> bool:
    """Return whether a process carries the token of a VM."""
    try:
        return _carries(_PROC / str(process.pid), _marked(data, sid))
    except OSError:
        return False


def _marked(data: Path, sid: str) -> bytes:
    return f"{TOKEN}={token(data, sid)}".encode()


def _carries(process: Path, wanted: bytes) -> bool:
    return wanted in (process / "environ").read_bytes().split(b"\0")


def environment(data: Path, sid: str, companion: str = "") -> dict[str, str]:
    """Return the environment of a process that belongs to a VM: what marks it, and nothing else."""
    return {TOKEN: f"{token(data, sid)}{companion}"}


def unit(data: Path, sid: str, companion: str = "") -> str:
    """Name the unit of a process that belongs to a VM, where systemd runs."""
    return f"herocloud-{folders.runtime_root(data).name}-{sid}{companion}"


def send(identity: Identity, number: signal.Signals) -> None:
    """Send a signal to a process after proving who it is; one that is gone needs none."""
    descriptor = _open(identity.pid)
    if descriptor is None:
        return
    try:
        # The descriptor stands for one process, even when another gets its number afterwards.
        if is_alive(identity):
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def _open(pid: int) -> int | None:
    """Return a descriptor that stands for a process; nothing when no process has this number.

    EINVAL, or ENOENT of newer kernels, means that the number is a thread's by now, or that its process was buried while the kernel looked.
    """
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL, errno.ENOENT):
            return None
        raise


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process with all its threads, which counts the time that a processor spent in its guest."""
    try:
        _, fields = host_processes.split((_PROC / str(pid) / "stat").read_text())
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_death(identity: Identity, seconds: float, stopped: Callable[[], bool] = lambda: False) -> bool:
    """Wait until the process is dead; tells whether it is. Gives up early when `stopped` says so."""
    until = time.monotonic() + seconds
    descriptor = _open(identity.pid)
    if descriptor is None:
        return True
    try:
        while is_alive(identity):
            left = until - time.monotonic()
            if left <= 0 or stopped():
                return False
            select.select([descriptor], [], [], min(left, 0.25))
    finally:
        os.close(descriptor)
    return True
