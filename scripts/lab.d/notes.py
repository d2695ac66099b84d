"""What came of each test over several boots of the host inside: the notes that `lab_notes` sends out, read and counted."""

import collections
from pathlib import Path
from typing import NamedTuple

FELL = "fell"
"""How a test ended that the host inside did not survive twice."""
CUT = "cut"
"""What the host inside notes when it wants its power cut."""
ENDS = ("passed", "skipped", "failed")
"""How a test may end; lines that begin otherwise tell why one failed."""
_BAD = ("failed", FELL)


class Notes(NamedTuple):
    """What is known after one or several boots."""

    ended: dict[str, str]
    """How each test ended, by its id."""
    running: list[str]
    """The tests that were running when the last note came."""
    falls: dict[str, int]
    """How often the host inside fell over a test."""

    @property
    def failed(self) -> bool:
        """Tell whether a test ended badly."""
        return any(how in _BAD for how in self.ended.values())

    def summary(self) -> str:
        """Count how the tests ended."""
        counted = collections.Counter(self.ended.values())
        return ", ".join(f"{counted[how]} {how}" for how in (*ENDS, FELL) if counted[how]) or "none ended"


def read(path: Path) -> Notes:
    """Read the notes of all boots; a test that was begun and had not ended when the host fell is one that it fell over."""
    notes = Notes({}, [], {})
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        word, _, test = line.partition(" ")
        if word == "begun":
            notes.running.append(test)
        elif word == FELL:
            for one in notes.running or [""]:
                notes.falls[one] = notes.falls.get(one, 0) + 1
                if one and notes.falls[one] > 1:
                    notes.ended[one] = FELL
            notes.running.clear()
        elif word in ENDS:
            notes.ended[test] = word
            notes.running[:] = [one for one in notes.running if one != test]
    return notes


def count_cuts(path: Path) -> int:
    """Return how often the host inside wanted its power cut."""
    return path.read_text(encoding="utf-8", errors="replace").splitlines().count(CUT) if path.exists() else 0


def note_fall(path: Path) -> Notes:
    """Note that the host inside fell over, and return what is known now."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(f"{FELL}\n")
    return read(path)
