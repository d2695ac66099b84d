"""The tiny guest: Debian's kernel for clouds, and an initramfs of busybox and a few scripts.

It boots in seconds without KVM and does what tests and first steps need of a guest: addresses on its cards, disks mounted, a page on a
port, an agent for commands, and everything that is plugged in while it runs put to use. What it does is in the scripts in `guest/`;
docs/images.md tells it to users.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import caches, durable_files, jsons
from herocloud.providers.images.builds import archives, packages, vsock_listener
from herocloud.providers.images.builds.archives import Member
from herocloud.providers.images.builds.packages import Kernel

KERNEL, INITRAMFS, _RELEASE = "vmlinuz", "initramfs", "release"
COMMAND_LINE = "console=ttyS0 quiet swiotlb=noforce"
"""Its kernel's command line; the console carries the line that says that it is ready."""
_MONTH = 30 * 86400
_FORM = 1
"""Counts changes to how the image is put together that the scripts and lists below do not show."""

MODULES = (
    "virtio_pci", "virtio_mmio", "virtio_blk", "virtio_net", "virtio_console", "virtio_mem", "vmw_vsock_virtio_transport", "virtiofs",
    "isofs", "ext4", "nls_iso8859-1", "nls_utf8", "vfat", "nls_cp437", "nls_ascii", "button", "evdev", "crc32c_generic",
)  # fmt: skip
"""What a guest may find around it, on every hypervisor that we know."""
LATER = ("virtio_balloon", "virtio_rng", "pvpanic_pci", "pvpanic-mmio")
"""What nobody waits for: drivers that work in the background. A guest loads them when it is up."""

_REQUIRED = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "isofs", "button", "ext4")

_SCRIPTS = {
    "inittab": "etc/inittab",
    "rc.first": "etc/rc.first",
    "rc": "etc/rc",
    "rc.stop": "etc/rc.stop",
    "power": "etc/acpi/PWRF/00000080",
    "agent": "lib/herocloud/agent",
    "agent.awk": "lib/herocloud/agent.awk",
    "json.awk": "lib/herocloud/json.awk",
    "seed.awk": "lib/herocloud/seed.awk",
    "exec": "lib/herocloud/exec",
    "shell": "lib/herocloud/shell",
    "hotplug": "lib/herocloud/hotplug",
    "vsock": "lib/herocloud/vsock",
    "visit": "lib/herocloud/visit",
    "nic": "lib/herocloud/nic",
    "disk": "lib/herocloud/disk",
}
"""The scripts of the guest, and where each goes."""

_LISTENER = "lib/herocloud/listener"

_FOLDERS = (
    "bin", "dev", "etc", "etc/acpi", "etc/acpi/PWRF", "lib", "lib/herocloud", "lib/modules", "mnt", "proc", "root", "run", "seed", "sys",
    "tmp", "usr", "www",
)  # fmt: skip


class Built(NamedTuple):
    """The tiny image as it came out."""

    kernel: Path
    initramfs: Path
    release: str
    """Of the kernel."""


def ensure(cache: Path, *, again: bool = False, told: Callable[[str], None] = lambda _text: None) -> Built:
    """Return the image in a cache, building it when there is none of this form; `again` takes the packages of today.

    Apt is not asked otherwise: that takes seconds, and an image that was good yesterday is good today.
    """
    images = cache / "images"
    caches.make_folder(images)
    target = images / f"tiny-{_digest()}"
    with durable_files.flock(images / ".tiny.lock", blocking=True):
        if again or not (target / _RELEASE).exists():
            _pack(target, _fetch(cache / "packages", told), told)
            _forget_old(images)
        os.utime(target)
        return _built(target)


def _forget_old(images: Path) -> None:
    """Remove images of other forms that nobody has asked for in a month; another version of herocloud may be at home here too."""
    for image in images.glob("tiny-*"):
        if image.stat().st_mtime < time.time() - _MONTH:
            shutil.rmtree(image, ignore_errors=True)


