"""Writing to a terminal: colours, and a reader who may be gone.

Terminal colours as plain escape sequences. rich would do this too, at 40 ms of import, which is a quarter of what a whole plan may take.
A palette is a bag of strings that are empty when colour is off, so that rendering has one path, and colour can never carry a meaning that
the words do not.

Writing to somebody who may be gone. A closed terminal, a pipe whose reader went home or a full disk under `--json-into` must not end an
apply that is half done. The outlet goes silent at the first failure and remembers it, so that the command can say so at the end.
"""

from threading import Lock
from typing import Protocol

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.words import Action, Severity


class Palette(NamedTuple):
    """The sequences that switch a style on, and the one that switches all of them off."""

    red: str = ""
    green: str = ""
    yellow: str = ""
    magenta: str = ""
    cyan: str = ""
    bold: str = ""
    dim: str = ""
    off: str = ""


PLAIN = Palette()
VIVID = Palette("\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[35m", "\x1b[36m", "\x1b[1m", "\x1b[2m", "\x1b[0m")


def choose(*, color: bool) -> Palette:
    """Return the palette for this output."""
    return VIVID if color else PLAIN


def of_action(palette: Palette, action: Action) -> str:
    """Return the colour of a change."""
    return {
        Action.CREATE: palette.green,
        Action.UPDATE: palette.yellow,
        Action.STOP: palette.magenta,
        Action.REBOOT: palette.magenta,
        Action.REPLACE: palette.red,
        Action.DELETE: palette.red,
        Action.ADOPT: palette.cyan,
        Action.MOVE: palette.cyan,
        Action.FORGET: palette.dim,
        Action.NO_OP: "",
    }[action]


def of_severity(palette: Palette, severity: Severity) -> str:
    """Return the colour of a diagnostic."""
    return {Severity.ERROR: palette.red, Severity.WARNING: palette.yellow, Severity.NOTE: palette.cyan}[severity]


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


def fold(text: str, width: int) -> list[str]:
    """Break a text into lines of at most this width: between words where it can, inside of a word that is longer than a line."""
    width = max(1, width)
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if len(joined) <= width:
            lines[-1] = joined
            continue
        rest = word
        if lines[-1]:
            lines.append("")
        while len(rest) > width:
            lines[-1], rest = rest[:width], rest[width:]
            lines.append("")
        lines[-1] = rest
    return lines
