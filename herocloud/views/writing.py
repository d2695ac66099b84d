"""Writing to somebody who may be gone.

A closed terminal, a pipe whose reader went home or a full disk under `--json-into` must not end an apply that is half done. The
outlet goes silent at the first failure and remembers it, so that the command can say so at the end.
"""

from threading import Lock
from typing import Protocol


class Sink(Protocol):
    """What an outlet writes to: any text stream."""

    def write(self, text: str, /) -> object:
        """Take a text."""
        ...

    def flush(self) -> object:
        """Hand it on."""
        ...


class Outlet:
    """A text stream that never raises; steps may end on several threads, so whole texts are written one at a time."""

    def __init__(self, sink: Sink) -> None:
        """Write to this stream until it breaks."""
        self._sink = sink
        self._lock = Lock()
        self.broken: Exception | None = None
        """What ended the writing."""

    def write(self, text: str) -> None:
        """Write the text and flush it."""
        with self._lock:
            if self.broken is not None or not text:
                return
            try:
                self._sink.write(text)
                self._sink.flush()
            # A closed Python stream raises ValueError, and so does an encoding that lacks a letter; neither is worth an apply.
            except (OSError, ValueError) as error:
                self.broken = error
