"""Whether the process of a VM can do anything.

A process that was stopped by a signal lives, holds its lock, and never answers. One that does not answer for another reason is given time:
it may have been started a moment ago, the host is busy, or it is: one that writes the memory of its VM answers nobody until that is done,
and whatever else keeps it at work shows in the thread that would answer. Only one that does nothing has hung, or one whose socket somebody
has removed.
"""

import math
import os
import signal
from pathlib import Path

from herocloud.model import powers
from herocloud.providers.vmm import frozen_groups, identity, memory_folders, orders
from herocloud.providers.vmm.identity import Identity

PATIENCE = 5.0
"""Seconds that a machine which did not answer has the second time."""
_STARTING = 30.0
"""Seconds in which a process that was started may not answer yet."""
_PROC = Path("/proc")
_LISTENS = 0x10000
"""The flag of a socket that takes connections, in the kernel's list."""
_ANSWERS = "vmm"
"""What Cloud Hypervisor calls its thread that carries out requests."""


def is_halted(process: Identity) -> bool:
    """Return whether a signal has stopped a process, or a debugger has."""
    try:
        return (_PROC / str(process.pid) / "stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except (OSError, IndexError):
        return False


def is_starting(process: Identity) -> bool:
    """Return whether a process is so young that it may not answer yet."""
    uptime = float((_PROC / "uptime").read_text().split()[0])
    return uptime - process.started / os.sysconf("SC_CLK_TCK") < _STARTING


def wake(data: Path, sid: str) -> None:
    """Have a process go on that a signal has stopped, or that is in a frozen control group."""
    process = identity.running(data, sid)
    if process is None:
        return
    if frozen_groups.is_frozen(process):
        frozen_groups.thaw(process, orders.groups(identity.record_path(data, sid)))
    if is_halted(process):
        identity.send(process, signal.SIGCONT)


def has_lost(process: Identity, *sockets: Path) -> bool:
    """Return whether a process listens on a socket that has lost its name: nobody can ask it, however long they wait.

    The kernel remembers the name until the socket is closed, so one that was removed is not taken for one that is still to be made.
    """
    gone = {str(path) for path in sockets if not path.is_socket()}
    if not gone:
        return False
    try:
        lines = (_PROC / str(process.pid) / "net/unix").read_text(errors="replace").splitlines()[1:]
    except OSError:
        return False
    fields = (line.split(maxsplit=7) for line in lines)
    return any(len(field) == 8 and field[7] in gone and int(field[3], 16) & _LISTENS for field in fields)


def power_without_answer(data: Path, sid: str, *sockets: Path) -> str:
    """Return the power of a VM whose process lives and did not answer on its sockets."""
    process = identity.running(data, sid)
    if process is None:
        # It ended meanwhile, or its record is being written.
        return "running"
    if is_halted(process):
        return powers.HALTED
    if frozen_groups.is_frozen(process):
        return powers.FROZEN
    if memory_folders.is_being_moved(data, sid):
        # Its guest is held for that, before and after.
        return "paused"
    return "running" if is_starting(process) and not has_lost(process, *sockets) else powers.UNRESPONSIVE


def work_done(data: Path, sid: str) -> float:
    """Return how long the thread that would answer has used a processor so far, in ticks; without end while it waits for a disk."""
    process = identity.running(data, sid)
    if process is None:
        return 0.0
    thread = _answering_thread(process.pid)
    try:
        fields = (thread / "stat").read_text().rpartition(")")[2].split()
        return math.inf if fields[0] == "D" else float(fields[11]) + float(fields[12])
    except (OSError, IndexError, ValueError):
        return 0.0


def _answering_thread(pid: int) -> Path:
    """Return the thread that carries out requests: the one named after that, else the first."""
    tasks = _PROC / str(pid) / "task"
    try:
        return next(task for task in tasks.iterdir() if (task / "comm").read_text().strip() == _ANSWERS)
    except (OSError, StopIteration):
        return tasks / str(pid)
