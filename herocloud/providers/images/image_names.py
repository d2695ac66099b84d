"""Images by name: what a stack calls an image, and which content of the store that is.

An image of a stack is a mark that points at a content. Deleting the image takes the mark away and leaves the content, so that undoing it,
or applying the stack again, needs no second download; pruning removes contents that no mark points at.
"""

import contextlib
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Permanent
from herocloud.providers.images import content_store, image_folders, image_states, intake, marks
from herocloud.providers.images.content_store import Entry, Store
from herocloud.providers.images.downloads import Patience
from herocloud.providers.images.file_stamps import Stamps
from herocloud.providers.images.intake import Order
from herocloud.providers.images.marks import Mark
from herocloud.providers.images.part_states import mark_for
from herocloud.providers.images.space import Room
from herocloud.providers.parts import Half, Seen, same
from herocloud.providers.seam import Work

_FETCHING, _REMOVING = "downloading", "being removed"


class Images:
    """The images of the stacks of one data folder."""

    def __init__(self, folder: Path, store: Store, room: Room, patience: Patience) -> None:
        """Fetch into `store` with this patience."""
        self._folder, self._store, self._room, self._patience = folder, store, room, patience

    def look(self, work: Work) -> Seen:
        """Say what is there."""
        return look(self._folder, self._store, work)

    def make(self, work: Work, half: Half) -> None:
        """Fetch the content, and point at it."""
        self._bring(work, work.step.after, None, half)

    def change(self, work: Work, before: Part, half: Half) -> None:
        """Fetch the new content; until it is there the name means the old one."""
        self._bring(work, work.step.after, before, half)

    def _bring(self, work: Work, body: Part, before: Part, half: Half) -> None:
        path = self._path(work)
        known = marks.read(path)
        # Until the new content is there, the name goes on pointing at the old one.
        kept = {} if before is None or known is None else dict(known.more)
        marks.write(path, mark_for(work, before, half=_FETCHING, **kept)._replace(goal=body))
        half()
        pointer: dict[str, Json] = {}
        if (before or {}).get("content") and kept.get("key"):
            self._drop_changed(str(kept["key"]), work)
        if body["source"] is not None:
            entry = intake.fetch(self._store, self._room, self._order(work, body, half))
            pointer = _pointer(entry)
        for field in image_states.BOOTED:
            _require_file(work, body, field)
        half()
        if kept.get("key"):
            pointer["before"] = kept["key"]
        marks.write(path, mark_for(work, body, **pointer, **image_states.looked_at(self._store, body, pointer.get("key"))))

    def _drop_changed(self, key: str, work: Work) -> None:
        """Remove a content that is not what was stored, so that it is fetched again; one that only looks so stays."""
        entry = self._store.find(key)
        if entry is None:
            return
        with self._store.lock(key.partition("-")[0], cancelled=work.cancelled):
            work.progress("reading the stored image again", None)
            if content_store.what_is_wrong(self._store.content(key), entry, work.cancelled):
                self._store.remove(key)

    def write_mark_again(self, work: Work, half: Half) -> None:
        """Find the content again that an image points at whose mark is lost."""
        self._point_back(work, half)

    def _point_back(self, work: Work, half: Half) -> None:
        """Point at what the image was before; it is fetched again only when somebody has pruned it."""
        path, body = self._path(work), work.step.before
        known = marks.read(path)
        entry = None if body["source"] is None else self._kept(body, known)
        if body["source"] is not None and entry is None:
            self._bring(work, body, None, half)
            return
        half()
        pointer = {} if entry is None else _pointer(entry)
        marks.write(path, mark_for(work, body, **pointer, **image_states.looked_at(self._store, body, pointer.get("key"))))

    def _kept(self, body: Part, known: Mark | None) -> Entry | None:
        keys = (
            [] if known is None or body["sha256"] else [known.more.get("before"), known.more.get("key") if same(known.body, body) else None]
        )
        for key in keys:
            entry = self._store.find(str(key)) if key else None
            if entry is not None and entry.source == body["source"]:
                return entry
        return self._store.find_for(body)

    def _order(self, work: Work, body: Part, half: Half) -> Order:
        name = work.step.address.removeprefix("image.")
        return Order(body, name, cancelled=work.cancelled, told=work.progress, reached=half, patience=self._patience)

    def drop(self, work: Work, half: Half) -> None:
        """Forget the name. The content stays for other users of it, or for the next time; a purge takes it when nobody does."""
        path = self._path(work)
        mark = marks.read(path)
        if mark is None:
            return
        if mark.body is None and mark.goal is not None:
            self._stop_fetching(mark.goal)
        marks.write(path, mark._replace(half=_REMOVING, goal=None))
        half()
        self._forget(path)
        if work.purge and mark.more.get("key"):
            remove_unused(self._folder, self._store, str(mark.more["key"]))

    def unmake(self, work: Work, half: Half) -> None:
        """Forget the name and the download that it was waiting for."""
        half()
        self._stop_fetching(work.step.after)
        self._forget(self._path(work))

    def _stop_fetching(self, body: Part) -> None:
        """Throw away what an unfinished download has left, unless somebody else is at it."""
        if body["source"] is None:
            return
        name = content_store.download_name(body)
        with self._store.try_lock(name) as got:
            if got:
                self._store.forget_download(name)
        self._store.tidy()

    def unchange(self, work: Work, half: Half) -> None:
        """Point at the content of before again."""
        self._stop_fetching(work.step.after)
        self._point_back(work, half)

    def restore(self, work: Work, half: Half) -> None:
        """Give the image its name back."""
        self._point_back(work, half)

    def _forget(self, path: Path) -> None:
        marks.remove(path)
        # The last image of a stack takes the folder along; any other finds it in use.
        with contextlib.suppress(OSError):
            path.parent.rmdir()

    def sweep(self, work: Work) -> None:
        """Remove the draft of a mark."""
        path = self._path(work)
        image_folders.draft_of(marks.mark_of(path)).unlink(missing_ok=True)
        if marks.read(path) is None:
            self._forget(path)

    def _path(self, work: Work) -> Path:
        return image_folders.name_path(self._folder, work.stack, work.step.address)


