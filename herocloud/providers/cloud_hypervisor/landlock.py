"""Landlock: what a VMM may open from the moment it is given its VM, enforced by the kernel and never widened again.

The program names the files of its configuration by itself. What may come later has to be allowed from the beginning: a file of the same
name that takes the place of another, a volume, a card, the socket that it makes again when its guest restarts, the memory of a snapshot. So
the rules are folders: the VM's own, the one of its sockets, the one of what it boots, and the one that its volumes come from. A VMM with a
view of its own sees nothing else in the data folder, so there that folder is the rule.
"""

import ctypes
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from herocloud.providers.vmm import boot_files, cages, folders, users

if TYPE_CHECKING:
    from herocloud.providers.cloud_hypervisor.machine_models import LandlockConfig

_CREATE_RULESET, _VERSION = 444, 1
_OLDEST = 3
"""The version of the interface that the program insists on; Linux 6.2 brought it."""
MISSING = "the kernel does not keep VMMs from opening other files (Landlock of Linux 6.2 or later); boot one with `landlock` in its `lsm=`"
_TUN, _CARDS = Path("/dev/net/tun"), Path("/sys/devices/virtual/net")
"""What a tap is opened by, and where the program looks up how many queues it has."""


@functools.cache
def is_there() -> bool:
    """Return whether this kernel has what the program needs; some are built or booted without, some containers forbid the question."""
    system_call = ctypes.CDLL(None).syscall
    system_call.restype = ctypes.c_long
    return bool(system_call(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION) >= _OLDEST)


def rules_of(data: Path, sid: str) -> "list[LandlockConfig]":
    """Return what the VMM of a machine may open beside the files that its configuration names; nothing where there is no Landlock."""
    if not is_there():
        return []
    has_view = users.of(data, sid).is_own and cages.can_mount()
    own = [data] if has_view else _own_folders(data, sid)
    written = [folders.runtime_folder(data, sid), *own, *(path for path in (_TUN,) if path.exists())]
    read = [path for path in (_CARDS,) if path.exists()]
    held = boot_files.folder_of(data, sid)
    if not has_view and held.exists():
        # A copy that is made again is another file, and a guest that restarts boots it.
        read.append(held)
    allowed = [*((path, "rw") for path in written), *((path, "r") for path in read)]
    return [{"path": str(path), "access": access} for path, access in allowed]


def _own_folders(data: Path, sid: str) -> Iterator[Path]:
    yield folders.machine_folder(data, sid).parent
    volumes = data / "volumes"
    # A rule is about a folder that exists: the first volume of a stack may come while this VM runs.
    volumes.mkdir(mode=0o711, exist_ok=True)
    yield volumes
