"""Whether the process of a VM can do anything, and whether somebody stands by to start it again.

A process that was stopped by a signal lives, holds its lock, and never answers. One that does not answer for another reason is given time:
it may have been started a moment ago, or the host is busy.
"""

import os
import signal
import time
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.providers.vmm import identity, launch
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.restarter import VmmRestarter

PATIENCE = 5.0
"""Seconds that a machine which did not answer has the second time."""
_STARTING = 30.0
"""Seconds in which a process that was started may not answer yet."""
_ADOPTION, _STEP = 10.0, 0.01
_PROC = Path("/proc")


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
    """Resume a process that a signal has stopped."""
    process = identity.running(data, sid)
    if process is not None and is_halted(process):
        identity.send(process, signal.SIGCONT)


def power_without_answer(data: Path, sid: str) -> str:
    """Return the power of a VM whose process lives and did not answer."""
    process = identity.running(data, sid)
    if process is None:
        # It ended meanwhile, or its record is being written.
        return "running"
    if is_halted(process):
        return powers.HALTED
    return "running" if is_starting(process) else powers.UNRESPONSIVE


def with_keeper(data: Path, sid: str, machine: Part) -> Part:
    """Return a machine that runs with what became of the process that is to start it again; nothing is added while it is there."""
    if machine is None or machine["restart"] == "no" or not launch.is_kept(identity.record_path(data, sid)):
        return machine
    keeper = _keeper(data, sid)
    if keeper is not None and identity.is_alive(keeper):
        return {**machine, powers.KEEPER: powers.KEEPER_HALTED} if is_halted(keeper) else machine
    return {**machine, powers.KEEPER: powers.KEEPER_DEAD}


def adopt(data: Path, sid: str) -> None:
    """Have somebody stand by a process again, and wait until it does: what looks next is to find it."""
    keeper = _keeper(data, sid)
    if keeper is not None and identity.is_alive(keeper) and is_halted(keeper):
        identity.send(keeper, signal.SIGCONT)
        return
    restarter = VmmRestarter(data, sid)
    if restarter.replace_if_dead():
        deadline = time.monotonic() + _ADOPTION
        while not restarter.stands() and time.monotonic() < deadline:
            time.sleep(_STEP)


def _keeper(data: Path, sid: str) -> Identity | None:
    record = identity.record_path(data, sid)
    return identity.read(record.with_name(f"{record.name}.keeper"))
