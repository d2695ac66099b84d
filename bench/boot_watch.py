"""Watches one boot from outside: the line that says that the guest is ready, the first byte of its page, and its agent.

Both sides of `scripts/bench boot` are watched by the same code, from the first instant on and beside whatever else is done.
"""

import os
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import measuring

from herocloud.providers.guests.agents import Agent
from herocloud.providers.guests.channels import Endpoint

_READY = re.compile(rb"herocloud-guest ready host=\S+ seconds=([0-9.]+)")
_LOOK = 0.2


class Way(NamedTuple):
    """One boot, seen from outside; all in seconds."""

    parts: tuple[float, float, float, float]
    """Until the VMM's process exists, from then until the guest's kernel runs, until its ready line, and until its agent answered."""
    first_byte: float | None
    """Until the first byte of the guest's page; nothing where the guest has no card."""
    processor: float
    """Seconds that processors worked for it until the agent answered."""

    @property
    def ready(self) -> float:
        """Return the seconds until the agent answered."""
        return sum(self.parts)


class Watch:
    """Waits for the ready line and the first byte."""

    def __init__(self, log: Callable[[], Path | None], port: int | None, patience: float) -> None:
        """Begin to look; `log` says where the serial log is, once there is one, and `port` leads to the page where there is one."""
        self.began = time.monotonic()
        self._log, self._port, self._patience = log, port, patience
        self._line = self._uptime = self._byte = 0.0
        self._given_up = False
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def way(self, pid: int, agent: Endpoint, ended: Callable[[], bool]) -> Way:
        """Return what each part took, once all has been seen; `ended` tells that nothing more will come."""
        while self._thread.is_alive():
            self._thread.join(_LOOK)
            if ended():
                raise measuring.Failed("the VMM ended before its guest was ready")
        if not self._line:
            raise measuring.Failed(f"no guest was ready within {self._patience:g} s")
        if self._port is not None and not self._byte:
            raise measuring.Failed(f"the guest is ready, and its page did not come within {self._patience:g} s")
        if not Agent(agent).wait(self._patience, stopped=ended):
            raise measuring.Failed(f"the guest is ready, and its agent did not answer within {self._patience:g} s")
        answered = time.monotonic()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        worked = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        started, kernel = _since_boot(int(fields[19])), self._line - self._uptime
        parts = (started - self.began, kernel - started, self._line - kernel, answered - self._line)
        return Way(parts, self._byte - self.began if self._byte else None, worked)

    def close(self) -> None:
        """Look no longer."""
        self._given_up = True
        self._thread.join()

    def _look(self) -> None:
        until = time.monotonic() + self._patience
        while not self._line and not self._is_over(until):
            path = self._log()
            found = _READY.search(_read(path)) if path is not None else None
            if found:
                self._uptime, self._line = float(found.group(1)), time.monotonic()
            else:
                time.sleep(0.01)
        while self._port is not None and not self._byte and not self._is_over(until):
            self._byte = _first_byte(self._port)

    def _is_over(self, until: float) -> bool:
        return self._given_up or time.monotonic() >= until


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _first_byte(port: int) -> float:
    """Ask for the page once; returns when its first byte came, or nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
            wire.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return time.monotonic() if wire.recv(1) else 0.0
    except OSError:
        time.sleep(0.01)
        return 0.0


def _since_boot(ticks: int) -> float:
    """Turn the kernel's count of a process's start into the clock that we read. Both count from the boot of the host."""
    behind = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return ticks / os.sysconf("SC_CLK_TCK") - behind
