"""What an image will take of the disk, found out before it is fetched.

A file of this host can be measured: it is copied, so that what was checked is what is used, and what is not raw is converted beside the
copy. Of a kernel and an initramfs VMs keep a copy. What a server has, and what a compressed file unpacks to, is not known before; such a
fetch stays within what its plan leaves free.
"""

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from herocloud.kits.jsons import Spec
from herocloud.model.errors import HerocloudError
from herocloud.model.hosts import ImageNeed
from herocloud.providers.images import copies, formats, image_folders, image_states, intake, space
from herocloud.providers.images.content_store import Store


def find(folder: Path, images: Iterable[Spec]) -> Mapping[str, ImageNeed]:
    """Return what each of these images takes, by its source, its kernel and its initramfs.

    What lies on another file system than disks takes no room from them.
    """
    stores, boots = (space.is_with_disks(folder, folder / place) for place in (image_folders.STORE, image_folders.BOOTED))
    found: dict[str, ImageNeed] = {}
    for image in images:
        source = image.get("source")
        try:
            if boots:
                found |= {path: _copied(Path(path)) for field in image_states.BOOTED if (path := image.get(field))}
            if stores and source and not intake.is_remote(source):
                found[source] = _measure(folder, image, intake.local_path(source))
        except (OSError, HerocloudError, struct.error):
            # What is wrong with it, fetching it says.
            continue
    return found


def _copied(path: Path) -> ImageNeed:
    """Return what VMs keep of a file that they boot: one copy of each content."""
    size = path.stat().st_size
    return ImageNeed(size, size)


def _measure(folder: Path, image: Spec, path: Path) -> ImageNeed:
    if Store(folder).find_for(image) is not None:
        return ImageNeed(0, 0)
    copied = copies.allocated(path)
    if image["decompress"] != "none":
        return ImageNeed(2 * copied, copied)
    form = formats.judge(path, image["format"])
    if form == "raw":
        return ImageNeed(copied, copied)
    raw = formats.needed(path, form)
    return ImageNeed(copied + raw, raw)
