"""What the machine is: memory, disk, processors, memory nodes and the way out, read from /proc, /sys and the file system.

Straight from the kernel's files and not through psutil, whose import alone takes longer than everything here; psutil is asked only where
a file is missing. Both roots are parameters, so that a test can be any machine.
"""

import os
from pathlib import Path

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.hosts import NumaNode, Uplink

PROC = Path("/proc")
SYS = Path("/sys")

_UP = 0x1
_REJECT = 0x200
_BYTES_PER_MBIT = 125_000


class Detected(NamedTuple):
    """The machine as it is found."""

    name: str
    memory: int
    disk: int
    disk_free: int
    cpus: int
    numa: tuple[NumaNode, ...]
    uplink: Uplink | None
    hugepages: int
    """Bytes set aside in huge pages, used or not."""


def detect(folder: Path, *, proc: Path = PROC, sys: Path = SYS) -> Detected:
    """Look at the machine; `folder` names the file system that counts as its disk, and need not exist yet."""
    disk, free = _disk(folder)
    about = _read(proc / "meminfo")
    return Detected(os.uname().nodename, _memory(about), disk, free, _cpus(sys), _numa(sys), _uplink(proc, sys), _huge_pages(about))


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """Read the kernel's way to write processors: `0-3,8`."""
    numbers: list[int] = []
    for piece in text.strip().split(","):
        first, _, last = piece.partition("-")
        if first.isdigit():
            numbers.extend(range(int(first), int(last or first) + 1))
    return tuple(numbers)


def _memory(about: str) -> int:
    total = _kib(about, "MemTotal:")
    if total is not None:
        return total * 1024
    import psutil

    return int(psutil.virtual_memory().total)


def _huge_pages(about: str) -> int:
    """Those of the usual size, which is the one that VMs get."""
    return (_kib(about, "HugePages_Total:") or 0) * (_kib(about, "Hugepagesize:") or 0) * 1024


def _kib(text: str, label: str) -> int | None:
    _, found, rest = text.partition(label)
    words = rest.split(maxsplit=1)
    return int(words[0]) if found and words and words[0].isdigit() else None


def _disk(folder: Path) -> tuple[int, int]:
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    status = os.statvfs(there)
    # What is free for everybody: the part that root may still fill is there so that the host survives a full disk.
    return status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize


def _cpus(sys: Path) -> int:
    # Those of the machine, not those that this process may run on: VMs are not bound by the mask of our shell.
    return len(parse_cpu_list(_read(sys / "devices/system/cpu/online"))) or os.cpu_count() or 1


def _numa(sys: Path) -> tuple[NumaNode, ...]:
    root = sys / "devices/system/node"
    try:
        numbers = sorted(int(name[4:]) for name in os.listdir(root) if name.startswith("node") and name[4:].isdigit())  # noqa: PTH208
    except OSError:
        return ()
    nodes = []
    for number in numbers:
        folder = root / f"node{number}"
        memory = _kib(_read(folder / "meminfo"), "MemTotal:")
        if memory is not None:
            nodes.append(NumaNode(number, parse_cpu_list(_read(folder / "cpulist")), memory * 1024))
    return tuple(nodes)


def _uplink(proc: Path, sys: Path) -> Uplink | None:
    name = _default_of_ipv4(_read(proc / "net/route")) or _default_of_ipv6(_read(proc / "net/ipv6_route"))
    return None if name is None else Uplink(name, _speed(sys / "class/net" / name / "speed"))


def _default_of_ipv4(text: str) -> str | None:
    """Return the interface of the default route with the lowest metric."""
    routes = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) >= 8 and fields[1] == fields[7] == "00000000" and _leads_out(fields[3]):
            routes.append((int(fields[6]), fields[0]))
    return min(routes)[1] if routes else None


def _default_of_ipv6(text: str) -> str | None:
    routes = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 10 and fields[0].strip("0") == "" and fields[1] == "00" and fields[9] != "lo" and _leads_out(fields[8]):
            routes.append((int(fields[5], 16), fields[9]))
    return min(routes)[1] if routes else None


def _leads_out(flags: str) -> bool:
    number = int(flags, 16)
    return bool(number & _UP) and not number & _REJECT


def _speed(path: Path) -> int | None:
    """Return bytes a second. A virtual card has no speed, or says -1; a cable that is out makes reading the file an error."""
    try:
        speed = int(_read(path))
    except ValueError:
        return None
    return speed * _BYTES_PER_MBIT if speed > 0 else None


def _read(path: Path) -> str:
    """Return the text of a small file of the kernel; nothing where it cannot be read."""
    try:
        with path.open(encoding="ascii", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
