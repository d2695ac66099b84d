"""A Debian that boots anywhere we run guests: a disk for BIOS and UEFI, and its kernel and initramfs beside it for direct boot.

It takes its seed from cloud-init's NoCloud, answers ssh and QEMU's guest agent, grows to its disk, and puts CPUs and memory to use that
are plugged in while it runs: the hypervisor's figures say nothing about that. It is made from packages rather than from Debian's own cloud
images, because those come from a server that a machine may not reach, without the agent, and without rules for what is plugged in.

The result is cached by what it is made from and whole or not there: everything is built in a folder beside it, and the description, which
says what the result is, is removed first and written last.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from herocloud.kits import durable_files
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.images.builds import archives, debian_bootloader, debian_disks, debian_roots, packages
from herocloud.providers.images.builds import debian_programs as programs
from herocloud.providers.images.builds.debian_roots import Recipe

DISK, KERNEL, INITRAMFS, DESCRIPTION = "debian.raw", "vmlinuz", "initrd.img", "debian.json"
COMMAND_LINE = debian_bootloader.COMMAND_LINE
SIZE = 2 * 1024**3
"""What the disk seems to have; most of it is a hole. A VM's disk is larger, and the guest grows into it at its first boot."""

PROGRAMS = (
    programs.BOOTSTRAP, programs.TAR, programs.EXT4, programs.PARTITIONS, programs.FORMAT, programs.COPY, programs.MAKE_FOLDER,
)  # fmt: skip
"""What building takes; booting takes none of it."""

_FORMAT = 2
"""To be raised when the same recipe would give another disk, so that old results are not taken for new ones."""
_WORK, _LOCK, _PACKAGES_FOLDER = ".debian-building", ".debian.lock", "packages"

_PACKAGES = (
    "linux-image-cloud-amd64", "initramfs-tools", "zstd", "systemd-sysv", "systemd-timesyncd", "systemd-resolved", "libpam-systemd",
    "udev", "dbus", "cloud-init", "netplan.io", "cloud-guest-utils", "fdisk", "e2fsprogs", "openssh-server", "qemu-guest-agent", "sudo",
    "iproute2", "iputils-ping", "netbase", "ca-certificates", "less", "vim-tiny", "bash-completion",
)  # fmt: skip

_HOTPLUG = """\
# What is plugged in while the guest runs is offline until somebody asks for it.
SUBSYSTEM=="cpu", ACTION=="add", TEST=="online", ATTR{online}!="1", ATTR{online}="1"
SUBSYSTEM=="memory", ACTION=="add", TEST=="state", ATTR{state}!="online", ATTR{state}="online"
"""
_CLOUD = """\
# The seed is a disk; asking the addresses where other clouds keep theirs would only cost time.
datasource_list: [NoCloud, None]
# netplan takes the seed's network word by word; cloud-init's own writer for networkd leaves out that routers' announcements are not wanted.
system_info:
  network:
    renderers: [netplan]
# The packages come from where the image's own came from.
apt: {preserve_sources_list: true}
locale: false
# Keys or nothing, unless the seed says otherwise.
ssh_pwauth: false
# RSA keys take seconds to make where there is no KVM, and nobody needs them any more.
ssh_genkeytypes: [ed25519, ecdsa]
"""
_AGENT_RULE = 'SUBSYSTEM=="misc", KERNEL=="vsock", TAG+="systemd", ENV{SYSTEMD_WANTS}+="herocloud-agent.service"\n'
_AGENT_UNIT = """\
[Unit]
Description=Guest agent on vsock, where there is no port for it
ConditionPathExists=!/dev/virtio-ports/org.qemu.guest_agent.0

[Service]
ExecStart=/usr/sbin/qemu-ga --method=vsock-listen --path=4294967295:1024 --statedir=/run
Restart=always
RestartSec=1
"""
"""Cloud Hypervisor has no virtio-serial; its provider looks for the agent on vsock port 1024."""
_FSTAB = f"LABEL={debian_disks.LABEL} / ext4 errors=remount-ro,x-systemd.growfs 0 1\n"
# The two timers are for machines that are on for days; at the first boot they take the disk from those who wait for the guest.
_ASLEEP = ("apt-daily.timer", "apt-daily-upgrade.timer", "man-db.timer", "e2scrub_all.timer", "e2scrub_reap.service")


class Built(NamedTuple):
    """A Debian image as it lies in a folder."""

    disk: Path
    kernel: Path
    initramfs: Path
    sha256: str
    """Of the disk."""
    release: str
    tree: str
    """The checksum of the files in the image: the same packages give the same, while a file system also holds the times of its making."""


def build(folder: Path, *, release: str = "bookworm", progress: Callable[[str], None] = lambda _text: None, again: bool = False) -> Built:
    """Build the image into a folder, unless what lies there was made from the same recipe; `again` asks the package archive again."""
    if packages.architecture() != "amd64":
        raise Permanent("a Debian image can be built on amd64 only: its boot loaders are those of that architecture")
    folder.mkdir(parents=True, exist_ok=True)
    with durable_files.flock(folder / _LOCK, blocking=False) as held:
        if not held:
            raise Temporary(f"another process is building a Debian image in `{folder}`", delay=10.0)
        # Whatever lies there now was left by a build that was killed.
        debian_disks.wipe(folder / _WORK)
        wanted = recipe(release)
        digest = _digest(wanted)
        built_image = None if again else find(folder, digest)
        if built_image is not None:
            progress("made from the same recipe before")
            return built_image
        try:
            return _build(folder, wanted, digest, progress)
        finally:
            debian_disks.wipe(folder / _WORK)


