"""A control group for each VM: the memory its VMM takes, its processes and threads, and its share of the processors and of disks.

Version 2 where it is mounted with these controllers, else version 1, else nothing: then resource limits have to do. Where systemd runs, a
VM is a unit and its group is systemd's, so limits are properties of the unit and nothing is made here.
"""

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from herocloud.providers.vmm import group_places, group_weights

_DISKS = "io"
"""Of version 2, and used where it is there: kernels have it without weights, or not at all. Version 1 weighs no writes that are put off."""
_USUAL_SHARES = 1024


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
    for controllers, folder in group_places.places():
        group = _joined_before(_group_of(folder, name), joined)
        try:
            is_there = group.is_dir()
            if limits_again or not is_there:
                group.mkdir(mode=0o755, parents=True, exist_ok=True)
                if controllers == group_places.CONTROLLERS:
                    _delegate(group.parent)
                for file, value in _settings(controllers, limits):
                    with contextlib.suppress(FileNotFoundError):
                        write(group / file, value)
                if "cpu" in controllers:
                    group_weights.weigh(group.parent, name, is_new=not is_there)
        except OSError:
            # Read-only, or not ours to change: the usual thing in containers.
            continue
        yield _member_of(group)


@functools.lru_cache(maxsize=4096)
def _group_of(folder: Path, name: str) -> Path:
    return folder / group_places.OURS / name


@functools.lru_cache(maxsize=4096)
def _member_of(group: Path) -> Path:
    """Return the file of a group that a process joins it by."""
    return group / "cgroup.procs"


def _joined_before(group: Path, joined: Iterable[Path]) -> Path:
    """Return a group that is there already instead of one that would be made in its hierarchy.

    In version 1, groups lie below the one that herocloud runs in, and a VM may be changed from another session than it was started from.
    """
    for there in (file.parent for file in joined):
        if there.name == group.name and _hierarchy_of(there) == _hierarchy_of(group) and there.is_dir():
            return there
    return group


def _hierarchy_of(path: Path) -> str:
    """Name the controller of version 1 that a path belongs to; of version 2 it is the same for all."""
    return path.relative_to(group_places.ROOT).parts[0]


def remove(joined: Path) -> None:
    """Remove a group whose processes are dead, by the file that `make` returned for it."""
    for folder in (joined.parent, joined.parent.parent):
        with contextlib.suppress(OSError):
            folder.rmdir()
    group_weights.weigh(joined.parent.parent)


def is_group(joined: Path) -> bool:
    """Return whether a file is one that `make` returns."""
    return group_places.ROOT in joined.parents and joined.parent.parent.name == group_places.OURS


def holds(joined: Path, process: int) -> bool:
    """Return whether a process is in a group, by the file that `make` returned for it."""
    first, end = _hierarchy_of(joined), f"/{group_places.OURS}/{joined.parent.name}"
    controller = "" if first == group_places.OURS else first
    for line in group_places.read(Path(f"/proc/{process}/cgroup")).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") and path.endswith(end):
            return True
    return False


def differs(joined: Path, limits: Limits) -> bool:
    """Return whether a group sets other limits on memory and processes than these."""
    return any(group_places.begins(f"{joined.parent}/{name}").strip() not in (value.encode(), b"") for name, value in _bounds(limits))


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
    for controllers, folder in group_places.places():
        try:
            (folder / group_places.OURS).mkdir(mode=0o755, exist_ok=True)
            if controllers == group_places.CONTROLLERS:
                _delegate(folder / group_places.OURS)
        except OSError:
            continue
        finally:
            with contextlib.suppress(OSError):
                (folder / group_places.OURS).rmdir()
        return 2 if controllers == group_places.CONTROLLERS else 1
    return None


def limits_memory(joined: Path) -> bool:
    """Return whether one of the files that `make` returned is that of a group that limits memory."""
    return any(os.path.exists(f"{joined.parent}/{name}") for name in ("memory.max", "memory.limit_in_bytes"))  # noqa: PTH110


def _delegate(group: Path) -> None:
    """Have the controllers in the groups below this one, which version 2 asks for at every level."""
    disks = [_DISKS] if _DISKS in group_places.read(group_places.ROOT / "cgroup.controllers").split() else []
    for folder in (group.parent, group):
        have = set(group_places.read(folder / "cgroup.subtree_control").split())
        missing = [controller for controller in (*group_places.CONTROLLERS, *disks) if controller not in have]
        if missing:
            (folder / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in missing))


def _settings(controllers: tuple[str, ...], limits: Limits) -> Iterator[tuple[str, str]]:
    unified = controllers == group_places.CONTROLLERS
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


def write(path: Path, value: str) -> None:
    """Write into a file that the kernel has. Asking it to make one is refused, as if the group were not ours to change."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), "w") as stream:
        stream.write(value)
