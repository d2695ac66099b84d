"""From an archive of files to file systems and partitions, in plain files: no loop device, no mount, no root.

mkfs.ext4 fills the file system that it makes from a folder, at an offset in the disk; sfdisk and mtools write into files as well as into
devices. Loop devices lost: containers and ordinary users have none, and a killed build would leave them behind.
"""

import os
import uuid
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import subprocesses
from herocloud.kits.subprocesses import CommandError
from herocloud.model.errors import Permanent
from herocloud.providers.images.builds import debian_programs as programs
from herocloud.providers.images.builds.debian_roots import EPOCH

MIB = 1024**2
SECTOR = 512
LABEL = "root"
"""The label of the root file system, by which boot loaders and kernel command lines find it on any bus."""

_SPACE = uuid.UUID("7f1d8f5e-0f5c-4b5a-9a55-6f6a0b1c2d3e")
_EFI_SYSTEM, _BIOS_BOOT = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "21686148-6449-6E6F-744E-656564454649"
_ROOT_X86_64 = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
_SCRIPT = """
set -e
rm -rf --one-file-system "$2"
mkdir "$2"
tar --extract --file "$1" --directory "$2" --numeric-owner --same-owner --same-permissions --xattrs --xattrs-include='*' --exclude='./dev/*'
target=$3 tree=$2 size=$4
shift 4
mkfs.ext4 "$@" -d "$tree" "$target" "$size"
rm -rf --one-file-system "$tree"
"""


class Area(NamedTuple):
    """A stretch of a disk, in bytes."""

    start: int
    size: int


class Layout(NamedTuple):
    """Where everything lies on a bootable disk. The root comes last, so that it can grow when the disk does."""

    bios: Area
    esp: Area
    root: Area
    size: int


def lay_out(size: int) -> Layout:
    """Divide a disk of this size. A mebibyte at the end is the second table's."""
    bios, esp = Area(1 * MIB, 1 * MIB), Area(2 * MIB, 16 * MIB)
    start = esp.start + esp.size
    return Layout(bios, esp, Area(start, size - start - MIB), size)


def write_partitions(disk: Path, layout: Layout, identity: str) -> None:
    """Write the partition table into a disk that is there and has its size. Numbers are those of Debian's own images."""
    programs.need(programs.PARTITIONS)
    lines = ["label: gpt", f"label-id: {identify(identity, 'disk')}", "unit: sectors", "first-lba: 34", ""]
    for number, area, kind, name in (
        (14, layout.bios, _BIOS_BOOT, "bios"),
        (15, layout.esp, _EFI_SYSTEM, "esp"),
        (1, layout.root, _ROOT_X86_64, "root"),
    ):
        place = f"start={area.start // SECTOR}, size={area.size // SECTOR}"
        lines.append(f"{disk}{number} : {place}, type={kind}, uuid={identify(identity, name)}, name={name}")
    _run(["sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", str(disk)], 60, stdin="\n".join(lines) + "\n")


def write_files(archive: Path, target: Path, area: Area, work: Path, identity: str, label: str = LABEL) -> None:
    """Make an ext4 with the files of an archive, in a stretch of a file that is there. `work` holds them meanwhile, under `tree`."""
    programs.need(programs.TAR, programs.EXT4)
    name = str(identify(identity, label))
    # GRUB 2.06 reads no file system whose checksums have a seed of their own; newer mkfs would make one.
    options = ["-q", "-F", "-b", "4096", "-m", "1", "-U", name, "-L", label, "-O", "^metadata_csum_seed,^orphan_file"]
    options += ["-E", f"hash_seed={name},root_owner=0:0,offset={area.start}"]
    command = ["sh", "-c", _SCRIPT, "sh", str(archive), str(work / "tree"), str(target), f"{area.size // 1024}k", *options]
    _run([*programs.as_root(), *command], 1200)


def write_esp(disk: Path, area: Area, files: dict[str, Path], identity: str) -> None:
    """Make the partition from which UEFI firmware starts, with these files in it."""
    programs.need(programs.FORMAT, programs.COPY, programs.MAKE_FOLDER)
    drive = f"{disk}@@{area.start}"
    serial = identify(identity, "fat").hex[:8]
    _run(["mformat", "-i", drive, "-T", str(area.size // SECTOR), "-N", serial, "-v", "ESP", "::"], 60)
    made: set[str] = set()
    for name, path in files.items():
        folders = Path(name).parents
        for folder in [str(folder) for folder in reversed(folders) if str(folder) not in (".", "/")]:
            if folder not in made:
                _run(["mmd", "-i", drive, f"::/{folder}"], 60)
                made.add(folder)
        _run(["mcopy", "-m", "-i", drive, str(path), f"::/{name}"], 60)


def wipe(work: Path) -> None:
    """Remove a folder of a build, whatever its state. Files of subordinate ids need the ids to go, mounts of a killed build an end."""
    if work.exists():
        for mounted in reversed(_mounts_below(work)):
            _run(["umount", "--lazy", mounted], 60)
        _run([*programs.as_root(), "rm", "-rf", "--one-file-system", str(work)], 300)


def _mounts_below(folder: Path) -> list[str]:
    """Return where something is mounted inside of a folder, outer mounts first."""
    with Path("/proc/self/mountinfo").open(encoding="utf-8", errors="surrogateescape") as lines:
        places = [line.split()[4] for line in lines]
    # The kernel writes blanks and the like as octal numbers.
    names = [place.encode("utf-8", "surrogateescape").decode("unicode_escape") if "\\" in place else place for place in places]
    return [name for name in names if name.startswith(f"{folder.resolve()}/")]


def identify(identity: str, what: str) -> uuid.UUID:
    """Return the id of a part of a disk: the same content has the same ids."""
    return uuid.uuid5(_SPACE, f"{identity}/{what}")


def _run(command: list[str], timeout: float, stdin: str = "") -> None:
    environment = {**os.environ, "PATH": programs.path(), "LC_ALL": "C", "MTOOLS_SKIP_CHECK": "1", "SOURCE_DATE_EPOCH": str(EPOCH)}
    environment |= {"E2FSPROGS_FAKE_TIME": str(EPOCH), "TZ": "UTC"}
    try:
        subprocesses.run(command, timeout=timeout, stdin=stdin, environment=environment)
    except CommandError as error:
        raise Permanent(f"the disk could not be made: {error}") from error
