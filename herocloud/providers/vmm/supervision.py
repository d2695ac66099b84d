"""Who stands by the process of a VM: its keeper, the shell that keeps its log small, and the program that watches its connections.

A process that runs shows nothing of them. So a look asks whether each of them lives and goes by what was written for it, and an apply gives
back what is missing without touching the guest. What works beside a VMM has keepers of its own (`companions`).
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.providers.vmm import group_look, identity, launch, log_bounds, responsiveness, standing_orders
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.restarter import VmmRestarter

GUARDED = "guarded"
"""What the mark says of a VMM whose connections a program watches."""
_PATIENCE, _STEP = 10.0, 0.01


def with_flaws(data: Path, sid: str, machine: Part) -> Part:
    """Return a machine that runs with what is wrong about who stands by it; nothing is added while all is well."""
    if machine is None:
        return machine
    record, found = identity.record_path(data, sid), {}
    if flaw := flaw_of(record, str(machine["restart"])):
        found[powers.KEEPER] = flaw
    if identity.is_unrecorded(data, sid):
        found[powers.RECORD] = powers.RECORD_LOST
    if _is_unbounded(data, sid):
        found[powers.LOG] = powers.LOG_UNBOUNDED
    if flaw := group_look.flaw(data, sid, machine):
        found[powers.LIMITS] = flaw
    return {**machine, **found} if found else machine


def is_unguarded(data: Path, sid: str) -> bool:
    """Return whether the program that watches the connections of a VM is gone; of one that an earlier version started nobody knows."""
    guard = _read(identity.record_path(data, sid), "guarded-by")
    return guard is not None and not identity.is_alive(guard)


def give_back(data: Path, sid: str, machine: Part) -> None:
    """Have somebody stand by the process of a VM that runs again, and wait until they do: what looks next is to find them."""
    record, process = identity.record_path(data, sid), identity.running(data, sid)
    if machine["restart"] != standing_orders.NEVER:
        launch.keep(record, kept=True)
        if process is not None:
            _adopt(data, sid, record)
    group_look.give_back(data, sid, machine)
    if process is not None and _is_unbounded(data, sid):
        keeper = launch.keeper_of(record)
        _bound_log(record, keeper if keeper is not None and identity.is_alive(keeper) else process, identity.unit(data, sid))
        _wait(lambda: not _is_unbounded(data, sid))


def flaw_of(record: Path, restart: str) -> str:
    """Say what is wrong with the shell that starts the process of a record again, or with what it goes by; nothing while all is well."""
    if restart == standing_orders.NEVER:
        return standing_orders.flaw(record, restart)
    if not launch.is_kept(record):
        return "" if launch.is_being_ended(record) else powers.KEEPER_LEAVES
    keeper = launch.keeper_of(record)
    if keeper is None or not identity.is_alive(keeper):
        return powers.KEEPER_DEAD
    return powers.KEEPER_HALTED if responsiveness.is_halted(keeper) else standing_orders.flaw(record, restart)


def _is_unbounded(data: Path, sid: str) -> bool:
    """Return whether the shell is gone that keeps the log of a VM small; one that begins has not written down yet who it is."""
    record = identity.record_path(data, sid)
    if not record.with_name(f"{record.name}.{log_bounds.FLAG}").exists():
        return False
    bounding = _read(record, log_bounds.RECORD)
    if bounding is not None:
        return not identity.is_alive(bounding)
    process = identity.running(data, sid)
    return process is not None and not responsiveness.is_starting(process)


def _bound_log(record: Path, process: Identity, unit: str) -> None:
    """Put a new shell beside a process that keeps its serial log small; where one stands, there are two, and one of them cuts."""
    size, seconds = record.with_name(f"{record.name}.{log_bounds.FLAG}").read_text().split()
    own = record.absolute()
    words = ["/bin/sh", "-c", log_bounds.SCRIPT, "herocloud-log", str(own.with_name(log_bounds.LOG)), str(process.pid), size, seconds]
    words.append(str(own.with_name(f"{own.name}.{log_bounds.RECORD}")))
    launch.start_shell(record, words, {"PATH": f"{os.defpath}:/usr/sbin:/sbin"}, f"{unit}-log")


def _adopt(data: Path, sid: str, record: Path) -> None:
    restarter = VmmRestarter(data, sid)
    if restarter.replace_if_dead():
        _wait(restarter.stands)
    keeper = launch.keeper_of(record)
    if keeper is not None and identity.is_alive(keeper) and responsiveness.is_halted(keeper):
        identity.send(keeper, signal.SIGCONT)


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(_STEP)


def _read(record: Path, name: str) -> Identity | None:
    return identity.read(record.with_name(f"{record.name}.{name}"))
