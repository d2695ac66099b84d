"""The file in which Cloud Hypervisor writes down what happens: objects of JSON over several lines, a blank line between them.

It is read from where the last look ended. The writer may be in the middle of an object, so what cannot be read yet is read next time; the
program cuts the file to nothing when it starts, which a reader notices by its length. A guest can make events without end, so the attendant
takes away what is old (see `attendant`): only the newest `KEPT` bytes are sure to be there, and a first look begins at those.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.kits import plain_files

KEPT = 1024**2
"""Bytes that the attendant leaves."""
_MOST = 4 * 1024**2
"""Bytes read at once."""


class Event(NamedTuple):
    """Something that happened."""

    seconds: float
    """Since the process started, not by the clock."""
    source: str
    name: str
    properties: Mapping[str, str]

    @property
    def key(self) -> str:
        """Return source and name as one word: `vm/booted`."""
        return f"{self.source}/{self.name}"


class EventFile:
    """Reads a file event by event, as it grows."""

    def __init__(self, path: Path) -> None:
        """Begin at the start of the file, which need not be there yet."""
        self._path, self._place, self._rest = path, 0, ""

    def read(self) -> list[Event]:
        """Return what came since the last call."""
        try:
            with plain_files.open_buffered(self._path) as stream:
                size = stream.seek(0, 2)
                if size < self._place:
                    self._place, self._rest = 0, ""
                if self._place < size - KEPT:
                    self._place, self._rest = size - KEPT, ""
                stream.seek(self._place)
                piece = stream.read(_MOST)
        except OSError:
            # It is not there yet, or something else has its name.
            return []
        # Events are plain ASCII but for ids, and those are ours; a torn letter can only stand in text that is thrown away.
        self._place += len(piece)
        self._rest += piece.decode(errors="replace")
        events, self._rest = parse(self._rest)
        return events


def parse(text: str) -> tuple[list[Event], str]:
    """Return the events in a text, and what is left of it. What can never become an event is skipped up to the next one."""
    decoder, place = json.JSONDecoder(), 0
    events: list[Event] = []
    while True:
        start = text.find("{", place)
        if start < 0:
            return events, ""
        try:
            value, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            # An event that was cut off is followed by the next one; an unfinished one by nothing. Nor can Python read what is nested
            # without end, or a number of thousands of digits; neither was written by the program.
            next_one = text.find("\n{", start + 1)
            if next_one < 0:
                return events, text[start:]
            place = next_one + 1
            continue
        event = _event(value)
        if event is not None:
            events.append(event)


def _event(value: Any) -> Event | None:
    try:
        at = value["timestamp"]
        seconds = int(at["secs"]) + int(at["nanos"]) / 1e9
        properties = value.get("properties")
        return Event(seconds, str(value["source"]), str(value["event"]), properties if isinstance(properties, dict) else {})
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
