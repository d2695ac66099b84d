"""The highest serial that this data folder has seen, kept outside of the database.

A database that is put back from a backup, or that lost the end of its log, is sound and says nothing of what came after. This file does:
it is written after each serial, so it may be one behind after a crash and is never ahead. A state whose serial is lower went back in time.
The next serial begins above the mark, so that a number never means two operations.
"""

from pathlib import Path

from herocloud.kits import durable_files, plain_files

FILE = "state.serial"
_LONGEST = 200


def read(folder: Path, lineage: str | None) -> int:
    """Return the highest serial that was written here for this state; 0 when nothing is known."""
    try:
        known, _, serial = plain_files.read(folder / FILE, _LONGEST).decode("ascii", "replace").strip().partition(" ")
    except OSError:
        return 0
    return int(serial) if known == lineage and serial.isdecimal() and len(serial) < 19 else 0


def raise_to(folder: Path, lineage: str, serial: int) -> None:
    """Note a serial. Nothing is lost where this fails: the mark is then an older one, which is true as well."""
    try:
        durable_files.write_durably(folder / FILE, f"{lineage} {serial}\n".encode(), draft=folder / f".{FILE}.new")
    except OSError:
        return
