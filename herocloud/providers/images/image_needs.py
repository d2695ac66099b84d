"""What an image will take of the disk, found out before it is fetched.

A file of this host can be measured: it is copied, so that what was checked is what is used, and what is not raw is converted beside the
copy. What a server has, and what a compressed file unpacks to, is not known before; such a fetch stays within what its plan leaves free.
"""

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from herocloud.kits.jsons import Spec
from herocloud.model.errors import HerocloudError
from herocloud.model.hosts import ImageNeed
from herocloud.providers.images import copies, formats, image_folders, intake, space
from herocloud.providers.images.content_store import Store


def find(folder: Path, images: Iterable[Spec]) -> Mapping[str, ImageNeed]:
    """Return what each of these images takes, by its source; nothing where images lie on another file system than disks."""
    if not space.is_with_disks(folder, folder / image_folders.STORE):
        return {}
    found: dict[str, ImageNeed] = {}
    for image in images:
        source = image.get("source")
        if source and not intake.is_remote(source):
            try:
                found[source] = _measure(folder, image, intake.local_path(source))
            except (OSError, HerocloudError, struct.error):
                # What is wrong with it, fetching it says.
                continue
    return found


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
