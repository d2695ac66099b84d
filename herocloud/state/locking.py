"""Locks that keep two writers apart, and that never need to be forced.

There are three kinds. The lock of the host is held for the moments in which an apply is admitted or records are edited; the lock of a
stack while its apply runs; the lock of a VM, inside of a shared lock of its stack, while a command about that one VM runs. Each is a lock
of the kernel and ends with its process. The one of the host is on the data folder itself, where no stray `rm` can split it in two; the
others are on files that go with the work, and after getting such a lock, a process checks that the name still leads to that file.
Plans take no lock. Waiting is polling, because a blocking lock cannot be bounded without signals; the time is measured by a clock that
nobody can set back.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from herocloud.kits import faults, sizes
from herocloud.model.applies import HOST, Scope
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Cancelled, Locked
from herocloud.state import failures, folder_trust, holders, reserve, state_files
from herocloud.state.holders import Holder

__all__ = ["Holder", "hold", "name_plan", "read_holder", "read_holders"]

_INTERVAL = 0.1
"""Seconds between two attempts at most: short for a person, nothing for the machine."""
_FREEING = frozenset(
    {"destroy", "undo", "resume", "state gc", "state rm", "image prune", "vm delete", "vm snapshot delete", "vm stop"}
    | {"rpc undo", "rpc destroy_stack", "rpc resume_stack", "rpc delete_vm", "rpc delete_snapshot", "rpc stop_vm"}
)
"""Operations after which there may be more room; they may use all that is kept for the state on a full disk."""
_FIRST_INTERVAL = 0.002
"""Seconds to the second attempt: an admission is over in a few milliseconds, and the next one should not wait for fifty of them."""


def _never() -> bool:
    return False


@contextmanager
def hold(
    folder: Path,
    operation: str,
    plan_id: str | None,
    timeout: float,
    note: Callable[[str], None] = lambda _text: None,
    *,
    scope: Scope = HOST,
    cancelled: Callable[[], bool] = _never,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Have this scope alone while inside; raises `Locked` when another has it after `timeout` seconds, or `Cancelled`."""
    waiting = _Waiting(folder, timeout, note, cancelled, clock, pause)
    with ExitStack() as stack:
        with failures.Guarded(folder):
            folder_trust.require(folder, with_vms=True)
            if not folder.is_dir():
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            reserve.open_up(folder, frees=operation in _FREEING)
            if scope.stack is not None:
                (folder / state_files.LOCKS).mkdir(mode=0o700, exist_ok=True)
            if scope.address is not None:
                shared = waiting.acquire(Scope(scope.stack), shared=True)
                stack.callback(os.close, shared)
            stack.callback(os.close, waiting.acquire(scope))
            faults.reached("state.lock.taken")
            if holders.was_left(folder, scope):
                note(_took_over(holders.read(folder, scope)))
            holder = holders.describe_self(operation, plan_id, scope=scope)
            holders.write(folder, holder)
            faults.reached("state.lock.written")
        held = (str(folder), scope)
        _held[held] = holder
        try:
            yield
        finally:
            _release(folder, scope)
            _held.pop(held, None)


_held: dict[tuple[str, Scope], Holder] = {}
"""The locks that this process has now, as their records say."""


def is_held_here(folder: Path, holder: Holder) -> bool:
    """Return whether this process has a lock for this work now, as the kernel and the records would say: a daemon asks for many."""
    held = _held.get((str(folder), holder.scope))
    return held is not None and held.plan == holder.plan and holders.is_self(holder)


def name_plan(folder: Path, scope: Scope, plan_id: str) -> None:
    """Have the record of a lock of this process name the plan that runs now: an apply counts as alive while its lock names its plan.

    The plan for which the lock was taken may have been made again since, under the lock.
    """
    held = _held.get((str(folder), scope))
    if held is None or held.plan == plan_id:
        return
    named = held._replace(plan=plan_id)
    with failures.Guarded(folder):
        holders.write(folder, named)
    _held[str(folder), scope] = named


def read_holder(folder: Path, scope: Scope = HOST) -> Holder | None:
    """Return who holds a lock; nothing when nobody does. Takes no lock itself, and writes nothing."""
    holder = holders.read(folder, scope)
    locker = holders.find_locker(state_files.locked(folder, scope))
    if locker is None:
        # Some file systems show another device in the kernel's list than to `stat`, so a record of a living process counts as well.
        return None if holder is None or holder.is_alive() is False else holder
    if holder is not None and holder.pid == locker:
        return holder
    # The record is not written yet, or not readable: the kernel still knows the process.
    return holders.name_stranger(locker, scope=scope)


