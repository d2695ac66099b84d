"""What in a data folder decides what runs there: its state, its settings, and the folders of VMs, images, volumes and boot files.

Anyone who can write to one of these acts as the owner of the data folder. Names are relative to it, and need not be there.
"""

import os
from collections.abc import Iterator
from pathlib import Path

VMS, VOLUMES, MACHINE = "vms", "volumes", "vmm"
FOLDERS = (VMS, "images", "images/store", "images/names", "images/locks", VOLUMES, "boot", "boot/contents", "locks")
FILES = (
    *(f"{name}.db{more}" for name in ("state", "daemon") for more in ("", "-wal", "-shm")),
    *("state.lineage", "state.serial", "secret.key", "host.yaml", "lock"),
    *("images/digests.json", "boot/.digests.json"),
)
_KEPT = (".raw", ".json")
"""How stored images and their entries end; what is still on its way to become one belongs to whom unpacks it."""


def of_vms(data: Path) -> Iterator[str]:
    """Yield the folders of VMs."""
    for sid, _ in _entries(data, VMS):
        yield f"{VMS}/{sid}"
        yield f"{VMS}/{sid}/{MACHINE}"


def of_contents(data: Path) -> Iterator[str]:
    """Yield folders and files of images, and the folders of volumes."""
    for folder in (VOLUMES, "images/names"):
        yield from (f"{folder}/{name}" for name, is_folder in _entries(data, folder) if is_folder)
    yield from (f"images/store/{name}" for name, _ in _entries(data, "images/store") if name.endswith(_KEPT))
    yield from (f"boot/contents/{name}" for name, _ in _entries(data, "boot/contents"))


def of_volumes(data: Path) -> Iterator[str]:
    """Yield the files of volumes, some of which belong to users of VMs."""
    for stack, is_folder in _entries(data, VOLUMES):
        if is_folder:
            yield from (f"{VOLUMES}/{stack}/{name}" for name, is_inner in _entries(data, f"{VOLUMES}/{stack}") if not is_inner)


def _entries(data: Path, folder: str) -> list[tuple[str, bool]]:
    try:
        with os.scandir(f"{data}/{folder}") as entries:
            return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError:
        return []