def build(target: Path, *, cache: Path, again: bool = False, told: Callable[[str], None] = lambda _text: None) -> Built:
    """Put the image into a folder, for users who want it at a place of its own."""
    made = ensure(cache, again=again, told=told)
    for source, name in ((made.kernel, KERNEL), (made.initramfs, INITRAMFS)):
        durable_files.write_durably(target / name, source.read_bytes(), 0o644)
    return Built(target / KERNEL, target / INITRAMFS, made.release)


def _listener() -> bytes:
    return vsock_listener.build(f"/{_SCRIPTS['visit']}")


def _digest() -> str:
    """Name everything that we put into the image; its packages are whatever there was on the day."""
    ours = {name: (_scripts() / name).read_text(encoding="utf-8") for name in _SCRIPTS}
    return jsons.digest([_FORM, ours, _listener().hex(), [MODULES, LATER], _SCRIPTS, list(_FOLDERS)])[:16]


def _fetch(folder: Path, told: Callable[[str], None]) -> list[Path]:
    """Fetch what the image is made of today: busybox, and the kernel that the package for clouds stands for."""
    told("fetching busybox and the kernel")
    meta, busybox = (
        packages.fetch(package, folder) for package in packages.locate(f"linux-image-cloud-{packages.architecture()}", "busybox-static")
    )
    image = next(name for name in packages.depends(meta) if name.startswith("linux-image-"))
    return [busybox, *(packages.fetch(package, folder) for package in packages.locate(image))]


def _pack(target: Path, debs: Iterable[Path], told: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="herocloud-build-") as name:
        folder = Path(name)
        told("unpacking")
        for deb in debs:
            packages.unpack(deb, folder)
        kernel = packages.find(folder)
        told("packing")
        program = next(path for path in (folder / "bin/busybox", folder / "usr/bin/busybox") if path.exists())
        archive = archives.pack(members(program.read_bytes(), kernel))
        # Its release goes first and comes last: without it the rest is not taken for whole.
        (target / _RELEASE).unlink(missing_ok=True)
        durable_files.write_durably(target / KERNEL, kernel.path.read_bytes(), 0o644)
        durable_files.write_durably(target / INITRAMFS, archive, 0o644)
        durable_files.write_durably(target / _RELEASE, kernel.release.encode(), 0o644)


def _built(folder: Path) -> Built:
    return Built(folder / KERNEL, folder / INITRAMFS, (folder / _RELEASE).read_text(encoding="utf-8"))


def _scripts() -> Traversable:
    return resources.files("herocloud.providers.images.builds") / "guest"


def members(busybox: bytes, kernel: Kernel) -> Iterator[Member]:
    """Yield everything in the initramfs."""
    for name in _FOLDERS:
        yield archives.folder(name)
    # The kernel opens this before there is anything that could make it.
    yield archives.device("dev/console", 5, 1)
    yield archives.file("bin/busybox", busybox, 0o755)
    yield archives.link("bin/sh", "busybox")
    for name in ("sbin", "usr/bin", "usr/sbin"):
        yield archives.link(name, "/bin")
    yield archives.link("init", "bin/busybox")
    soon = packages.choose(kernel, MODULES, _REQUIRED)
    later = [module for module in packages.choose(kernel, LATER) if module not in soon]
    for module in (*soon, *later):
        yield archives.file(f"lib/modules/{module.name}", module.content)
    for place, modules in (("etc/modules", soon), ("etc/modules.later", later)):
        yield archives.file(place, "".join(f"{module.name}\n" for module in modules).encode())
    yield archives.file("etc/passwd", b"root::0:0:root:/root:/bin/sh\n")
    yield archives.file("etc/group", b"root:x:0:\n")
    for name, place in _SCRIPTS.items():
        yield archives.file(place, (_scripts() / name).read_bytes(), 0o755)
    if packages.architecture() == vsock_listener.ARCHITECTURE:
        yield archives.file(_LISTENER, _listener(), 0o755)
