"""What works beside a VMM, an attendant or the daemon of a share: what became of it, and how it comes back without its VMM noticing.

Each has a record, a lock and a shell of its own, as a VMM has. That shell starts it again after a pause that grows, so one that is not
there may be about to come: it is called at once then, because a second shell would find the lock taken. Only where the shell is gone as
well nobody brings it back, and that is seen as drift.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from herocloud.model import powers
from herocloud.providers.vmm import identity, launch, orders, responsiveness, standing_orders
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.launch import Launch

_PATIENCE = 10.0
_STEP = 0.005
_PAUSE = "sleep"
"""The program in which a shell waits before it starts a process again."""


def flaw(record: Path, restart: str | None = None) -> str | None:
    """Say what is wrong with a companion of a VMM that runs; nothing while it works, or its shell is about to start it again.

    What its shell goes by is compared where `restart` says when it is to be started again.
    """
    process, keeper = identity.read(record), launch.keeper_of(record)
    is_halted = keeper is not None and _is_halted(keeper)
    is_kept = launch.has_keeper(record) and not is_halted
    if process is None or not identity.is_alive(process):
        # One that just starts holds its lock, and has not written down yet who it is.
        return None if is_kept or (not is_halted and identity.is_held(record)) else powers.KEEPER_DEAD
    if responsiveness.is_halted(process):
        return powers.KEEPER_HALTED
    # One that started together with its VMM begins a moment before its shell has written down who it is.
    if not is_kept and keeper is not None:
        return powers.UNKEPT
    if restart is None or not is_kept:
        return None
    if not launch.is_kept(record):
        return None if launch.is_being_ended(record) else powers.KEEPER_LEAVES
    return standing_orders.flaw(record, restart) or None


def come_back(record: Path) -> Identity | None:
    """Return the process, having its shell skip the pause before a restart; nothing if no shell is left to restart it."""
    until = time.monotonic() + _PATIENCE
    while True:
        process, keeper = identity.read(record), launch.keeper_of(record)
        if process is not None and identity.is_alive(process):
            return process
        if not identity.is_held(record) and not launch.has_keeper(record):
            return None
        _end_pause(keeper)
        if time.monotonic() > until:
            launch.dismiss(record)
            return None
        time.sleep(_STEP)


def bring_back(what: Launch, settled: Callable[[Path, Identity], None] = lambda _record, _process: None) -> None:
    """Have a companion work and be kept, whatever of it is still there; one that had to be started is kept once it has `settled`."""
    record = what.record
    process = come_back(record)
    if process is None:
        settled(record, launch.launch(what))
    for one in (process, launch.keeper_of(record)):
        if one is not None and _is_halted(one):
            identity.send(one, signal.SIGCONT)
    launch.keep(record, kept=True)
    if process is not None:
        launch.prepare(what)
    if process is not None and launch.keeper_of(record) is not None and not launch.has_keeper(record):
        launch.adopt(what)
        until = time.monotonic() + _PATIENCE
        while not launch.has_keeper(record) and time.monotonic() < until:
            time.sleep(_STEP)


def end(record: Path) -> None:
    """End a companion and its shell, and remove what they left."""
    launch.keep(record, kept=False)
    process = identity.read(record)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process is not None:
            identity.send(process, number)
            if identity.wait_for_death(process, _PATIENCE):
                break
    _end_pause(launch.keeper_of(record))
    launch.dismiss(record)
    orders.forget(record)
    for path in record.parent.glob(f"{record.name}*"):
        path.unlink(missing_ok=True)


def _end_pause(keeper: Identity | None) -> None:
    """Have a shell go on that waits before it starts a process again, or that a signal has stopped."""
    if keeper is None:
        return
    if _is_halted(keeper):
        identity.send(keeper, signal.SIGCONT)
    for pause in identity.children(keeper, _PAUSE):
        identity.send(pause, signal.SIGTERM)


def _is_halted(process: Identity) -> bool:
    return identity.is_alive(process) and responsiveness.is_halted(process)
