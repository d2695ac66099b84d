"""Signals while an apply runs.

The handlers only count and wake the coordinator; what an interrupt means is decided in its loop, between two transactions, so that a
signal can never tear one. `SIGHUP` gets a handler that does nothing in place of `SIG_IGN`: an ignored signal stays ignored across
`exec`, and a VMM that we start must not inherit that.
"""

import queue
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class Wake:
    """The message that makes the coordinator look at its interrupts."""


WAKE = Wake()


class Interrupts:
    """Counts the requests to stop: one is polite, two mean now. Also used without signals, by calling `stop`."""

    def __init__(self) -> None:
        """Start without any request."""
        self.requests = 0
        self._queues: list[queue.SimpleQueue[Any]] = []
        self._before: dict[int, Any] = {}

    def stop(self) -> None:
        """Ask to stop; the second time, to stop at once. Safe in a signal handler and from any thread."""
        self.requests += 1
        for messages in self._queues:
            messages.put(WAKE)

    def attach(self, messages: "queue.SimpleQueue[Any]") -> None:
        """Wake whoever waits on `messages` at each request."""
        self._queues.append(messages)
        if self.requests:
            messages.put(WAKE)

    def detach(self, messages: "queue.SimpleQueue[Any]") -> None:
        """Wake them no more."""
        self._queues.remove(messages)

    def __enter__(self) -> Self:
        """Install the handlers; only the main thread may, and elsewhere the owner of the process calls `stop` instead."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_stop)
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, _on_hangup)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Put back what was there before, whatever happened inside."""
        while self._before:
            number, handler = self._before.popitem()
            # A handler that was not set from Python cannot be set again; the default is the nearest thing.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()


def _on_hangup(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the terminal is gone, the work is not."""