def look(folder: Path, store: Store, work: Work) -> Seen:
    """Look at an image of a stack."""
    path = image_folders.name_path(folder, work.stack, work.step.address)
    mark = marks.read(path)
    litter = image_folders.draft_of(marks.mark_of(path)).exists()
    return (
        Seen(image_states.body_of(store, mark, Stamps(folder)), mark.lineage, mark.half, litter=litter)
        if mark is not None
        else Seen(None, litter=litter)
    )


def find_content(folder: Path, store: Store, stack: str, name: str, identity: str) -> Entry | None:
    """Return the content that a disk is made from: what the stack's image points at, else anything with this checksum or source."""
    mark = marks.read(image_folders.name_path(folder, stack, name))
    if mark is not None and mark.body is not None and (mark.body["sha256"] or mark.body["source"]) == identity and mark.more.get("key"):
        entry = store.find(str(mark.more["key"]))
        if entry is not None:
            return entry
    fitting = [entry for entry in store.entries() if identity in (entry.sha256, entry.source)]
    return max(fitting, key=lambda entry: entry.fetched, default=None)


def used_keys(folder: Path) -> dict[str, list[str]]:
    """Say which stack's images point at each content, as `image.debian of stack shop`."""
    used: dict[str, list[str]] = {}
    names = folder / image_folders.NAMES
    for stack in sorted(names.iterdir()) if names.is_dir() else ():
        for _, mark in marks.read_all([stack]):
            if mark is None:
                continue
            for key in _keys_of(mark):
                used.setdefault(key, []).append(f"{mark.address} of stack {mark.stack}")
    return used


def _keys_of(mark: Mark) -> set[str]:
    """Return what a mark points at, and what it will point at once the work that has begun is done."""
    keys = {str(mark.more["key"])} if mark.more.get("key") else set()
    if mark.goal is not None and mark.goal["sha256"]:
        keys.add(content_store.content_key(mark.goal["sha256"], mark.goal))
    return keys


def remove_unused(folder: Path, store: Store, key: str) -> int:
    """Remove a content unless something points at it or is making it; returns the bytes that came free.

    Nobody knows what a mark points at that cannot be read, so while there is one everything stays.
    """
    names = folder / image_folders.NAMES
    with store.try_lock(key.partition("-")[0]) as got:
        known = marks.read_all(sorted(names.iterdir()) if names.is_dir() else ())
        if not got or any(mark is None or key in _keys_of(mark) for _, mark in known):
            return 0
        return store.remove(key)


def _pointer(entry: Entry) -> dict[str, Json]:
    return {"key": entry.key, "size": entry.size}


def _require_file(work: Work, body: Part, field: str) -> None:
    path = body[field]
    if path is not None and not Path(path).is_file():
        raise Permanent(f"`{work.step.address}`: the {field} `{path}` does not exist or is not a plain file")
