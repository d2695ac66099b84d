"""The host inside the lab: a Debian with what a server for VMs has, as one file system beside its kernel and initramfs.

It is kept by a digest of its recipe. Nothing of the working tree is in it, so that it is built once and not for every change; what a run
does is on the disk that `load` makes, and the only thing of ours in here is a service that looks for that disk.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons
from herocloud.model.errors import Permanent
from herocloud.providers.images.builds import archives, debian_disks, debian_roots
from herocloud.providers.images.builds.debian_roots import Recipe

RELEASE = "bookworm"
"""Its Python is 3.11, the version that our lock is made for."""
SIZE = 4 * 1024**3
_FORM = 1

_PACKAGES = (
    # A machine that boots.
    "linux-image-cloud-amd64", "initramfs-tools", "zstd", "systemd-sysv", "udev", "dbus", "libpam-systemd", "kmod", "procps", "psmisc",
    # What herocloud and its tests run.
    "python3", "qemu-system-x86", "qemu-utils", "ovmf", "iproute2", "nftables", "iputils-ping", "passt", "cloud-init", "genisoimage",
    "xorriso", "openssh-client", "curl", "socat", "e2fsprogs", "xfsprogs", "btrfs-progs", "dosfstools", "mtools", "fdisk", "busybox-static",
    "qemu-guest-agent", "cpio", "libarchive-tools",
    # What a person wants who looks around.
    "tcpdump", "ethtool", "numactl", "strace", "less", "vim-tiny", "git", "ncurses-term", "htop",
)  # fmt: skip

_SERVICE = """\
[Unit]
Description=What the lab was started for
After=local-fs.target systemd-logind.service

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'mkdir -p /run/lab && mount LABEL=lab /run/lab && exec /bin/sh /run/lab/inside'
# Whatever happens, the machine goes away: somebody waits for it.
ExecStopPost=/bin/sh -c 'sync; exec systemctl --force --force poweroff'
TimeoutStartSec=infinity
StandardInput=null
StandardOutput=journal+console
"""

_ASLEEP = (
    "apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
    "cloud-init.service", "cloud-init-local.service", "cloud-config.service", "cloud-final.service", "getty.target", "passt.service",
    "nftables.service", "qemu-guest-agent.service",
)  # fmt: skip


class Image(NamedTuple):
    """The host's files."""

    disk: Path
    kernel: Path
    initramfs: Path


def recipe() -> Recipe:
    """Return what the host is made of."""
    overlay = [
        archives.file("etc/systemd/system/lab.service", _SERVICE.encode()),
        archives.link("etc/systemd/system/multi-user.target.wants/lab.service", "../lab.service"),
        # A login on the serial line would end whatever else writes to it.
        archives.link("etc/systemd/system-generators/systemd-getty-generator", "/dev/null"),
        archives.link("etc/systemd/system-generators/cloud-init-generator", "/dev/null"),
        *(archives.link(f"etc/systemd/system/{name}", "/dev/null") for name in _ASLEEP),
        archives.file("etc/fstab", b"/dev/vda / ext4 defaults 0 0\n"),
        archives.file("etc/hosts", b"127.0.0.1 localhost lab\n::1 localhost\n"),
        archives.file("etc/default/locale", b"LANG=C.UTF-8\n"),
    ]
    return Recipe(RELEASE, _PACKAGES, tuple(overlay))


def ensure(folder: Path, *, told: Callable[[str], None], again: bool = False) -> Image:
    """Return the host's image, building it when there is none of this recipe."""
    wanted = recipe()
    digest = jsons.digest([_FORM, SIZE, wanted.release, wanted.packages, [[one.name, one.content.decode()] for one in wanted.files]])[:16]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"host-{digest}"
    image = Image(target / "root.raw", target / "vmlinuz", target / "initrd.img")
    with durable_files.flock(folder / ".lock", blocking=True):
        if again or not target.exists():
            told("building the host's image; this takes about three minutes, once")
            work = folder / ".building"
            debian_disks.wipe(work)
            _build(wanted, work)
            # A host that runs on an older one has it open, and keeps it until it ends.
            for older in folder.glob("host-*"):
                shutil.rmtree(older)
            work.rename(target)
    return image


def _build(wanted: Recipe, work: Path) -> None:
    work.mkdir(mode=0o755)
    archive, disk = work / "root.tar", work / "root.raw"
    debian_roots.make(wanted, archive, work / "bootstrap")
    with disk.open("wb") as stream:
        stream.truncate(SIZE)
    debian_disks.write_files(archive, disk, debian_disks.Area(0, SIZE), work, f"lab-{wanted.release}")
    contents = debian_roots.read(archive, "boot/vmlinuz-", "boot/initrd.img-")
    if len(contents) != 2:
        raise Permanent(f"one kernel and one initramfs were expected in the lab's host, and there are {sorted(contents)}")
    for name, content in contents.items():
        (work / name.partition("-")[0].removeprefix("boot/")).write_bytes(content)
    archive.unlink()
    debian_disks.wipe(work / "bootstrap")
