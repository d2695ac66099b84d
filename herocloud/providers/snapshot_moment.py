"""When the disks of a VM were as a snapshot holds them: its VM was held then, or what was off was copied.

A plan cannot know it, since somebody may be asked before it runs. It lies with the copies, so that it goes into a tombstone with them.
"""

import math
from pathlib import Path

from herocloud.kits import durable_files, plain_files

_FILE, _MOST_BYTES = "taken", 64


def note(snapshot: Path, seconds: float) -> None:
    """Say in the folder of a snapshot when it was taken, in seconds since 1970."""
    path = snapshot / _FILE
    durable_files.write_durably(path, f"{seconds:.3f}\n".encode(), draft=path.with_name(f".{_FILE}.new"))


def read(snapshot: Path) -> float | None:
    """Return when a snapshot was taken; nothing for one of an earlier version, of which only the time of its plan is known."""
    try:
        seconds = float(plain_files.read(snapshot / _FILE, _MOST_BYTES))
    except (OSError, ValueError, plain_files.NotPlain):
        return None
    return seconds if math.isfinite(seconds) else None
