"""What lies around a VM: its serial log and its sockets, kept small and cleaned away; and what it needs, required.

The log is written by the VMM itself, which appends and knows no limit. It is cut whenever a command comes by, and by a small shell while
none does (`log_bounds`): the old half is kept beside it. A process per VM that does nothing but copy would keep the limit at every instant,
and cost more memory than the tiny guest.
"""

import fcntl
import os
import shutil
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import sizes
from herocloud.model.errors import Permanent
from herocloud.providers.vmm import folders

LOG_LIMIT = 4 * 1024**2
_END = 65536
_OLD = ".1"


def require(path: Path, what: str, way: str = "put it there, or name another one in the stack file") -> Path:
    """Return the path of a file that has to be there and readable; `way` is what to do where it is not there."""
    if not path.exists():
        raise Permanent(f"{what} `{path}` does not exist; {way}")
    if not os.access(path, os.R_OK):
        raise Permanent(f"{what} `{path}` may not be read by this user")
    return path


def end_of(log: Path, most: int = _END) -> str:
    """Return the last words of a log that may be long; nothing when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - most))
            return stream.read(most).decode(errors="replace")
    except OSError:
        return ""


def size_of_log(data: Path, sid: str) -> int:
    """Return how long the serial log of a VM is."""
    try:
        return folders.serial_log(data, sid).stat().st_size
    except OSError:
        return 0


def written_since(data: Path, sid: str, before: int) -> int:
    """Return how much a guest wrote since its log was `before` bytes long; a log that is shorter now had grown, and was cut."""
    size = size_of_log(data, sid)
    return size - before if size >= before else max(1, size)


def cut_log(log: Path, limit: int = LOG_LIMIT) -> bool:
    """Move what a log holds to its older brother when it has grown beyond `limit`; tells whether it did.

    The writer goes on: it appends, so after the cut it writes at the new end. What it wrote between copy and cut is lost, which is why
    the copy is taken again until nothing came meanwhile, or three times.
    """
    try:
        return _cut(log, limit)
    except OSError:
        # A user who only looks may not have the right to write here.
        return False


def _cut(log: Path, limit: int) -> bool:
    size = log.stat().st_size
    if size <= limit:
        return False
    old = log.with_name(log.name + _OLD)
    with log.open("rb") as lock:
        # Another one who cuts at the same time has it, and what that one put aside would be thrown away.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size = log.stat().st_size
        if size <= limit:
            return False
        for _ in range(3):
            with log.open("rb") as source, old.open("wb") as target:
                source.seek(max(0, size - limit))
                shutil.copyfileobj(source, target)
            old.chmod(0o600)
            grown = log.stat().st_size
            if grown == size:
                break
            size = grown
        os.truncate(log, 0)
    return True


class HugePages(NamedTuple):
    """The huge pages that a host set aside."""

    total: int
    free: int
    """Those that are neither used nor promised."""
    size: int
    """Bytes of each."""


def huge_pages(memory: Path = Path("/proc/meminfo")) -> HugePages:
    """Look at the huge pages of this host. It sets them aside, and what it has promised to others is not free."""
    lines = dict(line.split(":", 1) for line in memory.read_text().splitlines() if ":" in line)
    names = ("HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "Hugepagesize")
    total, unused, promised, kib = (int(lines.get(name, "0").split()[0]) for name in names)
    return HugePages(total, unused - promised, kib * 1024)


def require_huge_pages(size: int, memory: Path = Path("/proc/meminfo")) -> None:
    """Refuse to begin what would end for want of huge pages."""
    _, free, page = huge_pages(memory)
    if free * page < size:
        needed = -(-size // page) if page else 0
        raise Permanent(
            f"{sizes.show_size(size)} of memory in huge pages takes {needed} of them, and {free} are free; "
            "`sysctl vm.nr_hugepages=N` sets them aside"
        )


def remove_runtime(data: Path, sid: str) -> None:
    """Remove the sockets of a VM, and the folders above them that hold nothing more."""
    folder = folders.runtime_folder(data, sid)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.rmdir()
    except OSError:
        # Other VMs have theirs there, or it was never made.
        return
