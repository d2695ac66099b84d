"""The huge pages of this host: how many are free, and enough of them required before a VM takes some."""

from pathlib import Path
from typing import NamedTuple

from herocloud.kits import sizes
from herocloud.model.errors import Permanent


class HugePages(NamedTuple):
    """The huge pages that a host set aside."""

    total: int
    free: int
    """Those that are neither used nor promised."""
    size: int
    """Bytes of each."""


def read(memory: Path = Path("/proc/meminfo")) -> HugePages:
    """Look at the huge pages of this host. It sets them aside, and what it has promised to others is not free."""
    lines = dict(line.split(":", 1) for line in memory.read_text().splitlines() if ":" in line)
    names = ("HugePages_Total", "HugePages_Free", "HugePages_Rsvd", "Hugepagesize")
    total, unused, promised, kib = (int(lines.get(name, "0").split()[0]) for name in names)
    return HugePages(total, unused - promised, kib * 1024)


def require(size: int, memory: Path = Path("/proc/meminfo")) -> None:
    """Refuse to begin what would end for want of huge pages."""
    _, free, page = read(memory)
    if free * page < size:
        needed = -(-size // page) if page else 0
        raise Permanent(
            f"{sizes.show_size(size)} of memory in huge pages takes {needed} of them, and {free} are free; "
            "`sysctl vm.nr_hugepages=N` sets them aside"
        )
