"""The log of what a guest said on its serial console: its last lines, and what is added to them.

The hypervisor appends to the file; whatever keeps it small moves the old part to `<name>.1` and cuts it (`vmm.keeping`). Both are read, so
that a cut a moment ago does not hide what led to a crash. What a guest prints comes from a guest: sequences that would move the cursor,
rename the window or type for its reader are taken out, and colours with them.
"""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from herocloud.kits import plain_files

_OLD = ".1"
_BLOCK = 64 * 1024
_MOST = 8 * 1024**2
"""Bytes from the end of a log in which its last lines are looked for. A guest may write without a line break, and one that broke out may
make the file as long as it likes."""
_PAUSE = 0.2
_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # cursor, colours
    r"|\x1b[\]PX^_][^\x07\x1b\n]*+(?:\x07|\x1b\\)"  # titles and other strings; what looks for an end without one must not look twice
    r"|\x1b[ -/]*[0-~]"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def clean(said: bytes) -> str:
    """Return as plain text what a guest printed: lines and tabs, and nothing that a terminal would obey."""
    return _SEQUENCE.sub("", said.decode(errors="replace"))


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log and of what was cut off it; raises FileNotFoundError when there is none."""
    lines = _tail(log, count)
    old = log.with_name(log.name + _OLD)
    if len(lines) < count and old.exists():
        lines = [*_tail(old, count - len(lines)), *lines]
    return [clean(line) for line in lines]


def follow(log: Path, place: int, *, stopped: Callable[[], bool] = lambda: False) -> Iterator[str]:
    """Yield what is written to a log after `place`, whole lines and beginnings of lines as they come.

    A log that was cut starts over; one whose folder is gone has ended.
    """
    while not stopped():
        try:
            size = log.stat().st_size
        except FileNotFoundError:
            if not log.parent.exists():
                # The VM was deleted, and nothing more will come.
                return
            size = 0
        if size < place:
            place = 0
        if size > place:
            with plain_files.open_buffered(log) as stream:
                stream.seek(place)
                piece = stream.read(_BLOCK)
            if len(piece) == _BLOCK and b"\n" in piece:
                # A sequence, or a letter of several bytes, is not torn apart where there is more to come.
                piece = piece[: piece.rindex(b"\n") + 1]
            place += len(piece)
            yield clean(piece)
        else:
            time.sleep(_PAUSE)


def _tail(path: Path, count: int) -> list[bytes]:
    """Read backwards until there are enough lines; a log may be larger than anybody wants to wait for."""
    if count <= 0:
        path.stat()
        return []
    pieces: list[bytes] = []
    with plain_files.open_buffered(path) as stream:
        end = place = stream.seek(0, 2)
        breaks = 0
        while place > max(0, end - _MOST) and breaks <= count:
            step = min(_BLOCK, place)
            place -= step
            stream.seek(place)
            piece = stream.read(step)
            breaks += piece.count(b"\n")
            pieces.append(piece)
    return b"".join(reversed(pieces)).splitlines()[-count:]
