"""From the source of an image to a content in the store: get, hash, unpack, check, convert.

Nothing that was not proven gets a name in the store: until the checksum, the format and the size are known everything lies under the name
of a draft. A process that wants the same image meanwhile waits for the lock and finds it done.
"""

import hashlib
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from herocloud.kits.jsons import Part
from herocloud.kits.sizes import show_size
from herocloud.model.errors import Permanent, Temporary
from herocloud.model.hosts import Host
from herocloud.providers.images import blocks, content_store, copies, downloads, foreign_programs, formats
from herocloud.providers.images import space as room_of
from herocloud.providers.images.blocks import SparseWriter
from herocloud.providers.images.content_store import Entry, Store
from herocloud.providers.images.downloads import Patience, Remote
from herocloud.providers.images.space import Room

_READ = 1024**2


class Order(NamedTuple):
    """What is wanted, and how the caller is kept in the picture."""

    body: Part
    """The part of the image: source, sha256, unpinned, decompress, format."""
    name: str
    """What to call it in messages."""
    cancelled: Callable[[], bool] = lambda: False
    told: Callable[[str, float | None], None] = lambda _text, _share: None
    reached: Callable[[], None] = lambda: None
    """Called half-way, where a test may make the process die."""
    patience: Patience = Patience()


def fetch(store: Store, room: Room, order: Order) -> Entry:
    """Return the entry of an image, getting it first when it is not there."""
    source, pinned = order.body["source"], order.body["sha256"]
    if is_remote(source) and not pinned and not order.body["unpinned"]:
        raise Permanent(f"`{order.name}` comes from `{downloads.show(source)}` without a `sha256`: give one, or write `unpinned: true`")
    began = time.time()
    name = content_store.download_name(order.body)

    def waiting() -> None:
        order.told("waiting for another download of the same image", None)

    with store.lock(name, cancelled=order.cancelled, waiting=waiting):
        known = _already(store, order.body, began)
        if known is not None:
            # The process that brought it may have died before it threw away what it had downloaded.
            store.forget_download(name)
            return known
        return _Making(store, room, order, name).make()


def pull(folder: Path, host: Host | None, order: Order) -> Entry:
    """Bring an image into the store of a data folder without giving it a name in any stack."""
    return fetch(Store(folder), Room(folder, room_of.bounds_of(host)), order)


def is_remote(source: str) -> bool:
    """Return whether a source is on another machine."""
    return source.startswith(("http://", "https://"))


def _already(store: Store, body: Part, began: float) -> Entry | None:
    """Return a content that serves: by its checksum, or one of the same source that somebody fetched while we waited."""
    if body["sha256"]:
        return store.find(content_store.content_key(body["sha256"], body))
    same = [
        entry
        for entry in store.entries()
        if entry.source == body["source"] and entry.fetched >= began and entry.key == content_store.content_key(entry.sha256, body)
    ]
    return same[-1] if same else None


