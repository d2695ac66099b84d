"""Which firmware a disk needs, and where the host keeps the one for UEFI.

QEMU brings a BIOS along, and most images of clouds start by both ways, so the BIOS is what a VM gets. A disk whose first sector holds no
program, on which only a partition table says that it is one of GUID partitions, starts by UEFI alone. The choice is made from the disk
and not asked for in the stack: nobody who has an image wants to know.
"""

import os
import shutil
from pathlib import Path

from herocloud.kits import durable_files
from herocloud.model.errors import Permanent
from herocloud.providers.vmm import folders

_PAIRS = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/qemu/edk2-x86_64-code.fd", "/usr/share/qemu/edk2-i386-vars.fd"),
)
"""Where Debian, Fedora, Arch and QEMU itself put it: the program, and its variables as they are on a new machine."""
MISSING = "this host has no firmware for that; install the package ovmf"

_SECTOR = 512
_PROGRAM = 440
"""Bytes of the first sector that a BIOS would run."""
_TYPE = 450
_GUID_PARTITIONS = 0xEE
_VARIABLES = "firmware.fd"


def choose(data: Path, sid: str, disk: Path, address: str) -> tuple[Path, Path] | None:
    """Return program and variables of the UEFI firmware for a disk that needs it; nothing for one that a BIOS starts."""
    if not needs_uefi(disk):
        return None
    paths = find()
    if paths is None:
        raise Permanent(f"the root disk of `{address}` starts by UEFI only, and {MISSING}")
    program, variables = paths
    return program, _own_variables(data, sid, variables)


def find() -> tuple[Path, Path] | None:
    """Return where the host keeps the program and the variables of a new machine."""
    for pair in _PAIRS:
        if all(os.access(path, os.R_OK) for path in pair):
            return Path(pair[0]), Path(pair[1])
    return None


def needs_uefi(disk: Path) -> bool:
    """Return whether a disk has partitions and no program that a BIOS could run."""
    with disk.open("rb") as stream:
        sector = stream.read(_SECTOR)
    if len(sector) < _SECTOR or sector[-2:] != b"\x55\xaa":
        return False
    return sector[_TYPE] == _GUID_PARTITIONS and not any(sector[:_PROGRAM])


def _own_variables(data: Path, sid: str, origin: Path) -> Path:
    """Give a VM variables of its own: the guest writes there what it boots from."""
    path = folders.machine_folder(data, sid) / _VARIABLES
    if not path.exists():
        draft = path.with_name(f".{path.name}.new")
        shutil.copyfile(origin, draft)
        draft.chmod(0o600)
        draft.replace(path)
        durable_files.sync_folder(path.parent)
    return path
