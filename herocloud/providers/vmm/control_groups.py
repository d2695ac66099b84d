"""A control group for each VM: the memory its VMM takes, its processes and threads, and its share of the processors and of disks.

Version 2 where it is mounted with these controllers, else version 1, else nothing: then resource limits have to do. Where systemd runs, a
VM is a unit and its group is systemd's, so limits are properties of the unit and nothing is made here.
"""

import contextlib
import fcntl
import functools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.providers.vmm import folders

_ROOT = Path("/sys/fs/cgroup")
_OURS = "herocloud"
_CONTROLLERS = ("memory", "pids", "cpu")
_DISKS = "io"
"""Of version 2, and used where it is there: kernels have it without weights, or not at all. Version 1 weighs no writes that are put off."""
_USUAL_SHARES = 1024
_HOUR = 3600.0


class Limits(NamedTuple):
    """What one group may take."""

    memory: int | None
    processes: int
    weight: int
    """100 is the weight of one processor."""


def make(name: str, limits: Limits, joined: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Make the group of a VM and return the files that a process writes itself into; none where no group can be made.

    `joined` are the files that were returned for it before: its process is in those groups for as long as they are there.
    """
    return tuple(_made(name, limits, joined, limits_again=True))


def share(name: str, limits: Limits, joined: Iterable[Path] = ()) -> tuple[Path, ...]:
    """Return the same for what works beside a VMM: limits that the group has already are the machine's, and stay."""
    return tuple(_made(name, limits, joined, limits_again=False))


def _made(name: str, limits: Limits, joined: Iterable[Path], *, limits_again: bool) -> Iterator[Path]:
    for controllers, folder in _places():
        group = _joined_before(_group_of(folder, name), joined)
        try:
            is_there = group.is_dir()
            if limits_again or not is_there:
                group.mkdir(mode=0o755, parents=True, exist_ok=True)
                if controllers == _CONTROLLERS:
                    _delegate(group.parent)
                for file, value in _settings(controllers, limits):
                    with contextlib.suppress(FileNotFoundError):
                        write(group / file, value)
                if "cpu" in controllers:
                    _weigh(group.parent, name, is_new=not is_there)
        except OSError:
            # Read-only, or not ours to change: the usual thing in containers.
            continue
        yield _member_of(group)


@functools.lru_cache(maxsize=4096)
def _group_of(folder: Path, name: str) -> Path:
    return folder / _OURS / name


@functools.lru_cache(maxsize=4096)
def _member_of(group: Path) -> Path:
    """Return the file of a group that a process joins it by."""
    return group / "cgroup.procs"


def _joined_before(group: Path, joined: Iterable[Path]) -> Path:
    """Return a group that is there already instead of one that would be made in its hierarchy.

    Of version 1, groups lie below the one that herocloud runs in. Who changes a VM that runs may be in another one than who started it.
    """
    for there in (file.parent for file in joined):
        if there.name == group.name and _hierarchy_of(there) == _hierarchy_of(group) and there.is_dir():
            return there
    return group


def _hierarchy_of(path: Path) -> str:
    """Name the controller of version 1 that a path belongs to; of version 2 it is the same for all."""
    return path.relative_to(_ROOT).parts[0]


def remove(joined: Path) -> None:
    """Remove a group whose processes are dead, by the file that `make` returned for it."""
    for folder in (joined.parent, joined.parent.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()
    _weigh(joined.parent.parent)


def is_group(joined: Path) -> bool:
    """Return whether a file is one that `make` returns."""
    return _ROOT in joined.parents and joined.parent.parent.name == _OURS


def holds(joined: Path, process: int) -> bool:
    """Return whether a process is in a group, by the file that `make` returned for it."""
    first, end = _hierarchy_of(joined), f"/{_OURS}/{joined.parent.name}"
    controller = "" if first == _OURS else first
    for line in _read(Path(f"/proc/{process}/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") and path.endswith(end):
            return True
    return False


def differs(joined: Path, limits: Limits) -> bool:
    """Return whether a group sets other limits on memory and processes than these."""
    return any(_begins(f"{joined.parent}/{name}").strip() not in (value.encode(), b"") for name, value in _bounds(limits))


def put_back(joined: Path, limits: Limits, process: int) -> None:
    """Have a process in a group again, with its limits on memory and processes."""
    joined.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name, value in _bounds(limits):
        with contextlib.suppress(FileNotFoundError):
            write(joined.parent / name, value)
    write(joined, str(process))


def _bounds(limits: Limits) -> Iterator[tuple[str, str]]:
    """Yield the files of both versions that bound what a group takes; a group has those of its controllers."""
    if limits.memory is not None:
        yield "memory.max", str(limits.memory)
        yield "memory.limit_in_bytes", str(limits.memory)
    yield "pids.max", str(limits.processes)


def version() -> int | None:
    """Return which version of control groups can be used here; nothing when none can."""
    for controllers, folder in _places():
        try:
            (folder / _OURS).mkdir(mode=0o755, exist_ok=True)
            if controllers == _CONTROLLERS:
                _delegate(folder / _OURS)
        except OSError:
            continue
        finally:
            with contextlib.suppress(OSError):
                (folder / _OURS).rmdir()
        return 2 if controllers == _CONTROLLERS else 1
    return None


def limits_memory(joined: Path) -> bool:
    """Return whether one of the files that `make` returned is that of a group that limits memory."""
    return any(os.path.exists(f"{joined.parent}/{name}") for name in ("memory.max", "memory.limit_in_bytes"))  # noqa: PTH110


def _places() -> tuple[tuple[tuple[str, ...], Path], ...]:
    """Return the folders in which groups can be made, with the controllers that work there."""
    return _places_below(_ROOT, _read(_ROOT / "cgroup.controllers"), _read(Path("/proc/self/cgroup")))


@functools.lru_cache(maxsize=8)
def _places_below(root: Path, available: str, own_groups: str) -> tuple[tuple[tuple[str, ...], Path], ...]:
    if set(_CONTROLLERS) <= set(available.split()):
        return ((_CONTROLLERS, root),)
    own = {}
    for line in own_groups.splitlines():
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path))
    found = []
    for controller in _CONTROLLERS:
        folder = root / controller
        if controller in own and (folder / "cgroup.procs").exists():
            # Below the group that herocloud runs in: a limit on that one covers what it starts as well.
            below = folder / own[controller].lstrip("/")
            found.append(((controller,), below if below.is_dir() else folder))
    return tuple(found)


def _delegate(group: Path) -> None:
    """Have the controllers in the groups below this one, which version 2 asks for at every level."""
    disks = [_DISKS] if _DISKS in _read(_ROOT / "cgroup.controllers").split() else []
    for folder in (group.parent, group):
        have = set(_read(folder / "cgroup.subtree_control").split())
        missing = [controller for controller in (*_CONTROLLERS, *disks) if controller not in have]
        if missing:
            (folder / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in missing))


