"""What is there of an image: its stored content and the files that VMs boot from, and whether they are what they were."""

from collections.abc import Mapping
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.providers.images import file_stamps, image_folders, marks
from herocloud.providers.images.content_store import Store
from herocloud.providers.images.file_stamps import Stamps
from herocloud.providers.images.marks import Mark

BOOTED = ("kernel", "initramfs")
"""What a VM boots from a file of the host, which lies where its owner put it."""


def body_of(store: Store, mark: Mark, stamps: Stamps) -> Part:
    """Return the part of an image as it is: one whose content is gone is not an image any more, and one that changed says so."""
    key, body = mark.more.get("key"), mark.body
    if key is not None and not store.content(str(key)).exists():
        return None
    known = mark.more.get("stamps") or {}
    if body is None or not known or mark.half is not None:
        return body
    places = {"content": store.content(str(key)), **{field: Path(body[field] or "") for field in BOOTED}}
    found = {f"{field}_file" if field in BOOTED else field: stamps.judge(places[field], file_stamps.read(known[field])) for field in known}
    return {**body, **{field: word for field, word in found.items() if word}}


def looked_at(store: Store, body: Part, key: str | None) -> dict[str, Json]:
    """Return what a mark remembers of everything that an image is: stamps, and what VMs are to boot, by its digest."""
    stamps = {field: file_stamps.stamp(Path(body[field])) for field in BOOTED if body[field]}
    boots = {field: file_stamps.whole(Path(body[field]), stamped) for field, stamped in stamps.items()}
    return {"stamps": stamps if key is None else {**stamps, "content": file_stamps.stamp(store.content(key))}, "boots": boots}


def boots_of(folder: Path, stack: str, payload: Mapping[str, Json]) -> dict[str, str]:
    """Return the digests of what a VM of a stack boots, as its image was looked at last; nothing where no image says so."""
    known = [
        mark
        for _, mark in marks.read_all([folder / image_folders.NAMES / stack])
        if mark is not None and mark.body is not None and all(mark.body[field] == payload.get(field) for field in BOOTED)
    ]
    return dict(max(known, key=lambda mark: mark.serial).more.get("boots") or {}) if known else {}