class _Making:
    """One image on its way into the store, with the lock of its download held."""

    def __init__(self, store: Store, room: Room, order: Order, name: str) -> None:
        self._store, self._room, self._order, self._name = store, room, order, name
        self._body: Part = order.body
        self._what = f"image `{order.name}`"

    def make(self) -> Entry:
        part = self._store.download_path(self._name)
        sha256 = self._get(part)
        self._order.reached()
        key = content_store.content_key(sha256, self._body)
        if self._body["sha256"]:
            entry = self._finish(part, sha256, key)
        else:
            # Another stack may pin what this one does not, so that the content has two names on its way and only one in the store.
            with self._store.lock(sha256, cancelled=self._order.cancelled):
                entry = self._store.find(key) or self._finish(part, sha256, key)
        self._store.forget_download(self._name)
        return entry

    def _finish(self, part: Path, sha256: str, key: str) -> Entry:
        draft = self._store.draft(key)
        try:
            made, entry = self._unpack(part, draft, sha256, key)
            self._order.reached()
            self._store.admit(made, entry)
        finally:
            draft.unlink(missing_ok=True)
        return entry

    # Getting.

    def _get(self, part: Path) -> str:
        """Bring the source to `part` and return its checksum; a wrong one keeps nothing."""
        wanted: str | None = self._body["sha256"]
        try:
            found, joined = self._bring(part)
            if wanted and found != wanted and joined:
                # A joint may be wrong where the whole is right: once more in one piece, before anybody is blamed.
                self._store.forget_download(self._name)
                found, _ = self._bring(part)
        except Permanent:
            self._store.forget_download(self._name)
            raise
        if wanted and found != wanted:
            size = show_size(part.stat().st_size)
            self._store.forget_download(self._name)
            raise Permanent(
                f"{self._what}: the checksum is wrong, so nothing was kept. Expected sha256 {wanted}, got {found} ({size}) from "
                f"`{downloads.show(self._body['source'])}`"
            )
        return found

    def _bring(self, part: Path) -> tuple[str, bool]:
        source = self._body["source"]
        if not is_remote(source):
            return self._copy(local_path(source), part), False
        remote = Remote(
            source,
            bool(self._body["sha256"]),
            room=self._require_download,
            cancelled=self._order.cancelled,
            told=self._tell_download,
            patience=self._order.patience,
        )
        fetched = downloads.download(remote, part)
        return fetched.sha256, fetched.joined

    def _require_download(self, have: int, more: int) -> None:
        self._room.require_download(have + more, self._what)
        self._room.require_for_image(more, self._what)

    def _copy(self, source: Path, part: Path) -> str:
        """Copy a file of this host, so that what was checked is what is used, whatever happens to the file."""
        try:
            size = copies.allocated(source)
        except OSError as error:
            raise Permanent(f"{self._what}: `{source}` cannot be read: {error.strerror}") from error
        if not source.is_file():
            raise Permanent(f"{self._what}: `{source}` is not a plain file")
        apparent = source.stat().st_size
        self._room.require_unpacked(apparent, apparent, self._what)
        part.unlink(missing_ok=True)
        self._room.require_for_image(size, self._what)
        with source.open("rb", buffering=0) as reading:
            writing = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                shared = copies.share_blocks(reading.fileno(), writing)
                return self._hash(reading, None if shared else SparseWriter(writing))
            finally:
                os.close(writing)

    def _hash(self, reading: io.FileIO, writer: SparseWriter | None) -> str:
        """Return the checksum of an open file, writing it on the way where its blocks are not shared already."""
        state, done, total = hashlib.sha256(), 0, max(1, os.fstat(reading.fileno()).st_size)
        while data := reading.read(_READ):
            self._refuse_cancelled()
            state.update(data)
            if writer is not None:
                writer.write(data)
            done += len(data)
            self._order.told(f"reading, {show_size(done)} of {show_size(total)}", done / total)
        if writer is not None:
            writer.finish()
        return state.hexdigest()

    def _tell_download(self, done: int, total: int | None) -> None:
        if total:
            self._order.told(f"downloading, {show_size(done)} of {show_size(total)}", done / total)
        else:
            self._order.told(f"downloading, {show_size(done)} so far", None)

    # Making a content of it.

    def _unpack(self, part: Path, draft: Path, sha256: str, key: str) -> tuple[Path, Entry]:
        try:
            return self._make_content(part, draft, sha256, key)
        except Permanent as error:
            # The same bytes would be refused again, so they are worth nothing.
            self._store.forget_download(self._name)
            raise Permanent(f"{self._what}: {error}") from error

    def _make_content(self, part: Path, draft: Path, sha256: str, key: str) -> tuple[Path, Entry]:
        """Return where the raw content lies, and its entry."""
        how = self._body["decompress"]
        plain = part if how == "none" else draft.with_name(f"{draft.name}.plain.new")
        try:
            if plain is not part:
                self._decompress(part, plain, how)
            form = formats.judge(plain, self._body["format"])
            size = formats.virtual_size(plain, form)
            # A qcow2 of nothing has a few hundred KiB and any size it likes, which costs only those who read all of it.
            self._room.require_unpacked(size, size, self._what)
            self._refuse_cancelled()
            if form == "raw" and plain is part and size == part.stat().st_size:
                # The download is the content: a crash before it has its new name still finds it under the old one.
                made, fingerprint = part, ""
            else:
                made, fingerprint = draft, self._make_draft(plain, draft, form, size)
            _sync(made)
        finally:
            if plain is not part:
                plain.unlink(missing_ok=True)
        return made, content_store.make_entry(key, sha256, self._body, form=form, size=size, fingerprint=fingerprint)

    def _make_draft(self, plain: Path, draft: Path, form: str, size: int) -> str:
        if form == "raw":
            plain.rename(draft)
            os.truncate(draft, size)
        else:
            self._room.require_for_image(formats.needed(plain, form), self._what)
            self._order.told(f"converting from {form}", None)
            formats.convert(plain, form, draft, size=size)
        self._order.told("checking", None)
        return blocks.fingerprint_of(draft, self._order.cancelled)

    def _decompress(self, part: Path, plain: Path, how: str) -> None:
        packed = part.stat().st_size
        descriptor = os.open(plain, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            writer = SparseWriter(descriptor)
            asked = 0
            for data in foreign_programs.unpack(part, how, self._room.unpack_memory):
                self._refuse_cancelled()
                self._room.require_unpacked(writer.position + len(data), packed, self._what)
                if writer.position >= asked:
                    # Asked now and then, because a small file may unpack to more than any disk holds.
                    self._room.require_for_image(len(data), self._what)
                    asked = writer.position + 64 * _READ
                    self._order.told(f"unpacking, {show_size(writer.position)} so far, from {show_size(packed)}", None)
                writer.write(data)
            writer.finish()
        finally:
            os.close(descriptor)

    def _refuse_cancelled(self) -> None:
        if self._order.cancelled():
            raise Temporary(f"{self._what}: cancelled; what has arrived is kept for the next try")


def local_path(source: str) -> Path:
    """Return the path that a `file:` address or a plain path means."""
    return Path(unquote(urlsplit(source).path)) if source.startswith("file:") else Path(source)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
