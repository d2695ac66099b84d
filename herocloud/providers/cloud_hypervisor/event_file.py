"""The file in which Cloud Hypervisor writes down what happens: objects of JSON over several lines, a blank line between them.

It is read from where the last look ended. The writer may be in the middle of an object, so what cannot be read yet is read next time; the
program cuts the file to nothing when it starts, which a reader notices by its length.
"""

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

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


class End(Enum):
    """How a process that is gone came to its end."""

    STOPPED = "it was stopped over its API"
    GUEST_OFF = "the guest switched itself off"
    PANIC = "the guest panicked"
    CRASHED = "it crashed or was killed"


class EventFile:
    """Reads a file event by event, as it grows."""

    def __init__(self, path: Path) -> None:
        """Begin at the start of the file, which need not be there yet."""
        self._path, self._place, self._rest = path, 0, ""

    def read(self) -> list[Event]:
        """Return what came since the last call."""
        try:
            with self._path.open("rb") as stream:
                size = stream.seek(0, 2)
                if size < self._place:
                    self._place, self._rest = 0, ""
                stream.seek(self._place)
                piece = stream.read(_MOST)
        except FileNotFoundError:
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
        except json.JSONDecodeError:
            # An event that was cut off is followed by the next one; an unfinished one by nothing.
            next_one = text.find("\n{", start + 1)
            if next_one < 0:
                return events, text[start:]
            place = next_one + 1
            continue
        event = _event(value)
        if event is not None:
            events.append(event)


def how_it_ended(events: Iterable[Event], *, asked: bool) -> End:
    """Tell from its events how a process ended; `asked` when we asked it to."""
    keys = [event.key for event in events]
    if "vmm/shutdown" in keys[-3:]:
        if asked:
            return End.STOPPED
        return End.PANIC if "guest/panic" in keys else End.GUEST_OFF
    return End.PANIC if "guest/panic" in keys[-3:] else End.CRASHED


def say_how_it_ended(path: Path) -> str | None:
    """Say how a process that is gone, and that nobody here stopped, came to its end; nothing where it wrote nothing."""
    events = EventFile(path).read()
    return how_it_ended(events, asked=False).value if events else None


def _event(value: Any) -> Event | None:
    try:
        at = value["timestamp"]
        seconds = int(at["secs"]) + int(at["nanos"]) / 1e9
        return Event(seconds, str(value["source"]), str(value["event"]), value.get("properties") or {})
    except (KeyError, TypeError, ValueError):
        return None
