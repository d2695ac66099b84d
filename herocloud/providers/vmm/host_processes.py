"""What the kernel says of the processes of this host, of all alike: whose they are decides `identity`."""

import contextlib
import os
from pathlib import Path

_PROC = Path("/proc")


def numbers() -> list[str]:
    """Return the numbers of all processes."""
    return [entry.name for entry in os.scandir(_PROC) if entry.name.isdecimal()]


def children(pid: int) -> list[str]:
    """Return the numbers of the children of a process; none where the kernel does not tell."""
    try:
        return (_PROC / f"{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []


def words(process: Path) -> list[bytes]:
    """Return the words that a process was started with; `process` is its folder."""
    return (process / "cmdline").read_bytes().split(b"\0")


def environments() -> list[list[bytes]]:
    """Return the variables of every process whose environment this user may read."""
    found = []
    for number in numbers():
        with contextlib.suppress(OSError):
            found.append((_PROC / number / "environ").read_bytes().split(b"\0"))
    return found


def age(started: int) -> float:
    """Return how many seconds ago something was that the kernel counts in ticks since it began."""
    return float((_PROC / "uptime").read_text().split()[0]) - started / os.sysconf("SC_CLK_TCK")


def split(stat: str) -> tuple[int, list[str]]:
    """Take a line of /proc/PID/stat apart; the name in brackets may hold anything, so the last bracket counts."""
    head, _, tail = stat.rpartition(")")
    return int(head.partition(" ")[0]), tail.split()
