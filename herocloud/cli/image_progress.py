"""What is said while an image is fetched, checked or built: one line that changes on a terminal, a line now and then elsewhere.

The progress view of an apply knows steps and plans; here there is one thing at a time, and nothing else to be said beside it.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from herocloud.cli.command import Call
from herocloud.kits import terminal_text
from herocloud.operations.images import Told

_REDRAWN, _REPEATED = 0.1, 10.0
"""Seconds between two lines on a terminal and elsewhere: a log that nobody watches should not grow by a line a second."""


class Teller:
    """Shows what is done now. Mutable: it remembers what was said when."""

    def __init__(self, call: Call, clock: Callable[[], float] = time.monotonic) -> None:
        """Say nothing yet."""
        self._call, self._clock = call, clock
        self._last: tuple[str, float] | None = None
        self._open = False

    def about(self, name: str) -> Told:
        """Return the listener for the image of a name."""

        def told(text: str, share: float | None) -> None:
            self._tell(name, text, share)

        return told

    def say(self, text: str) -> None:
        """Say something that stays."""
        self._clear()
        self._call.note(text)

    def _tell(self, name: str, text: str, share: float | None) -> None:
        if self._call.quiet:
            return
        now = self._clock()
        topic = f"{name} {text.partition(',')[0]}"
        known = self._last is not None and self._last[0] == topic
        pause = _REDRAWN if self._call.screen.lively else _REPEATED
        if known and self._last is not None and now - self._last[1] < pause:
            return
        self._last = (topic, now)
        share_text = "" if share is None else f" ({share * 100:.0f}%)"
        line = terminal_text.visible((f"image `{name}`: " if name else "") + text + share_text)
        if self._call.screen.lively:
            self._call.screen.redraw(f"\r{line[: self._call.screen.columns - 1]}\x1b[K")
            self._open = True
        else:
            self._call.screen.talk(line)

    def _clear(self) -> None:
        if self._open:
            self._call.screen.redraw("\r\x1b[K")
            self._open = False

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Take the changing line away, so that what comes next begins a line of its own."""
        self._clear()
