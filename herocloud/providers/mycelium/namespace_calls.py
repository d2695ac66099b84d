"""Calls from inside a network namespace: the API of a network's daemon listens on the loopback of its namespace alone.

A thread enters and ends with the call, because a namespace belongs to a thread and the rest of this process must not be moved. The
alternative, a program started by `ip netns exec` for each question, costs an interpreter each time.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from herocloud.model.errors import Permanent

_NEW_NET = 0x40000000
_Result = TypeVar("_Result")


def call_beside(pid: int, function: Callable[[], _Result]) -> _Result:
    """Call a function in the network namespace of a process and return its result; what it raises is raised here.

    By the process and not by the name of its namespace: names are mounts, which a caller in a mount namespace of its own may not see.
    """
    call = _Call(pid, function)
    call.start()
    call.join()
    if call.error is not None:
        raise call.error
    return call.results[0]


class _Call(threading.Thread, Generic[_Result]):
    """One call, with its result or what it raised."""

    def __init__(self, pid: int, function: Callable[[], _Result]) -> None:
        super().__init__(name=f"beside {pid}", daemon=True)
        self._pid, self._function = pid, function
        self.results: list[_Result] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            _enter(self._pid)
            self.results.append(self._function())
        except BaseException as error:  # noqa: BLE001  (it is raised again, in the thread that asked)
            self.error = error


def _enter(pid: int) -> None:
    try:
        with Path(f"/proc/{pid}/ns/net").open("rb") as file:
            failed = ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _NEW_NET)
    except OSError as error:
        raise Permanent(f"the network namespace of process {pid} cannot be entered: {error.strerror}") from error
    if failed:
        raise Permanent(f"the network namespace of process {pid} cannot be entered: {os.strerror(ctypes.get_errno())}")
