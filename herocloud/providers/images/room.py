"""Whether there is room for what shall be stored, said with all numbers before anything is written.

Two bounds, as hypeman has them: images together take a share of the disk and no more, and some of the disk stays free for the host
and for what running VMs still write. Disks of VMs are weighed by the plan; here only what really has to be written counts.
"""

import os
from pathlib import Path
from typing import NamedTuple

from herocloud.kits.sizes import show_size
from herocloud.model.errors import Permanent
from herocloud.model.hosts import Host
from herocloud.providers.images import layout


class Bounds(NamedTuple):
    """How much of the disk images may take."""

    share: float = 0.2
    keep_free: int = 5 * 1024**3
    disk: int | None = None
    """The size of the disk; nothing asks the file system."""


def bounds_of(host: Host | None) -> Bounds:
    """Take the bounds from the host, or from their defaults where there is none."""
    return Bounds() if host is None else Bounds(host.image_share, host.image_keep_free, host.disk)


class Room:
    """The room on the disk of one data folder."""

    def __init__(self, folder: Path, bounds: Bounds = Bounds()) -> None:  # noqa: B008  (a named tuple never changes)
        """Look at nothing yet."""
        self._folder = folder
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
        free, floor = self.free(), self._bounds.keep_free
        if free - more < floor:
            raise Permanent(
                f"insufficient disk space for {what}: {show_size(free)} available, {show_size(more)} needed, {show_size(floor)} stay free. "
                "Make room on the disk, or lower `images: keep_free` in host.yaml."
            )

    def require_for_copy(self, more: int, what: str) -> None:
        """Refuse to write `more` bytes that the disk has not."""
        free = self.free()
        if more > free:
            raise Permanent(
                f"no space left on the disk for {what}: {show_size(free)} available, {show_size(more)} needed. "
                "Make room on the disk, or delete what is not needed; `herocloud state gc` destroys deleted data that is still kept."
            )

    def used_by_images(self) -> int:
        """Add up what images really take, those on their way included."""
        total = 0
        for name in (layout.STORE, layout.DOWNLOADS):
            try:
                with os.scandir(self._folder / name) as entries:
                    total += sum(entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries if ".json" not in entry.name)
            except FileNotFoundError:
                continue
        return total

    def free(self) -> int:
        """Return how much of the disk is free for us."""
        there = self._there()
        found = os.statvfs(there)
        return found.f_bavail * found.f_frsize

    def _size(self) -> int:
        found = os.statvfs(self._there())
        return found.f_blocks * found.f_frsize

    def _there(self) -> Path:
        return next(place for place in (self._folder, *self._folder.absolute().parents) if place.exists())
