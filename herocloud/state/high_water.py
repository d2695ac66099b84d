"""The highest serial that this data folder has seen, kept outside of the database.

A database that is put back from a backup, or that lost the end of its log, is sound and says nothing of what came after. This file does:
it is written after each serial and before the first step of its apply, so it may be a little behind after a crash and is never ahead. A
state whose serial is lower went back in time. The next serial begins above the mark, so that a number never means two operations. A
backup of the whole folder takes this file along; then the marks on what was made since tell it (`Observed.serials`).

The file is written in place, always to the same length, under a lock on itself: several processes raise it one after the other, it never
falls, and a full disk has room for it because it takes no new block.
"""

import os
from pathlib import Path

from herocloud.kits import durable_files, faults, plain_files
from herocloud.kits.named_tuples import NamedTuple

FILE = "state.serial"
_LONGEST = 200
_DIGITS = 19
"""Width of the number, which makes every content as long as the one before it."""
_PATIENCE = 5.0
"""Seconds that a process waits for another one to write its number."""


class Mark(NamedTuple):
    """What the file said at one moment."""

    content: bytes

    def serial_of(self, lineage: str | None) -> int:
        """Return the highest serial that was written here for this state; 0 when nothing is known."""
        return _parse(self.content, lineage)


def look(folder: Path) -> Mark:
    """Read the file. To compare it with a database, look here first: what is committed in between is newer than the mark."""
    try:
        return Mark(plain_files.read(folder / FILE, _LONGEST))
    except OSError:
        return Mark(b"")


def read(folder: Path, lineage: str | None) -> int:
    """Return the highest serial that was written here for this state; 0 when nothing is known."""
    return look(folder).serial_of(lineage)


def raise_to(folder: Path, lineage: str, serial: int) -> None:
    """Note a serial. Nothing is lost where this fails: the mark is then an older one, which is true as well."""
    try:
        descriptor = durable_files.wait_for_lock(folder / FILE, _PATIENCE, lambda: False)
        if descriptor is None:
            return
        try:
            known = os.pread(descriptor, _LONGEST, 0)
            if _parse(known, lineage) < serial:
                content = f"{lineage} {serial:0{_DIGITS}d}\n".encode()
                faults.reached("state.serial.before")
                os.pwrite(descriptor, content, 0)
                faults.reached("state.serial.written")
                if len(known) != len(content):
                    os.ftruncate(descriptor, len(content))
                    durable_files.sync_folder(folder)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError:
        return


def _parse(content: bytes, lineage: str | None) -> int:
    known, _, serial = content.decode("ascii", "replace").strip().partition(" ")
    return int(serial) if known == lineage and serial.isdecimal() and len(serial) <= _DIGITS else 0