def recipe(release: str) -> Recipe:
    """Return what the image is made of."""
    overlay = [
        debian_bootloader.configuration(),
        archives.file("etc/udev/rules.d/80-herocloud-hotplug.rules", _HOTPLUG.encode()),
        archives.file("etc/udev/rules.d/81-herocloud-agent.rules", _AGENT_RULE.encode()),
        archives.file("etc/systemd/system/herocloud-agent.service", _AGENT_UNIT.encode()),
        archives.file("etc/cloud/cloud.cfg.d/90-herocloud.cfg", _CLOUD.encode()),
        archives.file("etc/fstab", _FSTAB.encode()),
        archives.file("etc/default/locale", b"LANG=C.UTF-8\n"),
        archives.link("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
        archives.link(
            "etc/systemd/system/multi-user.target.wants/systemd-networkd.service", "/lib/systemd/system/systemd-networkd.service"
        ),
        archives.link("etc/systemd/system/sockets.target.wants/systemd-networkd.socket", "/lib/systemd/system/systemd-networkd.socket"),
        *(archives.link(f"etc/systemd/system/{name}", "/dev/null") for name in _ASLEEP),
    ]
    commands = (
        # Keys that came with an image would be everybody's; cloud-init makes new ones.
        "rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub",
        "passwd --quiet --lock root",
    )
    return Recipe(release, _PACKAGES, tuple(overlay), commands)


def find(folder: Path, digest: str | None = None) -> Built | None:
    """Return the image in a folder, if there is a whole one (made from this recipe)."""
    try:
        said: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in (DISK, KERNEL, INITRAMFS)}
    except (OSError, ValueError):
        return None
    if said.get("sizes") != sizes or (digest is not None and said.get("recipe") != digest):
        return None
    return Built(folder / DISK, folder / KERNEL, folder / INITRAMFS, said["sha256"], said["release"], said["tree"])


def _build(folder: Path, wanted: Recipe, digest: str, progress: Callable[[str], None]) -> Built:
    programs.need(*PROGRAMS)
    work = folder / _WORK
    work.mkdir(mode=0o755)
    progress("fetching the boot loader")
    grub = debian_bootloader.prepare(folder / _PACKAGES_FOLDER, work)
    progress(f"installing {len(wanted.packages)} packages and what they need; this takes two minutes or more")
    archive = work / "root.tar"
    debian_roots.make(wanted, archive, work / "bootstrap")
    tree = _hash(archive)
    kernel, initramfs = _boot_files(archive, work)
    progress("making the disk")
    layout = debian_disks.lay_out(SIZE)
    disk = work / DISK
    with disk.open("wb") as stream:
        stream.truncate(layout.size)
    debian_disks.write_partitions(disk, layout, tree)
    debian_disks.write_files(archive, disk, layout.root, work, tree)
    debian_bootloader.write_bios(grub, work, disk, layout)
    debian_disks.write_esp(disk, layout.esp, {"EFI/BOOT/BOOTX64.EFI": debian_bootloader.make_efi(grub, work)}, tree)
    progress("checking and putting in place")
    said = {
        "recipe": digest,
        "release": wanted.release,
        "sha256": _hash(disk),
        "tree": tree,
        "command_line": COMMAND_LINE,
        "sizes": {path.name: path.stat().st_size for path in (disk, kernel, initramfs)},
        "packages": debian_roots.installed(archive),
    }
    _put_in_place(folder, (disk, kernel, initramfs), said)
    built_image = find(folder, digest)
    if built_image is None:
        raise Permanent(f"what was built in `{folder}` was changed by somebody else meanwhile")
    return built_image


def _boot_files(archive: Path, work: Path) -> tuple[Path, Path]:
    contents = debian_roots.read(archive, "boot/vmlinuz-", "boot/initrd.img-")
    if len(contents) != 2:
        raise Permanent(f"one kernel and one initramfs were expected in the image, and there are {sorted(contents)}")
    for name, content in contents.items():
        (work / name.partition("-")[0].removeprefix("boot/")).write_bytes(content)
    return work / KERNEL, work / INITRAMFS


def _put_in_place(folder: Path, paths: tuple[Path, ...], said: dict[str, Any]) -> None:
    (folder / DESCRIPTION).unlink(missing_ok=True)
    for path in paths:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        path.replace(folder / path.name)
    durable_files.sync_folder(folder)
    durable_files.write_durably(folder / DESCRIPTION, (json.dumps(said, indent=2) + "\n").encode(), 0o644)


def _digest(wanted: Recipe) -> str:
    text = json.dumps([_FORMAT, SIZE, COMMAND_LINE, wanted], default=lambda content: content.decode())
    return hashlib.sha256(text.encode()).hexdigest()


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
