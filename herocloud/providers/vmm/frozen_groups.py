"""Control groups that somebody froze with the process of a VM in them: it does nothing then, and no signal ends it.

A group of ours is thawed. One of somebody else stays as it is, and the process leaves it: for the one in its orders, or where that is in
other hierarchies, for the group that herocloud itself is in, which is not frozen.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from herocloud.model.errors import Permanent
from herocloud.providers.vmm import control_groups, group_places
from herocloud.providers.vmm.identity import Identity

_PROC = Path("/proc")
_FREEZER, _UNIFIED = "freezer", "unified"
_SEEN = {"freezer.state": (b"FROZEN", b"FREEZING"), "cgroup.events": (b"frozen 1",)}
"""Where a group of either version says that it is frozen, by itself or by one above it, and in which words."""
_SWITCHES = {"freezer.self_freezing": ("freezer.state", "THAWED"), "cgroup.freeze": ("cgroup.freeze", "0")}
"""What says that a group is frozen by itself, and what is written where to thaw it."""


def is_frozen(process: Identity) -> bool:
    """Return whether the group of a process is frozen, or one above it."""
    return any(_is_frozen(group) for group in _groups(str(process.pid)))


def thaw(process: Identity, own: Iterable[Path]) -> None:
    """Have a process go on; `own` are the files by which it joins the groups in its orders."""
    for group in _groups(str(process.pid)):
        for folder in (group, *group.parents):
            if group_places.ROOT in folder.parents and _is_ours(folder):
                _thaw(folder)
        if _is_frozen(group):
            _leave(group, process, own)
    for group in _groups(str(process.pid)):
        if _is_frozen(group):
            raise Permanent(
                f"the control group `{group}` is frozen, and with it process {process.pid}, which no signal ends; "
                f"thaw it, or the one above it that was frozen: {_way(group)}"
            )


def _groups(pid: str) -> Iterator[Path]:
    """Yield the groups of a process in those hierarchies in which groups can be frozen."""
    for line in _read(_PROC / pid / "cgroup").decode(errors="replace").splitlines():
        number, controllers, path = line.split(":", 2)
        below = path.lstrip("/")
        if _FREEZER in controllers.split(","):
            yield group_places.ROOT / _FREEZER / below
        elif number == "0":
            is_mounted_there = (group_places.ROOT / "cgroup.controllers").exists()
            yield (group_places.ROOT if is_mounted_there else group_places.ROOT / _UNIFIED) / below


def _is_frozen(group: Path) -> bool:
    return any(word in _read(group / name) for name, words in _SEEN.items() for word in words)


def _is_ours(folder: Path) -> bool:
    """Return whether a group is that of a VM, or of all of them, be it made by us or for a unit of systemd."""
    return group_places.OURS in folder.parts or folder.name.startswith(f"{group_places.OURS}-")


def _thaw(folder: Path) -> None:
    for name, (switch, value) in _SWITCHES.items():
        if _read(folder / name).strip() == b"1":
            control_groups.write(folder / switch, value)


def _leave(group: Path, process: Identity, own: Iterable[Path]) -> None:
    root = group_places.ROOT
    hierarchy = next(top for top in (root / _FREEZER, root / _UNIFIED, root) if group.is_relative_to(top))
    ours = [joined for joined in own if joined.is_relative_to(hierarchy)]
    for joined in ours or (other / "cgroup.procs" for other in _groups("self") if other.is_relative_to(hierarchy)):
        try:
            control_groups.write(joined, str(process.pid))
        except OSError as error:
            raise Permanent(
                f"process {process.pid} cannot leave the control group `{group}`, which is frozen, for `{joined.parent}` "
                f"({error.strerror}); thaw it, or the one above it that was frozen: {_way(group)}"
            ) from error


def _way(group: Path) -> str:
    return f"`echo THAWED >{group}/freezer.state`" if (group / "freezer.state").exists() else f"`echo 0 >{group}/cgroup.freeze`"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
