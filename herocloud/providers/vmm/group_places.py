"""Where the control groups of VMs lie, and how their files are read.

Version 2 is used where it is mounted with all controllers that limits need. In version 1 each controller has a hierarchy of its own.
"""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OURS = "herocloud"
"""The name of the group that holds those of all VMs."""
CONTROLLERS = ("memory", "pids", "cpu")


def places() -> tuple[tuple[tuple[str, ...], Path], ...]:
    """Return the folders in which groups can be made, with the controllers that work there."""
    return _places_below(ROOT, read(ROOT / "cgroup.controllers"), read(Path("/proc/self/cgroup")))


@functools.lru_cache(maxsize=8)
def _places_below(root: Path, available: str, own_groups: str) -> tuple[tuple[tuple[str, ...], Path], ...]:
    if set(CONTROLLERS) <= set(available.split()):
        return ((CONTROLLERS, root),)
    own = {}
    for line in own_groups.splitlines():
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path))
    found = []
    for controller in CONTROLLERS:
        folder = root / controller
        if controller in own and (folder / "cgroup.procs").exists():
            # Below the group that herocloud runs in: a limit on that one covers what it starts as well.
            below = folder / own[controller].lstrip("/")
            found.append(((controller,), below if below.is_dir() else folder))
    return tuple(found)


def all_of_ours() -> Iterator[str]:
    """Yield every folder that holds groups of VMs: of version 1 there is one below each group that herocloud ran in."""
    for controllers, folder in places():
        if controllers == CONTROLLERS:
            yield f"{folder}/{OURS}"
            continue
        for path, below, _ in os.walk(ROOT / controllers[0]):
            if OURS in below:
                below.remove(OURS)
                yield f"{path}/{OURS}"


def begins(path: str) -> bytes:
    """Return the first bytes of a file, enough for one with a number; nothing where it cannot be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 32)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def read(path: Path) -> str:
    """Return what a file holds; nothing where it cannot be read."""
    try:
        return path.read_text()
    except OSError:
        return ""
