"""Machines made of files: a /proc and a /sys for any of them."""

from pathlib import Path
from typing import NamedTuple

import pytest

GIB = 1024**3


class Machine(NamedTuple):
    """The roots of a machine that does not exist."""

    proc: Path
    sys: Path

    def write(self, name: str, text: str) -> None:
        root, _, rest = name.partition("/")
        path = (self.proc if root == "proc" else self.sys) / rest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def set_memory(self, size: int) -> None:
        self.write("proc/meminfo", f"MemTotal:       {size // 1024} kB\nMemFree:        1024 kB\n")

    def set_routes(self, *lines: str) -> None:
        self.write(
            "proc/net/route", "\n".join(["Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT", *lines])
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine of 32 GiB and four processors, with one card of 10 Gbit/s."""
    made = Machine(tmp_path / "proc", tmp_path / "sys")
    made.set_memory(32 * GIB)
    made.write("sys/devices/system/cpu/online", "0-3\n")
    made.set_routes(
        "eno1\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0", "eno1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0"
    )
    made.write("sys/class/net/eno1/speed", "10000\n")
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty data folder."""
    made = tmp_path / "data"
    made.mkdir()
    return made