def _settings(controllers: tuple[str, ...], limits: Limits) -> Iterator[tuple[str, str]]:
    unified = controllers == _CONTROLLERS
    if "memory" in controllers and limits.memory is not None:
        yield "memory.max" if unified else "memory.limit_in_bytes", str(limits.memory)
    if "pids" in controllers:
        yield "pids.max", str(limits.processes)
    if "cpu" in controllers and unified:
        yield "cpu.weight", str(max(1, min(10000, limits.weight)))
        # One of these is there when the kernel weighs disks: by cost, or where their scheduler does.
        yield "io.weight", str(max(1, min(10000, limits.weight)))
        yield "io.bfq.weight", str(max(1, min(1000, limits.weight)))
    elif "cpu" in controllers:
        yield "cpu.shares", str(max(2, min(262144, limits.weight * _USUAL_SHARES // 100)))


_WEIGHTS = (("cpu.weight", 1, 10000), ("cpu.shares", 2, 262144), ("io.weight", 1, 10000), ("io.bfq.weight", 1, 1000))
"""The files with a weight that a kernel may have, and what it may be."""
_counted: set[tuple[int, int]] = set()
"""Where this process has counted all groups once."""


def _weigh(ours: Path, coming: str = "", *, is_new: bool = False) -> None:
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
        if group == coming or _begins(f"{path}/cgroup.procs"):
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
    for ours in _all_of_ours():
        for group in groups:
            with contextlib.suppress(OSError):
                # Refused by the kernel where a process has come since.
                os.rmdir(f"{ours}/{group}")  # noqa: PTH106
                os.rmdir(ours)  # noqa: PTH106


def _all_of_ours() -> Iterator[str]:
    """Yield every folder that holds groups of VMs: of version 1 there is one below each group that herocloud ran in."""
    for controllers, folder in _places():
        if controllers == _CONTROLLERS:
            yield f"{folder}/{_OURS}"
            continue
        for path, below, _ in os.walk(_ROOT / controllers[0]):
            if _OURS in below:
                below.remove(_OURS)
                yield f"{path}/{_OURS}"


def _weight(path: str) -> Iterator[int]:
    with contextlib.suppress(ValueError):
        # Those of disks have a word before them, and lines for single disks behind.
        yield int(_begins(path).removeprefix(b"default ").partition(b"\n")[0])


def _begins(path: str) -> bytes:
    """Return how a file begins, which is all of one with a number."""
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


def write(path: Path, value: str) -> None:
    """Write into a file that the kernel has. Asking it to make one is refused, as if the group were not ours to change."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), "w") as stream:
        stream.write(value)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
