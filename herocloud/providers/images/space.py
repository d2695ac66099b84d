"""Whether there is room for what will be stored, with all numbers before anything is written; and what our own disks hold already.

Two bounds, as hypeman has them: images together take a share of the disk and no more, and some of the disk stays free for the host
and for what running VMs still write. Disks of VMs are weighed by the plan; here only what really has to be written counts.
"""

import contextlib
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.sizes import show_size
from herocloud.model.errors import Permanent
from herocloud.model.hosts import Host, ImageLimits
from herocloud.providers.images import image_folders

_SMALL = 1024**3
"""Bytes of a disk that does no harm, whatever it was unpacked from."""


class Bounds(NamedTuple):
    """How much of the disk images may take."""

    share: float = 0.2
    keep_free: int = 5 * 1024**3
    disk: int | None = None
    """The size of the disk; nothing asks the file system."""
    limits: ImageLimits = ImageLimits()
    room: int | None = None
    """What the plan that runs leaves to images; nothing where none runs."""


def bounds_of(host: Host | None) -> Bounds:
    """Take the bounds from the host, or from their defaults where there is none."""
    if host is None:
        return Bounds()
    return Bounds(host.image_share, host.image_keep_free, host.disk, host.image_limits, host.image_room)


class Room:
    """The room on the disk of one data folder."""

    def __init__(self, folder: Path, bounds: Bounds = Bounds()) -> None:  # noqa: B008  (a named tuple never changes)
        """Look at nothing yet."""
        self._folder = folder
        self._images = folder / image_folders.STORE
        self._bounds = bounds

    def require_for_image(self, more: int, what: str) -> None:
        """Refuse to store `more` bytes of an image beyond the share of images, or into the part of the disk that stays free."""
        disk = self._bounds.disk if self._bounds.disk is not None else self._size()
        limit, used = int(disk * self._bounds.share), self.used_by_images()
        if used + more > limit:
            raise Permanent(
                f"image storage limit exceeded: {show_size(used)} used, {what} needs {show_size(more)} more, limit is {show_size(limit)} "
                f"({self._bounds.share * 100:.0f}% of the disk). Prune images that nothing uses, or raise `images: share` in host.yaml."
            )
        if self._bounds.room is not None and more > self._bounds.room and is_with_disks(self._folder, self._images):
            raise Permanent(
                f"no room for {what}: it needs {show_size(more)} more, and the plan leaves {show_size(self._bounds.room)} of the disk, "
                "since what disks and volumes may come to hold is promised to them. Make room on the disk, or ask for smaller ones."
            )
        free, floor = self._free_at(self._images), self._bounds.keep_free
        if free - more < floor:
            raise Permanent(
                f"insufficient disk space for {what}: {show_size(free)} available, {show_size(more)} needed, {show_size(floor)} stay free. "
                "Make room on the disk, or lower `images: keep_free` in host.yaml."
            )

    @property
    def unpack_memory(self) -> int:
        """Return the bytes of memory that unpacking an image may take."""
        return self._bounds.limits.unpack_memory

    def require_download(self, size: int, what: str) -> None:
        """Refuse to download more than the host allows; a server that never ends is met here as well."""
        most = self._bounds.limits.download
        if size > most:
            raise Permanent(
                f"{what} is too large to download: {show_size(size)} or more, {show_size(most)} are allowed. "
                "Raise `limits: download` in host.yaml if it really is."
            )

    def require_unpacked(self, size: int, packed: int, what: str) -> None:
        """Refuse a disk whose size the host does not allow, or that is suspiciously larger than the file it comes from.

        Zeros take no room on the disk, so the room alone would let a small file become a disk without end.
        """
        limits = self._bounds.limits
        if size > limits.unpacked:
            raise Permanent(
                f"the disk in {what} is too large: {show_size(size)} or more, {show_size(limits.unpacked)} are allowed. "
                "Raise `limits: unpacked` in host.yaml if it really is."
            )
        if size > max(_SMALL, packed * limits.ratio):
            raise Permanent(
                f"{what} unpacks from {show_size(packed)} to {show_size(size)} or more, which is over {limits.ratio:g} times as much. "
                "Raise `limits: ratio` in host.yaml if that is right."
            )

    def require_for_copy(self, more: int, what: str) -> None:
        """Refuse to write `more` bytes that the disk has not."""
        free = self._free_at(image_folders.disks_at(self._folder))
        if more > free:
            raise Permanent(
                f"no space left on the disk for {what}: {show_size(free)} available, {show_size(more)} needed. "
                "Make room on the disk, or delete what is not needed; `herocloud state gc` destroys deleted data that is still kept."
            )

    def used_by_images(self) -> int:
        """Add up what images really take, those on their way included."""
        total = 0
        for name in (image_folders.STORE, image_folders.DOWNLOADS):
            try:
                with os.scandir(self._folder / name) as entries:
                    total += sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries if ".json" not in entry.name)
            except FileNotFoundError:
                continue
        return total

    def _free_at(self, folder: Path) -> int:
        status = os.statvfs(_existing(folder))
        return status.f_bavail * status.f_frsize

    def _size(self) -> int:
        status = os.statvfs(_existing(self._images))
        return status.f_blocks * status.f_frsize


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def own_bytes(folder: Path) -> int:
    """Add up what our disks, volumes, tombstones, seeds and logs take of the file system.

    A plan counts all of them in full, so what they take already has to be added to what is free. Blocks that a disk shares with its image
    are not added: they come free only when the last of all who share them is gone. What lies on another file system is not added either.
    """
    place = image_folders.disks_at(folder)
    shares, here = _can_share(place), _device(place)
    return sum(_unshared(path) if shares else _taken(path) for path in _own_files(folder) if _device(path) == here)


