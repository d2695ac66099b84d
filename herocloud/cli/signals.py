"""Signals while an apply runs: ^C and SIGTERM are requests to stop.

The handlers only count; the executor decides between two transactions what a request means. `SIGHUP` gets a handler that does nothing in
place of `SIG_IGN`: an ignored signal stays ignored across `exec`, and a VMM that we start must not inherit that.
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from herocloud.apply.steering import Interrupts


class SignalInterrupts(Interrupts):
    """Requests to stop that come from the terminal and from `kill`."""

    def __init__(self) -> None:
        """Start without any request."""
        super().__init__()
        self._before: dict[int, Any] = {}
        self._depth = 0

    def __enter__(self) -> Self:
        """Install the handlers; only the main thread may."""
        self._depth += 1
        if self._depth == 1 and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_stop)
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, _on_hangup)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Put back what was there before, whatever happened inside."""
        self._depth -= 1
        while self._before and not self._depth:
            number, handler = self._before.popitem()
            # A handler that was not set from Python cannot be set again; the default is the nearest thing.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()


def _on_hangup(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the terminal is gone, the work is not."""
