"""What a VMM may use of the host: put together here for both hypervisors and what runs beside them, and entered by `jail`.

How far it goes depends on the host. As root with the right to mount, a VMM gets a user of its own and sees only its own files. Where
nothing can be mounted (most containers), it gets the user if that one could get to its files and devices; else, and for ordinary users,
it stays the user who runs herocloud. Everywhere it has no capabilities, no way to get any, limits, and a control group where one can be
made.
"""

import functools
import os
import stat
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import subprocesses
from herocloud.kits.jsons import Part
from herocloud.providers.vmm import control_groups, folders, namespace_filter, program_files, users
from herocloud.providers.vmm.control_groups import Limits
from herocloud.providers.vmm.users import Range, User

DEVICES = ("/dev/kvm", "/dev/net/tun", "/dev/vhost-net", "/dev/vhost-vsock")
GUARD = Path(__file__).with_name("connection_guard.py")
_MIB = 1024**2
_BESIDE_MEMORY = 2048 * _MIB
"""What a VMM takes beside the memory of its guest at most: emulation keeps a gigabyte of translated code."""
_KEEPER = 16 * _MIB
_MOST_FILES, _MOST_PROCESSES = 16384, 1024


class Depth(Enum):
    """How far the cage goes on this host."""

    VIEW = "view"
    """A user of its own, and a file system with only its own files."""
    USER = "user"
    """A user of its own, and the host's file system with its permissions."""
    CALLER = "caller"
    """The user who runs herocloud."""


class Cage(NamedTuple):
    """What one process may use."""

    user: User
    view: bool = False
    reads: Sequence[Path] = ()
    writes: Sequence[Path] = ()
    lends: Sequence[Path] = ()
    """Files that its group gets to read whenever it starts."""
    awaits: Sequence[Path] = ()
    """Sockets of others that it connects to as soon as it starts."""
    devices: Sequence[str] = ()
    group: str = ""
    """Its control group."""
    memory: int | None = None
    """Bytes it may take; nothing sets no limit."""
    weight: int = 100
    """Its share of the processors and disks when all want them; 100 is that of one thread, and a VMM has one beside its vCPUs."""
    is_beside: bool = False
    """Whether it works beside the VMM, whose limits the group has."""
    answers_on: Sequence[int] | None = None
    """Where its connections are watched: the ports on which it answers the host itself all the same."""

    def orders(self, *, grouped: bool, joined: Iterable[Path] = ()) -> Iterator[tuple[str, str]]:
        """Yield what `jail` has to do; `grouped` says that somebody else has put the process into a control group with limits.

        `joined` are the control groups that its orders named so far.
        """
        yield "confined", ""
        yield from namespace_filter.orders()
        limits = Limits(self.memory, _MOST_PROCESSES, self.weight)
        have = control_groups.share if self.is_beside else control_groups.make
        groups = have(self.group, limits, joined) if self.group and not grouped else ()
        for path in groups:
            yield "group", str(path)
        yield "limit", "CORE=0"
        yield "limit", f"NOFILE={_MOST_FILES}"
        if self.user.is_own:
            yield "user", str(self.user.uid)
            yield "own-group", str(self.user.gid)
            yield "limit", f"NPROC={_MOST_PROCESSES}"
            yield from (("lend", str(path)) for path in self.lends)
            shared = set() if self.user.shared is None else {self.user.shared}
            for number in sorted(shared | (set() if self.view else _groups_of(self.devices))):
                yield "also-group", str(number)
        if self.memory is not None and not grouped and not any(control_groups.limits_memory(path) for path in groups):
            # Address space is not memory, and a VMM reserves far more than it uses: this keeps a mad one from taking the host with it.
            yield "limit", f"AS={2 * self.memory + 32 * 1024 * _MIB}"
        if self.view:
            yield "view", ""
            yield from (("read", str(path)) for path in self.reads)
            yield from (("write", str(path)) for path in self.writes)
            yield from (("device", path) for path in self.devices)
        yield from (("await", str(path)) for path in self.awaits)
        if self.answers_on is not None:
            yield "guard", str(GUARD)
            yield from (("guard-port", str(port)) for port in self.answers_on)

    def unit_properties(self) -> Iterator[tuple[str, str]]:
        """Yield the same limits as properties of a unit of systemd, whose group holds the keeper as well."""
        if self.memory is not None:
            yield "MemoryMax", str(self.memory + _KEEPER)
        yield "TasksMax", str(_MOST_PROCESSES)
        for share in ("CPUWeight", "IOWeight"):
            yield share, str(max(1, min(10000, self.weight)))