def read_holders(folder: Path) -> list[Holder]:
    """Return who holds any lock here: of the host first, then of stacks and VMs."""
    found = [read_holder(folder)]
    try:
        names = sorted(path for path in (folder / state_files.LOCKS).iterdir() if path.name.startswith(("stack.", "vm.")))
    except (FileNotFoundError, NotADirectoryError):
        names = []
    for path in names:
        holder = holders.read_file(path)
        if holder is not None and holder.stack is not None:
            found.append(read_holder(folder, holder.scope))
    return [holder for holder in found if holder is not None]


class _Waiting:
    """One wait for the locks of a command, whose time runs over all of them together."""

    def __init__(
        self,
        folder: Path,
        timeout: float,
        note: Callable[[str], None],
        cancelled: Callable[[], bool],
        clock: Callable[[], float],
        pause: Callable[[float], None],
    ) -> None:
        self._folder, self._timeout, self._note, self._cancelled = folder, timeout, note, cancelled
        self._clock, self._pause = clock, pause
        self._deadline = clock() + timeout

    def acquire(self, scope: Scope, *, shared: bool = False) -> int:
        """Return a descriptor that holds the lock."""
        told = False
        wait = _FIRST_INTERVAL
        path = state_files.locked(self._folder, scope)
        while True:
            descriptor = _open(path, scope)
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            else:
                if _is_still(descriptor, path):
                    return descriptor
                # The previous holder removed the file; the name now leads to another one.
                os.close(descriptor)
                continue
            left = self._deadline - self._clock()
            found = _find_holders(self._folder, scope)
            if left <= 0:
                raise Locked([_say_locked(self._folder, found, scope, self._timeout)]) from None
            if self._cancelled():
                raise Cancelled("cancelled while waiting for a lock; nothing was changed")
            # Admissions are over at once; only a wait that a person could notice is worth a word.
            if not told and wait > _FIRST_INTERVAL * 8:
                self._note(f"waiting up to {sizes.show_duration(left)} for {_names(found)}")
                told = True
            self._pause(min(wait, left))
            wait = min(wait * 2, _INTERVAL)


def _open(path: Path, scope: Scope) -> int:
    if scope.stack is None:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _find_holders(folder: Path, scope: Scope) -> list[Holder]:
    """Return who may be in the way of a lock: its holder, or those of the VMs of a stack."""
    holder = holders.read(folder, scope)
    if holder is not None:
        return [holder]
    return [holder for holder in read_holders(folder) if holder.scope.stack == scope.stack and scope.stack is not None]


def _release(folder: Path, scope: Scope) -> None:
    # Before the lock goes: after it, this could wipe out the record of the next holder. A disk that fails here only leaves a record
    # that the next holder finds to be of a dead process, so the end of a good apply is not turned into an error.
    try:
        faults.reached("state.lock.release")
        holders.clear(folder, scope)
        faults.reached("state.lock.cleared")
    except OSError:
        pass


def _name(holder: Holder | None) -> str:
    if holder is None:
        return "a process that has not said its name"
    plan = f" of plan {holder.plan}" if holder.plan else ""
    return f"`{holder.operation}`{plan} (process {holder.pid} of {holder.user} on {holder.host})"


def _names(found: list[Holder]) -> str:
    return " and ".join(_name(holder) for holder in found) if found else _name(None)


def _took_over(holder: Holder | None) -> str:
    if holder is None:
        return "took over the lock of a process that is gone and whose record cannot be read"
    return f"took over the lock of {_name(holder)}, which began {holder.since} and did not end in good order"


def _say_locked(folder: Path, found: list[Holder], scope: Scope, timeout: float) -> Diagnostic:
    waited = f" after waiting {sizes.show_duration(timeout)}" if timeout > 0 else ""
    what = {"host": f"`{folder}`", "stack": f"stack `{scope.stack}`", "vm": f"`{scope.address}` of stack `{scope.stack}`"}[scope.kind]
    if not found:
        fact = f"{what} is still locked{waited} by a process that has not said its name. `lslocks` shows it."
    else:
        fact = f"{what} is still locked{waited} by {', and by '.join(_with_time(holder) for holder in found)}."
    way_out = (
        "The lock ends with that process: wait for it, give more time with `--lock-timeout`, or end the process. "
        "Plans need no lock; `herocloud state lock` lists every holder."
    )
    summary = {"host": "The state is locked", "stack": "The stack is locked", "vm": "The VM is locked"}[scope.kind]
    return Diagnostic("state-locked", summary, f"{fact} {way_out}")


def _with_time(holder: Holder) -> str:
    seconds = holder.seconds()
    since = holder.since if seconds is None else f"{holder.since}, {sizes.show_duration(seconds)} ago"
    scope = {"host": "", "stack": f" for stack `{holder.stack}`", "vm": f" for `{holder.address}`"}[holder.scope.kind]
    return f"{_name(holder)}{scope}, since {since}"
