"""Where results and talk go: stdout and stderr, with or without colour.

A reader that goes away (`| head`, a closed terminal) must never end an apply half-way, so the first broken pipe silences a stream
and is not reported. A full disk behind `> file` is another matter: the result would be lost, so that is an error.

Both streams are the edge where foreign words meet a terminal, so control characters are written out here and nowhere else. Two methods
let some through: `redraw`, for lines of our own that change in place, and `bytes_result`, for what a program in a guest printed.
"""

import codecs
import errno
import os
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from herocloud.kits import terminal_text

_NARROWEST = 20
"""Below this many columns lines are broken by the terminal, which does it no worse."""
_GONE = frozenset({errno.EPIPE, errno.EIO, errno.ECONNRESET, errno.ESHUTDOWN})


class Screen:
    """The two streams of a command; `out` takes results, `err` progress and diagnostics."""

    def __init__(
        self,
        out: TextIO | None,
        err: TextIO | None,
        *,
        color_out: bool = False,
        color_err: bool = False,
        lively: bool = False,
        columns: int = 80,
        width: int | None = None,
    ) -> None:
        """Keep the streams; `lively` tells whether stderr is a terminal whose lines may be redrawn."""
        self.color_out = color_out
        self.color_err = color_err
        self.lively = lively
        self.columns = columns
        self.width = width
        """What results have to fit; nothing where no terminal reads them."""
        self._out = out
        self._err = err
        self._silent: set[int] = set()
        self._decoders: dict[int, codecs.IncrementalDecoder] = {}
        """Letters of a guest that have come only in part, by the stream they go to."""

    def result(self, text: str) -> None:
        """Print a result."""
        self.raw_result(text + "\n")

    def raw_result(self, text: str) -> None:
        """Print a result that brings its own line feeds."""
        self._write(self._out, terminal_text.visible(text, colors=self.color_out))

    def bytes_result(self, piece: bytes, *, error: bool = False) -> bool:
        """Pass on what a program in a guest said to the stream it said it on; tells whether anybody still reads.

        A pipe or a file gets every byte. A terminal gets text, because a guest must not be able to work the terminal of its host's owner.
        """
        stream = self._err if error else self._out
        if _is_terminal(stream):
            decoder = self._decoders.setdefault(id(stream), codecs.getincrementaldecoder("utf-8")(errors="replace"))
            self._write(stream, terminal_text.visible(decoder.decode(piece), colors=True))
        else:
            self._write(stream, "", piece)
        return stream is not None and id(stream) not in self._silent

    def talk(self, text: str) -> None:
        """Print progress, a note or a diagnostic."""
        self.raw_talk(text + "\n")

    def raw_talk(self, text: str) -> None:
        """Print a piece of a line."""
        self._write(self._err, terminal_text.visible(text, colors=self.color_err))

    def redraw(self, text: str) -> None:
        """Print lines that change in place; what is foreign in them has to be cleaned by the caller."""
        self._write(self._err, terminal_text.visible(text, colors=self.color_err, redrawing=self.lively))

    def talk_sink(self) -> "Sink":
        """Return stderr as something to write to, for progress that writes by itself."""
        return Sink(self.redraw)

    def result_sink(self) -> "Sink":
        """Return stdout as something to write to, for streams of events."""
        return Sink(self.raw_result)

    def flush(self) -> None:
        """Bring out what is buffered."""
        self._write(self._out, "")
        self._write(self._err, "")

    def _write(self, stream: TextIO | None, text: str, piece: bytes = b"") -> None:
        # Without a stream the process was started with it closed: then nobody wants to hear.
        if stream is None or id(stream) in self._silent:
            return
        try:
            stream.write(text)
            if piece:
                stream.buffer.write(piece)
            stream.flush()
        except OSError as error:
            if error.errno not in _GONE:
                raise
            self._silence(stream)
        except ValueError:
            # The stream was closed by the parent process.
            self._silent.add(id(stream))

    def _silence(self, stream: TextIO) -> None:
        self._silent.add(id(stream))
        # The interpreter flushes once more at its end and would complain then; what is left goes nowhere.
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):
            return


class Sink:
    """One of the two streams, as views write to it."""

    def __init__(self, put: Callable[[str], None]) -> None:
        """Write through `put`."""
        self._put = put

    def write(self, text: str, /) -> int:
        """Take a text."""
        self._put(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: every text is flushed as it is written."""


def open_screen(environment: Mapping[str, str], *, no_color: bool) -> Screen:
    """Return the screen of this process."""
    out, err = sys.stdout, sys.stderr
    for stream in (out, err):
        # A path in a file name that is not UTF-8 must not end a command with an encoding error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    return Screen(
        out,
        err,
        color_out=wants_color(environment, no_color=no_color, terminal=_is_terminal(out)),
        color_err=wants_color(environment, no_color=no_color, terminal=_is_terminal(err)),
        lively=_is_terminal(err) and environment.get("TERM") != "dumb",
        columns=_columns(environment),
        width=_width(environment, out),
    )


def wants_color(environment: Mapping[str, str], *, no_color: bool, terminal: bool) -> bool:
    """Decide about colour: the flag first, then NO_COLOR, FORCE_COLOR, TERM=dumb, and last whether a terminal reads it."""
    if no_color or environment.get("NO_COLOR"):
        return False
    forced = environment.get("FORCE_COLOR") or environment.get("CLICOLOR_FORCE")
    if forced:
        return forced != "0"
    return terminal and environment.get("TERM") != "dumb"


def can_ask() -> bool:
    """Return whether a person can be asked: both ends of the conversation are a terminal."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stderr)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _columns(environment: Mapping[str, str]) -> int:
    return _told_columns(environment) or _columns_of(lambda: 2) or 80


def _width(environment: Mapping[str, str], out: TextIO | None) -> int | None:
    if out is None or not _is_terminal(out):
        return None
    return _told_columns(environment) or _columns_of(out.fileno)


def _told_columns(environment: Mapping[str, str]) -> int | None:
    told = environment.get("COLUMNS", "")
    return max(_NARROWEST, int(told)) if told.isdecimal() and len(told) < 6 and int(told) > 0 else None


def _columns_of(descriptor: Callable[[], int]) -> int | None:
    """Return the width of a terminal; one that was opened by a program and never got a size says 0, and then nobody knows."""
    try:
        told = os.get_terminal_size(descriptor()).columns
    except OSError:
        return None
    return max(_NARROWEST, told) if told > 0 else None
