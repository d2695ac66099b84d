"""GRUB on a disk that is only a file: for the BIOS that QEMU brings along and for UEFI, with one configuration for both.

grub-install wants block devices and a running system to look at. What it does for a BIOS is little and has not changed in years: 440 bytes
of boot code in the first sector, which load one sector of the core image by its number, which loads the rest by a list of numbers. We
write those numbers ourselves. The packages with GRUB are unpacked and not installed: neither the host nor the guest needs it afterwards,
since the configuration names the kernel by the link that Debian keeps on the newest one.
"""

import os
import struct
from pathlib import Path

from herocloud.kits import subprocesses
from herocloud.kits.subprocesses import CommandError
from herocloud.model.errors import Permanent
from herocloud.providers.images.builds import packages
from herocloud.providers.images.builds.archives import Member
from herocloud.providers.images.builds.debian_disks import LABEL, SECTOR, Layout

COMMAND_LINE = f"root=LABEL={LABEL} ro console=tty0 console=ttyS0,115200"
"""The kernel's command line, for GRUB and for direct boots of kernel and initramfs."""

_PACKAGES = ("grub-common", "libdevmapper1.02.1", "grub-pc-bin", "grub-efi-amd64-bin")
_MODULES = (
    "part_gpt",
    "ext2",
    "search",
    "search_label",
    "normal",
    "configfile",
    "linux",
    "echo",
    "test",
    "serial",
    "terminal",
    "boot",
    "reboot",
)
_EARLY = f"search --no-floppy --set=root --label {LABEL}\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"
_CONFIGURATION = f"""\
# The links follow the newest kernel that is installed, so that this file never needs to be re-created.
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=0
set default=0
search --no-floppy --set=root --label {LABEL}
menuentry "Debian" {{
    linux /vmlinuz {COMMAND_LINE}
    initrd /initrd.img
}}
menuentry "Debian, the kernel before" {{
    linux /vmlinuz.old {COMMAND_LINE}
    initrd /initrd.img.old
}}
"""

# Where boot.img keeps the number of the core image's first sector, and the jump that is taken unless the BIOS says it starts a hard disk.
_KERNEL_SECTOR, _DRIVE_CHECK = 0x5C, 0x66
# The last entry in the list of sectors that the core image's first sector loads: where they begin, how many, to which segment.
_LIST = SECTOR - 12
_BOOT_CODE = 440
"""What of the first sector is code; behind it come the disk's signature and the protective partition table."""


def configuration() -> Member:
    """Return the file on the root file system from which GRUB knows what to boot."""
    return Member("boot/grub/grub.cfg", 0o100644, _CONFIGURATION.encode())


def prepare(cache: Path, work: Path) -> Path:
    """Fetch GRUB and unpack it; returns the folder."""
    tree = work / "grub"
    for name in _PACKAGES:
        packages.unpack(packages.fetch(packages.locate(name)[0], cache), tree)
    return tree


def make_efi(tree: Path, work: Path) -> Path:
    """Make the program that UEFI firmware starts."""
    return _make_image(tree, work, "x86_64-efi", "efi", ())


def write_bios(tree: Path, work: Path, disk: Path, layout: Layout) -> None:
    """Write the boot code and the core image into a disk with its partitions."""
    core = bytearray(_make_image(tree, work, "i386-pc", "core", ("biosdisk",)).read_bytes())
    if len(core) > layout.bios.size:
        raise Permanent(f"GRUB's core image has {len(core)} bytes, and its partition has room for {layout.bios.size}")
    first = layout.bios.start // SECTOR
    struct.pack_into("<Q", core, _LIST, first + 1)
    code = bytearray((tree / "usr/lib/grub/i386-pc/boot.img").read_bytes())
    struct.pack_into("<Q", code, _KERNEL_SECTOR, first)
    # As grub-install does for hard disks: some BIOSes hand over a wrong number for the drive.
    code[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"
    with disk.open("r+b") as stream:
        stream.write(code[:_BOOT_CODE])
        stream.seek(layout.bios.start)
        stream.write(core)


def _make_image(tree: Path, work: Path, platform: str, name: str, more: tuple[str, ...]) -> Path:
    early, image = work / "early.cfg", work / f"grub.{name}"
    early.write_text(_EARLY, encoding="utf-8")
    folder = tree / "usr/lib/grub" / platform
    command = [
        str(tree / "usr/bin/grub-mkimage"),
        "-O",
        platform,
        "-d",
        str(folder),
        "-p",
        "/boot/grub",
        "-c",
        str(early),
        "-o",
        str(image),
    ]
    libraries = os.pathsep.join(str(path) for path in sorted(tree.glob("lib/*-linux-gnu")) + sorted(tree.glob("usr/lib/*-linux-gnu")))
    try:
        subprocesses.run([*command, *_MODULES, *more], timeout=60, environment={**os.environ, "LC_ALL": "C", "LD_LIBRARY_PATH": libraries})
    except CommandError as error:
        raise Permanent(f"GRUB could not be put together for {platform}: {error}") from error
    return image
