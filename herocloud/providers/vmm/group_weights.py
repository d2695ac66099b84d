"""The weight of the group that holds the groups of all VMs: the sum of theirs. Counting them also removes groups that nobody needs."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from herocloud.providers.vmm import folders, group_places

_HOUR = 3600.0
_WEIGHTS = (("cpu.weight", 1, 10000), ("cpu.shares", 2, 262144), ("io.weight", 1, 10000), ("io.bfq.weight", 1, 1000))
"""The files with a weight that a kernel may have, and what it may be."""
_counted: set[tuple[int, int]] = set()
"""Where this process has counted all groups once."""


def weigh(ours: Path, coming: str = "", *, is_new: bool = False) -> None:
    """Give the group that holds the groups of all VMs the sum of the weights of those that run, and of the one that is just coming.

    With its usual weight all VMs together would get as much as one other process of the host. To count them takes longer the more there
    are, so one that is new is added to what was counted last; a VM that goes has all counted again, and then those whose process died
    count no more.
    """
    for name, least, most in _WEIGHTS:
        with contextlib.suppress(OSError), _alone(ours / name) as place:
            if is_new and place in _counted:
                weights = [*_weight(f"{ours}/{name}"), *_weight(f"{ours}/{coming}/{name}")]
            else:
                weights = list(_weights(ours, name, coming))
                _counted.add(place)
            (ours / name).write_text(str(max(least, min(most, sum(weights)))))


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[tuple[int, int]]:
    """Be the only one who changes a file that holds a sum, and yield which file it is: a group that was made again has another one."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        status = os.fstat(file)
        yield status.st_dev, status.st_ino
    finally:
        os.close(file)


def _weights(ours: Path, name: str, coming: str) -> Iterator[int]:
    """Yield the weights of the groups that count. Every start of a VM reads those of all others, so nothing is made of their paths."""
    with os.scandir(ours) as entries:
        groups = [(entry.path, entry.name) for entry in entries if entry.is_dir()]
    abandoned = []
    for path, group in groups:
        if group == coming or group_places.begins(f"{path}/cgroup.procs"):
            yield from _weight(f"{path}/{name}")
        elif _is_abandoned(path, group):
            abandoned.append(group)
    if abandoned:
        _take_away(abandoned)


def _is_abandoned(path: str, group: str) -> bool:
    """Return whether nobody can start again what was in a group without processes.

    A VM has a folder for its sockets before it has a group, and for longer. One that was killed together with its shell, and whose data
    folder was thrown away, leaves its group for good, and each of these makes every count of those that run longer.
    """
    data, _, sid = group.partition("-")
    try:
        return (
            len(data) == folders.DIGEST
            and not os.path.exists(f"{folders.base()}/{data}/{sid}")  # noqa: PTH110  (for each of thousands)
            and time.time() - os.stat(path).st_mtime > _HOUR  # noqa: PTH116
        )
    except OSError:
        return False


def _take_away(groups: Sequence[str]) -> None:
    for ours in group_places.all_of_ours():
        for group in groups:
            with contextlib.suppress(OSError):
                # Refused by the kernel where a process has come since.
                os.rmdir(f"{ours}/{group}")  # noqa: PTH106
                os.rmdir(ours)  # noqa: PTH106


def _weight(path: str) -> Iterator[int]:
    with contextlib.suppress(ValueError):
        # Those of disks have a word before them, and lines for single disks behind.
        yield int(group_places.begins(path).removeprefix(b"default ").partition(b"\n")[0])
