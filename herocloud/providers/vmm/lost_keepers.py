"""The shell beside a VMM of which no record tells: looked for among all processes, and written down again.

A second one would wait for the lock that the first one has, and a third could not even do that, so nobody would ever be found again.
"""

import contextlib
import os
from pathlib import Path

from herocloud.kits import durable_files
from herocloud.providers.vmm import host_processes, identity

_NAMES = (b"herocloud-keeper", b"herocloud-adopter")
"""What such a shell is called, before the record that it is about: the first of them has the lock."""
_PROC = Path("/proc")
_DEAD = "ZX"


def recover(record: Path) -> bool:
    """Write down again which shell stands beside the process of a record; tells whether one does.

    This reads a file of every process of the host, so it is for healing and not for looking.
    """
    stat = next(filter(None, (_find(name, os.fsencode(record.absolute())) for name in _NAMES)), None)
    if stat is None:
        return False
    path = record.with_name(f"{record.name}.keeper")
    durable_files.write_durably(path, f"{identity.boot_id()}\nkeeper\n\n{stat}\n".encode(), draft=path.with_name(f".{path.name}.new"))
    return True


def _find(name: bytes, record: bytes) -> str | None:
    """Return what the kernel says of the oldest process of this user that was started by this name for this record."""
    found = []
    for number in host_processes.numbers():
        process = _PROC / number
        with contextlib.suppress(OSError, ValueError, IndexError):
            words = host_processes.words(process)
            if name not in words or words[words.index(name) + 1] != record or process.stat().st_uid != os.geteuid():
                continue
            stat = (process / "stat").read_text().strip()
            pid, fields = host_processes.split(stat)
            if fields[0] not in _DEAD:
                # What such a shell runs in a shell of its own has the same words, and began later.
                found.append((int(fields[19]), pid, stat))
    return min(found)[2] if found else None
