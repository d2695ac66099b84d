"""What came of each test over several boots of the host inside: the notes that `lab_notes` sends out, read and counted."""

import collections
from pathlib import Path
from typing import NamedTuple

FELL = "fell"
"""How a test ended that the host inside did not survive twice."""
_BAD = ("failed", FELL)


class Notes(NamedTuple):
    """What is known after one or several boots."""

    ended: dict[str, str]
    """How each test ended, by its id."""
    running: str | None
    """The test that was running when the last note came."""
    falls: dict[str, int]
    """How often the host inside fell over a test."""

    @property
    def failed(self) -> bool:
        """Tell whether a test ended badly."""
        return any(how in _BAD for how in self.ended.values())

    def summary(self) -> str:
        """Count how the tests ended."""
        counted = collections.Counter(self.ended.values())
        return ", ".join(f"{counted[how]} {how}" for how in ("passed", "skipped", *_BAD) if counted[how]) or "none ended"


def read(path: Path) -> Notes:
    """Read the notes of all boots; a test that was begun and not ended before a boot began is one that the host fell over."""
    notes = Notes({}, None, {})
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        word, _, test = line.partition(" ")
        if word == "begun":
            notes = notes._replace(running=test)
        elif word == FELL:
            notes.falls[notes.running or ""] = notes.falls.get(notes.running or "", 0) + 1
            if notes.running is not None and notes.falls[notes.running] > 1:
                notes.ended[notes.running] = FELL
            notes = notes._replace(running=None)
        elif test:
            notes.ended[test] = word
            notes = notes._replace(running=None)
    return notes


def note_fall(path: Path) -> Notes:
    """Note that the host inside fell over, and return what is known now."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(f"{FELL}\n")
    return read(path)
