"""Where things lie inside the data folder, and to whom they belong.

images/store/           contents, named after what they are made from, each with an entry beside it
images/downloads/       what is on its way
images/locks/           one file for each content that somebody fetched, locked while it is being made
images/built/NAME/      what `image build` made, for stacks to name by path
images/names/STACK/     the images that a stack asked for: marks that point at an entry
vms/SID/                root.raw, seed.iso, each with its mark; root.new.raw, seed.new.iso while they wait to take their places
vms/SID/snapshots/NAME/ the disks of a snapshot; its mark lies beside the folder
boot/                   what VMs boot that is not on their disks, which their hypervisor keeps; here its room is counted
imports/ID/             what was unpacked of an archive, until its VM is made
volumes/STACK/          NAME.raw, with its mark
tombstones/KEY/         deleted data, with what it was
"""

import os
from pathlib import Path, PurePosixPath

from herocloud.kits import durable_files
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.errors import Permanent
from herocloud.model.steps import BESIDE

IMAGES, VMS, VOLUMES, TOMBSTONES = "images", "vms", "volumes", "tombstones"
STORE, DOWNLOADS, LOCKS, NAMES, BUILT = "images/store", "images/downloads", "images/locks", "images/names", "images/built"

SNAPSHOTS = "snapshots"
IMPORTS = "imports"
BOOTED = "boot"

ROOT_DISK, SEED = "root.raw", "seed.iso"
BURIED = "data"
"""What the data of a tombstone is called in its folder."""


def disks_at(folder: Path) -> Path:
    """Return a folder on the file system that disks lie on: somebody may have mounted one for them."""
    disks = folder / VMS
    return disks if disks.is_dir() else folder


def object_path(folder: Path, relative: str) -> Path:
    """Return where the object of a part lies; a path that leads out of our folders is refused.

    A part comes out of a plan file, which somebody may have written by hand.
    """
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or path.parts[:1] not in ((VMS,), (VOLUMES,)) or len(path.parts) != 3:
        raise Permanent(f"`{relative}` is not a place for a disk: it has to lie in `{VMS}/SID/` or `{VOLUMES}/STACK/`")
    return folder / path


def snapshot_path(folder: Path, relative: str) -> Path:
    """Return where a snapshot lies; a path that leads out of its VM's folder is refused."""
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or len(path.parts) != 4 or (path.parts[0], path.parts[2]) != (VMS, SNAPSHOTS):
        raise Permanent(f"`{relative}` is not a place for a snapshot: it has to lie in `{VMS}/SID/{SNAPSHOTS}/`")
    return folder / path


def origin_path(folder: Path, relative: str) -> Path:
    """Return the file that a disk is copied from: one of a snapshot, or of an archive that was unpacked."""
    path = PurePosixPath(relative)
    if path.parts[:1] == (IMPORTS,) and len(path.parts) == 3 and ".." not in path.parts:
        return folder / path
    return snapshot_path(folder, str(path.parent)) / path.name


def name_path(folder: Path, stack: str, address: str) -> Path:
    """Return what stands for an image of a stack; its mark lies beside it."""
    return folder / NAMES / stack / address.removeprefix("image.")


def draft_of(path: Path) -> Path:
    """Return the name under which an object is made before it gets its own; always the same one, so that the next try takes it over."""
    return path.with_name(f".{path.name}.new")


def beside(path: Path) -> Path:
    """Return where what will take the place of an object waits for it."""
    return path.with_name(f"{path.stem}{BESIDE}{path.suffix}")


def make_folder(path: Path, mode: int = 0o711) -> None:
    """Make a folder with those above it, so that a power cut does not lose the name of one. The mode lets a VMM's user pass through."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=mode, exist_ok=True)
        durable_files.sync_folder(folder.parent)


class Ownership(NamedTuple):
    """User, group and mode of the files that a VMM opens; nothing leaves user and group as they are made."""

    uid: int | None = None
    gid: int | None = None
    mode: int = 0o600

    def give(self, path: Path) -> None:
        """Give a file to the VMM's user. The mode comes last: giving a file away may take bits of it."""
        if self.uid is not None or self.gid is not None:
            os.chown(path, -1 if self.uid is None else self.uid, -1 if self.gid is None else self.gid)
        path.chmod(self.mode)


KEEP = Ownership()
