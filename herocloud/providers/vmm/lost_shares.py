"""Whether the guest of a VM that runs has its shares still. One is lost with the daemon that served it when the guest began.

A daemon that is started again knows nothing of the guest before: QEMU does not connect to it, and Cloud Hypervisor does, to a daemon that
refuses what a guest asks for that did not mount its share again. Only a guest that begins again has all of its shares for sure.
"""

from collections.abc import Callable
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.providers.vmm import identity, virtiofs
from herocloud.providers.vmm.identity import Identity

_PROC = Path("/proc")
_CONNECTED = "03"
"""The state of a socket that has another end, in the kernel's list."""
_FIRST_VCPU = "vcpu0"
"""What Cloud Hypervisor calls the thread of a guest's first processor, which begins after it has connected to all daemons."""

Served = Callable[[Identity, int, virtiofs.Share], bool]
"""Says whether the guest of a process has a share, the one of this number."""


def among_unconnected(data: Path, sid: str, machine: Part) -> Part:
    """Return a machine that runs with the shares to whose daemons its process is not connected any more."""
    return _with_flaw(data, sid, machine, lambda process, _number, share: _is_connected(process, share.socket))


def among_younger(data: Path, sid: str, machine: Part) -> Part:
    """Return a machine that runs with the shares whose daemons began after its guest did, or are not there."""
    return _with_flaw(data, sid, machine, lambda process, number, _share: _is_older(virtiofs.running(data, sid, number), process))


def _with_flaw(data: Path, sid: str, machine: Part, is_served: Served) -> Part:
    process = identity.running(data, sid) if machine is not None and machine["shares"] else None
    if process is None:
        return machine
    shares = enumerate(virtiofs.shares_of(data, sid, machine))
    lost = [share.tag for number, share in shares if not is_served(process, number, share)]
    # The daemons of one that ends meanwhile end with it.
    if not lost or not identity.is_alive(process):
        return machine
    return {**machine, powers.LOST_SHARES: ", ".join(f"{tag}: {powers.SERVER_ENDED}" for tag in lost)}


def _is_connected(process: Identity, socket: Path) -> bool:
    """Return whether anybody is connected to a socket: the kernel calls the end of the daemon by the name of what it listened on."""
    try:
        lines = (_PROC / str(process.pid) / "net/unix").read_text(errors="replace").splitlines()[1:]
    except OSError:
        return True
    fields = (line.split(maxsplit=7) for line in lines)
    return any(len(field) == 8 and field[7] == str(socket) and field[5] == _CONNECTED for field in fields)


def _is_older(daemon: Identity | None, process: Identity) -> bool:
    """Return whether a daemon was there when the guest of a process began; a guest without a first processor has not begun."""
    began = _began(process)
    return began is None or (daemon is not None and daemon.started <= began)


def _began(process: Identity) -> int | None:
    """Return when the guest began that runs now, in ticks as the starts of processes are counted. A reboot begins it again."""
    try:
        for thread in (_PROC / str(process.pid) / "task").iterdir():
            if (thread / "comm").read_text().strip() == _FIRST_VCPU:
                return int((thread / "stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
    return None
