"""The store of contents: one raw file for each content, named after what it was made from, with an entry beside it.

Two stacks that ask for the same image share one file. The name of a content follows from the checksum of the download and from how it was
unpacked, so nobody has to keep a table of what is where. The maker of a content holds its lock; the kernel drops it with the process, so
that a crash never leaves a content that everybody waits for.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons
from herocloud.kits.jsons import Part
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.images import blocks, image_folders

_POLL = 0.1
"""Seconds between two looks at a lock that somebody else holds: waiting in the kernel could not be cancelled."""


class Entry(NamedTuple):
    """One content of the store."""

    key: str
    sha256: str
    """Of the source as downloaded."""
    decompress: str
    format: str
    """What it was unpacked as; what is stored is always raw."""
    size: int
    """Of the disk in it."""
    source: str
    fetched: float
    fingerprint: str = ""
    """Over the stored content, which `verify` makes again; nothing where the content is the download itself."""


class Store:
    """The contents under one data folder. Holds nothing open, so it serves any number of threads."""

    def __init__(self, folder: Path) -> None:
        """Remember where; nothing is made before somebody stores something."""
        self._folder = folder

    def content(self, key: str) -> Path:
        """Return where a content lies."""
        return self._folder / image_folders.STORE / f"{key}.raw"

    def find(self, key: str) -> Entry | None:
        """Return the entry of a content that is wholly there."""
        try:
            said = jsons.loads(self._entry_path(key).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise Permanent(f"the entry `{self._entry_path(key)}` is damaged; remove it, and the image is fetched again") from error
        return Entry(**said) if self.content(key).exists() else None

    def find_for(self, body: Part) -> Entry | None:
        """Return the content that serves for an image: the one with its checksum, or the youngest of its source where it names none."""
        if body["sha256"]:
            return self.find(content_key(body["sha256"], body))
        fitting = [entry for entry in self.entries() if entry.source == body["source"] and entry.key == content_key(entry.sha256, body)]
        return max(fitting, key=lambda one: one.fetched, default=None)

    def entries(self) -> Iterator[Entry]:
        """Yield everything that is stored, by key."""
        for name in self._names(image_folders.STORE, ".json"):
            entry = self.find(name)
            if entry is not None:
                yield entry

    def draft(self, key: str) -> Path:
        """Return a place to make a content in: a new one for every try, because a program of an earlier one may still be writing.

        To be called with the lock of the key, under which everything that earlier tries left is litter.
        """
        self.sweep(key)
        folder = self._folder / image_folders.STORE
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / f".{key}.{os.urandom(4).hex()}.new"

    def sweep(self, key: str) -> None:
        """Remove what earlier tries left behind."""
        for path in (self._folder / image_folders.STORE).glob(f".{key}.*new"):
            path.unlink(missing_ok=True)

    def tidy(self) -> int:
        """Remove what is left of tries that have ended, drafts and contents without an entry; returns the bytes that came free."""
        freed = 0
        folder = self._folder / image_folders.STORE
        for path in (*folder.glob(".*new"), *(path for path in folder.glob("*.raw") if not self._entry_path(path.stem).exists())):
            with self.try_lock(path.name.removeprefix(".").partition("-")[0]) as got:
                if got and path.exists() and not self._entry_path(path.stem).exists():
                    freed += path.stat().st_blocks * 512
                    path.unlink(missing_ok=True)
        return freed

    def admit(self, draft: Path, entry: Entry) -> None:
        """Put a content that is durably written into the store. The entry comes last: without it nobody takes the content for whole."""
        target = self.content(entry.key)
        draft.rename(target)
        durable_files.sync_folder(target.parent)
        place = self._entry_path(entry.key)
        durable_files.write_durably(place, jsons.dumps(entry._asdict()).encode(), draft=image_folders.draft_of(place))

    def remove(self, key: str) -> int:
        """Remove a content; returns the bytes that come free. The entry goes first, for the reason for which it came last."""
        place, content = self._entry_path(key), self.content(key)
        place.unlink(missing_ok=True)
        freed = 0
        if content.exists():
            durable_files.sync_folder(content.parent)
            freed = content.stat().st_blocks * 512
            content.unlink(missing_ok=True)
            durable_files.sync_folder(content.parent)
        self.sweep(key)
        return freed

    def download_path(self, name: str) -> Path:
        """Return where a download is gathered, making its folder."""
        folder = self._folder / image_folders.DOWNLOADS
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / f"{name}.part"

    def forget_download(self, name: str) -> None:
        """Throw away what has arrived of a download."""
        for path in (self._folder / image_folders.DOWNLOADS).glob(f"*{name}.part*"):
            path.unlink(missing_ok=True)

    def downloads(self) -> list[str]:
        """Name the downloads of which something is here."""
        return self._names(image_folders.DOWNLOADS, ".part")

    @contextmanager
    def lock(
        self, name: str, *, cancelled: Callable[[], bool] = lambda: False, waiting: Callable[[], None] = lambda: None
    ) -> Iterator[None]:
        """Hold the lock of a content or a download. `waiting` is called once, when somebody else has it."""
        path = self._lock_path(name)
        told = False
        while True:
            with durable_files.flock(path, blocking=False) as got:
                if got:
                    yield
                    return
            if cancelled():
                raise Temporary("cancelled while waiting for another download of the same image")
            if not told:
                waiting()
                told = True
            threading.Event().wait(_POLL)

    @contextmanager
    def try_lock(self, name: str) -> Iterator[bool]:
        """Hold the lock of a content if nobody else does; yields whether it was got."""
        with durable_files.flock(self._lock_path(name), blocking=False) as got:
            yield got

    def _lock_path(self, name: str) -> Path:
        folder = self._folder / image_folders.LOCKS
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder / name

    def _entry_path(self, key: str) -> Path:
        return self._folder / image_folders.STORE / f"{key}.json"

    def _names(self, folder: str, ending: str) -> list[str]:
        try:
            with os.scandir(self._folder / folder) as entries:
                return sorted(
                    entry.name.removesuffix(ending) for entry in entries if entry.name.endswith(ending) and not entry.name.startswith(".")
                )
        except FileNotFoundError:
            return []


def content_key(sha256: str, body: Part) -> str:
    """Name the content that a download with this checksum is unpacked to."""
    return f"{sha256}-{jsons.digest([body['decompress'], body['format']])[:8]}"


def download_name(body: Part) -> str:
    """Name the download of an image: by its checksum where there is one, because then every source of it is the same."""
    if body["sha256"]:
        return str(body["sha256"])
    return "unpinned-" + jsons.digest([body["source"], body["decompress"], body["format"]])


def make_entry(key: str, sha256: str, body: Part, *, form: str, size: int, fingerprint: str, now: float | None = None) -> Entry:
    """Describe a content that was made from an image."""
    moment = time.time() if now is None else now
    return Entry(key, sha256, body["decompress"], form, size, body["source"], moment, fingerprint)


def what_is_wrong(path: Path, entry: Entry, cancelled: Callable[[], bool]) -> str | None:
    """Read a content again and say why it is not what was stored; nothing when it is."""
    size = path.stat().st_size
    if size != entry.size:
        return f"it is {size} bytes long and should be {entry.size}"
    if entry.fingerprint:
        return None if blocks.fingerprint_of(path, cancelled) == entry.fingerprint else "its content has changed since it was stored"
    digest = blocks.sha256_of(path, cancelled)
    return None if digest == entry.sha256 else f"its sha256 is {digest} and should be {entry.sha256}"
