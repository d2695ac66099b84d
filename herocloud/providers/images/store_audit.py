"""Looking after the store: what is in it, whether it is still what was stored, and what nobody needs any more.

Nothing goes that an image of any stack points at, that a record names, or that somebody is fetching at the moment. Disks need nothing of
the store once they are made: a copy shares blocks at most, and the file system counts those.
"""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from herocloud.providers.images import content_store, image_names
from herocloud.providers.images.content_store import Entry, Store


class Stored(NamedTuple):
    """One content of the store, with who needs it."""

    entry: Entry
    bytes: int
    """What it really takes on the disk."""
    users: tuple[str, ...]
    """`image.debian of stack shop`, one for each image that points at it."""


class Pruned(NamedTuple):
    """What was removed, or would be."""

    contents: tuple[Stored, ...]
    downloads: tuple[str, ...]
    """Unfinished downloads."""
    bytes: int


class Verified(NamedTuple):
    """Whether a content is what was stored."""

    entry: Entry
    wrong: str | None
    """Nothing when all is well."""


def list_contents(folder: Path) -> list[Stored]:
    """List everything in the store, oldest first."""
    store, used = Store(folder), image_names.used_keys(folder)
    found = [Stored(entry, store.content(entry.key).stat().st_blocks * 512, tuple(used.get(entry.key, ()))) for entry in store.entries()]
    return sorted(found, key=lambda one: (one.entry.fetched, one.entry.key))


def prune(folder: Path, *, recorded: Collection[str] = (), rehearse: bool = False) -> Pruned:
    """Remove contents that nothing uses, and what is left of downloads that nobody goes on with.

    `recorded` holds checksums and sources that records name. With `rehearse` nothing is removed, and the result says what would be.
    """
    store = Store(folder)
    gone: list[Stored] = []
    freed = 0
    for content in list_contents(folder):
        if content.users or content.entry.sha256 in recorded or content.entry.source in recorded:
            continue
        with store.try_lock(content.entry.sha256) as got:
            # Looked at again under the lock: an apply may have taken a liking to it meanwhile.
            if got and content.entry.key not in image_names.used_keys(folder):
                freed += content.bytes if rehearse else store.remove(content.entry.key)
                gone.append(content)
    downloads: list[str] = []
    for name in store.downloads():
        with store.try_lock(name) as got:
            if got:
                downloads.append(name)
                freed += store.download_path(name).stat().st_blocks * 512
                if not rehearse:
                    store.forget_download(name)
    if not rehearse:
        freed += store.tidy()
    return Pruned(tuple(gone), tuple(downloads), freed)


def remove(folder: Path, entries: Iterable[Entry]) -> int:
    """Remove contents even if something points at them, except those that are being fetched; returns the bytes that came free.

    An image that points at what is gone is seen as gone itself, so the next plan fetches it.
    """
    store = Store(folder)
    freed = 0
    for entry in entries:
        with store.try_lock(entry.sha256) as got:
            freed += store.remove(entry.key) if got else 0
    return freed


def verify(
    folder: Path, *, cancelled: Callable[[], bool] = lambda: False, told: Callable[[str, float], None] = lambda _text, _share: None
) -> list[Verified]:
    """Read every content again and say which are not what was stored."""
    store = Store(folder)
    entries = list(store.entries())
    verified_images: list[Verified] = []
    for number, entry in enumerate(entries):
        told(f"checking {number + 1} of {len(entries)}", number / len(entries))
        verified_images.append(Verified(entry, content_store.what_is_wrong(store.content(entry.key), entry, cancelled)))
    return verified_images