class Opened(NamedTuple):
    """What a VMM opens beside the files in the VM's own folder."""

    reads: frozenset[Path] = frozenset()
    writes: frozenset[Path] = frozenset()
    private: frozenset[Path] = frozenset()
    """What it reads and nobody else does."""
    sockets: Sequence[Path] = ()
    """Of companions, which have to be there before it starts."""


def cage_of(data: Path, sid: str, machine: Part, program: str, opened: Opened) -> Cage:
    """Describe the cage of a VM."""
    own = folders.machine_folder(data, sid).parent
    return Cage(
        user=(user := users.of(data, sid)),
        view=user.is_own and can_mount(),
        reads=tuple(dict.fromkeys([*program_files.needed_by(program), *sorted(path for path in opened.reads if own not in path.parents)])),
        writes=(own, folders.runtime_folder(data, sid), *sorted(path for path in opened.writes if own not in path.parents)),
        lends=sorted(opened.private),
        awaits=opened.sockets,
        devices=DEVICES,
        group=group_of(data, sid),
        memory=(limits := limits_of(machine)).memory,
        weight=limits.weight,
    )


def limits_of(machine: Part) -> Limits:
    """Return what the VMM of a machine may take."""
    memory = machine["memory"] if machine["hugepages"] else machine["boot_memory"] + (machine["hotplug"] or 0) + _BESIDE_MEMORY
    return Limits(memory, _MOST_PROCESSES, 100 * (machine["vcpus"] + 1))


def beside(data: Path, sid: str, program: str, reads: Sequence[Path] = ()) -> Cage:
    """Describe the cage of a process that works for a VM and needs no device."""
    return Cage(
        user=(user := users.of(data, sid)),
        view=user.is_own and can_mount(),
        reads=tuple(dict.fromkeys([*program_files.needed_by(program), *reads])),
        writes=(folders.machine_folder(data, sid).parent, folders.runtime_folder(data, sid)),
        group=group_of(data, sid),
        is_beside=True,
    )


def group_of(data: Path, sid: str) -> str:
    """Name the control group of a VM."""
    return f"{folders.runtime_root(data).name}-{sid}"


def choose_user(data: Path, sid: str, wanted: Range | None = None) -> User:
    """Have a user for a VM as far as the cage goes here."""
    return users.caller() if depth(data, wanted) is Depth.CALLER else users.choose(data, sid, wanted)


def depth(data: Path, wanted: Range | None = None) -> Depth:
    """Say how far the cage goes for the VMs of a data folder."""
    if users.usable_range(wanted) is None:
        return Depth.CALLER
    if can_mount():
        return Depth.VIEW
    return Depth.USER if obstacle(data) is None else Depth.CALLER


def can_mount() -> bool:
    """Return whether this process may make a view of the file system."""
    # Several VMs start at once, and one of them asks for all.
    with _ASKING:
        return _can_mount()


_ASKING = threading.Lock()


@functools.cache
def _can_mount() -> bool:
    """Try to make one in a process that ends with it."""
    if os.geteuid() != 0:
        return False
    stage = folders.make_orders_folder()
    words = ["unshare", "--mount", "--ipc", "--uts", "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", str(stage)]
    try:
        subprocesses.run(words, timeout=10)
    except subprocesses.CommandError:
        return False
    return True


def obstacle(data: Path) -> str | None:
    """Say what keeps a user of a VM's own from its files and devices where all see the host's file system; nothing when nothing does."""
    for path in (data.resolve(), *data.resolve().parents):
        with_mode = path.stat().st_mode if path.exists() else stat.S_IXOTH
        if not with_mode & stat.S_IXOTH:
            return f"`{path}` lets nobody pass who does not own it"
    device = Path("/dev/kvm")
    if device.exists() and not device.stat().st_mode & (stat.S_IWOTH | stat.S_IWGRP):
        return f"`{device}` is for root alone"
    return None


def _groups_of(devices: Iterable[str]) -> set[int]:
    """Return the groups that may open devices, other than root's."""
    found = (Path(path).stat() for path in devices if Path(path).exists())
    return {status.st_gid for status in found if status.st_mode & stat.S_IWGRP and status.st_gid != 0}


def python_files() -> list[Path]:
    """Return what a program in Python needs to see: its interpreter and the standard library."""
    return [path for path in program_files.needed_by(sys.executable) if path.exists()]
