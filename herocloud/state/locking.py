"""The lock that keeps a second writer away, and that never needs to be forced.

It is a lock of the kernel on the data folder itself, so it ends with its process and no stray `rm` can split it in two, as happens to
tools whose lock is a file. Plans never take it. Waiting is polling, because a blocking lock cannot be bounded without signals; the
time is measured by a clock that nobody can set back.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits import faults, sizes
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Locked
from herocloud.state import failures, holders
from herocloud.state.holders import Holder

__all__ = ["Holder", "hold", "read_holder"]

_INTERVAL = 0.1
"""Seconds between two attempts: short for a person, nothing for the machine."""


@contextmanager
def hold(
    folder: Path,
    operation: str,
    plan_id: str | None,
    timeout: float,
    note: Callable[[str], None] = lambda _text: None,
    *,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Be the one writer while inside; raises `Locked` when another still is after `timeout` seconds."""
    with failures.Guarded(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with failures.Guarded(folder):
            _acquire(descriptor, folder, timeout, note, clock=clock, pause=pause)
            faults.reached("state.lock.taken")
            if holders.was_left(folder):
                note(_took_over(holders.read(folder)))
            holders.write(folder, holders.describe_self(operation, plan_id))
            faults.reached("state.lock.written")
        try:
            yield
        finally:
            _release(folder)
    finally:
        os.close(descriptor)


def read_holder(folder: Path) -> Holder | None:
    """Return who holds the lock; nothing when nobody does. Takes no lock itself, and writes nothing."""
    holder = holders.read(folder)
    locker = holders.find_locker(folder)
    if locker is None:
        # Some file systems show another device in the kernel's list than to `stat`, so a record of a living process counts as well.
        return None if holder is None or holder.is_alive() is False else holder
    if holder is not None and holder.pid == locker:
        return holder
    # The record is not written yet, or not readable: the kernel still knows the process.
    return holders.name_stranger(locker)


def _acquire(
    descriptor: int,
    folder: Path,
    timeout: float,
    note: Callable[[str], None],
    *,
    clock: Callable[[], float],
    pause: Callable[[float], None],
) -> None:
    deadline = clock() + timeout
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            left = deadline - clock()
            holder = holders.read(folder)
            if left <= 0:
                raise Locked([_say_locked(folder, holder, timeout)]) from None
            if not told:
                note(f"waiting up to {sizes.show_duration(left)} for {_name(holder)}")
                told = True
            pause(min(_INTERVAL, left))
        else:
            return


def _release(folder: Path) -> None:
    # Before the lock goes: after it, this could wipe out the record of the next holder. A disk that fails here only leaves a record
    # that the next holder finds to be of a dead process, so the end of a good apply is not turned into an error.
    try:
        faults.reached("state.lock.release")
        holders.clear(folder)
        faults.reached("state.lock.cleared")
    except OSError:
        pass


def _name(holder: Holder | None) -> str:
    if holder is None:
        return "a process that has not said its name"
    plan = f" of plan {holder.plan}" if holder.plan else ""
    return f"`{holder.operation}`{plan} (process {holder.pid} of {holder.user} on {holder.host})"


def _took_over(holder: Holder | None) -> str:
    if holder is None:
        return "took over the lock of a process that is gone and whose record cannot be read"
    return f"took over the lock of {_name(holder)}, which began {holder.since} and did not end in good order"


def _say_locked(folder: Path, holder: Holder | None, timeout: float) -> Diagnostic:
    waited = f" after waiting {sizes.show_duration(timeout)}" if timeout > 0 else ""
    if holder is None:
        fact = f"`{folder}` is still locked{waited} by a process that has not said its name. `lslocks` shows it."
    else:
        seconds = holder.seconds()
        since = holder.since if seconds is None else f"{holder.since}, {sizes.show_duration(seconds)} ago"
        fact = f"`{folder}` is still locked{waited} by {_name(holder)}, since {since}."
    way_out = "The lock ends with that process: wait for it, give more time with `--lock-timeout`, or end the process. Plans need no lock."
    return Diagnostic("state-locked", "The state is locked", f"{fact} {way_out}")
