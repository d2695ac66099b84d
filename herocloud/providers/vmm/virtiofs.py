"""Folders of the host in a guest: a virtiofs daemon for each, which lives and dies with the VM.

The daemon is started like a VMM, with a record and a lock of its own, and is started again when it ends, because a VMM that comes back by
itself finds its daemon gone: it ends with the connection. A program of the host does this work, the same for every hypervisor.
"""

import functools
import os
import shutil
import time
from pathlib import Path
from typing import NamedTuple

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.vmm import companions, files, folders, identity, launch, users
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.launch import Launch

MISSING = "the program virtiofsd is missing; install the package virtiofsd"
_PLACES = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/qemu/virtiofsd")
_PATIENCE = 10.0
_SETTLING = 0.3
"""Seconds in which a daemon that cannot work has ended."""
_STEP = 0.01
_NAME, _RESTART = "-share-", "always"
_SOCKET = 3
"""The descriptor of the socket that it is handed, made by `jail`: both kinds of this daemon take one."""


class Share(NamedTuple):
    """A folder of the host, served by a daemon of its own."""

    tag: str
    socket: Path


def find_program() -> str | None:
    """Return the path of the virtiofs daemon; distributions put it where no PATH leads."""
    return shutil.which("virtiofsd") or next((path for path in _PLACES if os.access(path, os.X_OK)), None)


def require_program(address: str) -> str:
    """Return the path of the virtiofs daemon, or say what to install."""
    program = find_program()
    if program is None:
        raise Permanent(f"`{address}` has shares, and {MISSING}")
    return program


def shares_of(data: Path, sid: str, part: Part) -> list[Share]:
    """Return the shares of a VM with the sockets of their daemons."""
    return [Share(one["tag"], folders.control_socket(data, sid, f"share-{number}.sock")) for number, one in enumerate(part["shares"])]


def start(data: Path, sid: str, part: Part, address: str) -> None:
    """Start a daemon for each share, and wait until each listens."""
    end(data, sid)
    bring_back(data, sid, part, address)


def bring_back(data: Path, sid: str, part: Part, address: str) -> None:
    """Have a daemon work and be kept for each share that has none."""
    for number, share in enumerate(shares_of(data, sid, part)):
        if companions.flaw(_record(data, sid, number), _RESTART) is None:
            continue
        folder = files.require(Path(part["shares"][number]["path"]), "the shared folder")
        if "," in str(folder):
            raise Permanent(f"`{folder}` has a comma, and virtiofsd would take what is behind it for options")
        command = [require_program(address), f"--fd={_SOCKET}", "-o", f"source={folder}", "-o", "cache=auto"]
        companions.bring_back(_launch_of(data, sid, number, share, command), functools.partial(_wait_until_settled, share, folder))


def _launch_of(data: Path, sid: str, number: int, share: Share, command: list[str]) -> Launch:
    name = f"{_NAME}{number}"
    environment, unit = identity.environment(data, sid, name), identity.unit(data, sid, name)
    # It serves files of all users and so needs its own rights; the VM's user gets to the socket, and to nothing else of it.
    own = _record(data, sid, number)
    return Launch(own, command, share.socket, _RESTART, environment, unit, listens=share.socket, client=users.of(data, sid))


def _wait_until_settled(share: Share, folder: Path, record: Path, process: Identity) -> None:
    until = time.monotonic() + _PATIENCE
    # The socket is there before the daemon is, so what tells is that the daemon stays.
    while not share.socket.exists() or identity.wait_for_death(process, _SETTLING):
        if not identity.is_alive(process):
            raise Permanent(f"virtiofsd does not share `{folder}`{launch.said(record.with_name(f'{record.name}.log'))}")
        if time.monotonic() > until:
            raise Temporary(f"virtiofsd has not begun to share `{folder}` within {_PATIENCE:g} s")
        time.sleep(_STEP)


def with_flaw(data: Path, sid: str, machine: Part) -> Part:
    """Return a machine that runs with what became of the daemons of its shares; nothing is added while they work."""
    if machine is None or not machine["shares"]:
        return machine
    flaws = [
        (share.tag, companions.flaw(_record(data, sid, number), _RESTART)) for number, share in enumerate(shares_of(data, sid, machine))
    ]
    said = ", ".join(f"{tag} {flaw}" for tag, flaw in flaws if flaw is not None)
    return {**machine, powers.SHARING: said} if said else machine


def running(data: Path, sid: str, number: int) -> Identity | None:
    """Return the daemon of a share while it works."""
    return identity.running(data, sid, f"{_NAME}{number}")


def end(data: Path, sid: str) -> None:
    """End the daemons of a VM."""
    for lock in sorted(folders.machine_folder(data, sid).glob(f"{identity.RECORD}{_NAME}*.lock")):
        companions.end(lock.with_suffix(""))


def _record(data: Path, sid: str, number: int) -> Path:
    return identity.record_path(data, sid, f"{_NAME}{number}")