def stored_bytes(folder: Path) -> int:
    """Add up what images, whatever becomes one, and the kernels of VMs take of the file system that disks lie on."""
    taken: dict[tuple[int, int], int] = {}
    for name in (image_folders.STORE, image_folders.DOWNLOADS, image_folders.BUILT, image_folders.IMPORTS, image_folders.BOOTED):
        place = folder / name
        if place.is_dir() and is_with_disks(folder, place):
            for path in place.rglob("*"):
                with contextlib.suppress(OSError):
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode):
                        # VMs that boot the same share one file, which has a name for each.
                        taken[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(taken.values())


def is_with_disks(folder: Path, place: Path) -> bool:
    """Return whether a place, or what it will be made in, is on the file system that disks lie on."""
    return _device(image_folders.disks_at(folder)) == _device(place)


def _device(path: Path) -> int:
    there = path.absolute()
    while True:
        try:
            return there.stat().st_dev
        except OSError:
            if there == there.parent:
                return 0
            there = there.parent


def _own_files(folder: Path) -> Iterator[Path]:
    for name, wanted in (
        (image_folders.VMS, image_folders.ROOT_DISK),
        (image_folders.VOLUMES, None),
        (image_folders.TOMBSTONES, image_folders.BURIED),
    ):
        try:
            with os.scandir(folder / name) as entries:
                inner = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            # Not there, or not for us to look into: then it is no room that this plan can count on.
            continue
        for one in inner:
            if wanted is not None:
                path = Path(one, wanted)
                yield from (inner for inner in path.rglob("*") if inner.is_file()) if path.is_dir() else (path,)
                if name == image_folders.VMS:
                    yield from _snapshot_files(Path(one))
                    yield from Path(one).glob("*.iso")
                    yield from Path(one).glob("vmm/*.log*")
            else:
                yield from Path(one).glob("*.raw")


def _snapshot_files(folder: Path) -> Iterator[Path]:
    """Yield the files in the snapshots of the VM whose folder this is."""
    snapshots = folder / image_folders.SNAPSHOTS
    if snapshots.is_dir():
        yield from (path for path in snapshots.rglob("*") if path.is_file())


def _taken(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except OSError:
        return 0


def _can_share(folder: Path) -> bool:
    """Return whether the folder lies on a file system whose files may share blocks; asking every file costs ten times as much."""
    place, best, kind = os.fsencode(folder.resolve()), b"", b""
    try:
        mounts = Path("/proc/self/mounts").read_bytes().splitlines()
    except OSError:
        return True
    for line in mounts:
        _, point, found, *_ = line.split(b" ")
        point = point.replace(b"\\040", b" ")
        if (place + b"/").startswith(point.rstrip(b"/") + b"/") and len(point) >= len(best):
            best, kind = point, found
    return kind not in _WITHOUT_SHARING


_WITHOUT_SHARING = frozenset({b"ext4", b"ext3", b"ext2", b"tmpfs"})
_FIEMAP, _SHARED, _LAST = 0xC020660B, 0x2000, 0x1
_HEADER, _EXTENT = struct.Struct("=QQLLLL"), struct.Struct("=QQQQQLLLL")
_EXTENTS = 512
"""Asked for in one call: a disk that is not in pieces needs one."""


def _unshared(path: Path) -> int:
    """Return the bytes of a file that no other file shares."""
    taken = _taken(path)
    if not taken:
        return 0
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        shared, start = 0, 0
        while True:
            buffer = bytearray(_HEADER.pack(start, 2**64 - 1 - start, 0, 0, _EXTENTS, 0) + bytes(_EXTENT.size * _EXTENTS))
            fcntl.ioctl(descriptor, _FIEMAP, buffer)
            found = _HEADER.unpack_from(buffer)[3]
            for number in range(found):
                logical, _, length, _, _, flags, *_ = _EXTENT.unpack_from(buffer, _HEADER.size + number * _EXTENT.size)
                shared += length if flags & _SHARED else 0
                start = logical + length
            if not found or flags & _LAST:
                return max(0, taken - shared)
    except OSError:
        # A file system that cannot tell shares nothing that it could tell of.
        return taken
    finally:
        os.close(descriptor)
