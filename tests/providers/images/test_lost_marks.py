"""A mark that was removed or damaged concerns its object alone: it is seen, and one step writes it again from the record."""

import json
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Conflict
from herocloud.model.steps import beside
from herocloud.providers.images import image_names, marks, observing
from herocloud.providers.images.content_store import Store
from herocloud.providers.recollections import Memory, RememberedPart
from herocloud.providers.seam import Found


class Records(Memory):
    """A state that knows some parts."""

    def __init__(self, known: dict[tuple[str, str], Any]) -> None:
        self._known = known

    def parts(self) -> Collection[RememberedPart]:
        return [RememberedPart("shop", address, "ours", part, body, ("v1",)) for (address, part), body in self._known.items()]


Act = Callable[[Path], object]


def _instead(make: Act) -> Act:
    def act(place: Path) -> None:
        place.unlink()
        make(place)

    return act


def _changed(field: str, value: Any) -> Act:
    def act(place: Path) -> None:
        body = json.loads(place.read_bytes())
        inner = body
        *outer, last = field.split(".")
        for key in outer:
            inner = inner[key]
        inner[last] = value
        place.write_text(json.dumps(body))

    return act


DAMAGE: dict[str, Act] = {
    "removed": Path.unlink,
    "a letter": lambda place: place.write_text("x"),
    "empty": lambda place: place.write_bytes(b""),
    "cut off": lambda place: place.write_bytes(place.read_bytes()[:-5]),
    "two in one": lambda place: place.write_bytes(place.read_bytes() + b"," + place.read_bytes()),
    "a list": lambda place: place.write_text("[]"),
    "nothing": lambda place: place.write_text("null"),
    "a number for a stack": _changed("stack", 1),
    "a text for what more there is": _changed("more", "x"),
    "another file in words": _changed("more.file", "x"),
    "a list for the part": _changed("body", []),
    "a part without fields": _changed("body", {"path": 1}),
    "a folder": _instead(Path.mkdir),
    "a pipe": _instead(os.mkfifo),
    "a link to a device without end": _instead(lambda place: place.symlink_to("/dev/zero")),
    "a link to nothing": _instead(lambda place: place.symlink_to("nowhere")),
}
KINDS = {
    ("vm.web", "disk"): "disk.grow",
    ("vm.web", "seed"): "seed.write",
    ("volume.data", "volume"): "volume.grow",
    ("image.debian", "image"): "image.fetch",
}


@pytest.fixture
def known(bench, raw, shapes) -> dict[tuple[str, str], Any]:
    """Make one of everything, and return what a state knows of it."""
    body = bench.image(raw)
    disk = bench.disk(body)
    bench.perform("seed.write", "vm.web", "seed", None, shapes.SEED, spec=shapes.spec())
    return dict(zip(KINDS, (disk, shapes.SEED, bench.volume(), body), strict=True))


def look(bench, known: dict[tuple[str, str], Any]) -> dict[tuple[str, str], Any]:
    things = observing.ImagesObserver(bench.folder, Records(known)).observe(None).things["shop"]
    return {(address, name): part for address, thing in things.items() for name, part in thing.parts.items()}


def place_of(bench, what: tuple[str, str], part: Any) -> Path:
    return marks.mark_of(bench.folder / part.get("path", f"images/names/shop/{what[0].removeprefix('image.')}"))


@pytest.mark.parametrize("what", KINDS, ids=lambda what: what[1])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_lost_mark_is_seen_as_that_and_written_again_by_one_step(bench, shapes, known, what, damage) -> None:
    place = place_of(bench, what, known[what])
    content = place.read_text()
    DAMAGE[damage](place)
    seen = look(bench, known)
    assert seen == {**known, what: {**known[what], "mark": "gone" if damage == "removed" else f"unreadable, {place}"}}
    step = (KINDS[what], what[0], what[1], seen[what], known[what])
    assert bench.probe(*step).found is Found.NOT_STARTED
    bench.perform(*step, spec=shapes.spec())
    assert bench.probe(*step).found is Found.DONE
    assert look(bench, known) == known
    left_out = ("file", "stamp")
    assert _without(json.loads(place.read_bytes()), left_out) == _without(json.loads(content), left_out)


def _without(mark: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {**mark, "more": {key: value for key, value in mark["more"].items() if key not in fields}}


def test_a_seed_with_a_lost_mark_is_written_again_where_it_lies(bench, shapes, known) -> None:
    path = bench.folder / shapes.SEED["path"]
    whole, inode = path.read_bytes(), path.stat().st_ino
    path.write_bytes(whole.replace(b"local-hostname", b"evil-hostnames"))
    place_of(bench, ("vm.web", "seed"), shapes.SEED).unlink()
    seen = look(bench, known)["vm.web", "seed"]
    bench.perform("seed.write", "vm.web", "seed", seen, shapes.SEED, spec=shapes.spec())
    assert (b"evil-hostnames" in path.read_bytes(), path.stat().st_ino) == (False, inode)


def test_what_has_no_name_any_more_is_not_gone_though_its_mark_is_lost_too(bench, known) -> None:
    what = ("volume.data", "volume")
    path = bench.folder / known[what]["path"]
    with path.open("r+b") as guest:
        marks.mark_of(path).unlink()
        path.unlink()
        opened = f"/proc/{os.getpid()}/fd/{guest.fileno()}"
        assert look(bench, known)[what] == {**known[what], "file": f"removed, and still open as {opened}", "mark": "gone"}
        path.write_bytes(bytes(known[what]["size"]))
        seen = look(bench, known)[what]
        assert seen == {**known[what], "file": f"replaced, and the old one is still open as {opened}", "mark": "gone"}
        with pytest.raises(Conflict):
            bench.perform("volume.grow", "volume.data", "volume", {**known[what], "mark": "gone"}, known[what])
    assert not marks.mark_of(path).exists()


def test_a_disk_with_a_lost_mark_is_deleted_into_a_tombstone(bench, known) -> None:
    what = ("vm.web", "disk")
    marks.mark_of(bench.folder / known[what]["path"]).write_text("x")
    bench.perform("disk.delete", "vm.web", "disk", look(bench, known)[what], None)
    assert what not in look(bench, known)
    assert [tombstone.address for tombstone in bench.driver.tombstones()] == ["vm.web"]


def test_nobody_who_knows_of_it_means_that_it_is_not_ours_and_everything_else_is_seen(bench, known) -> None:
    what = ("vm.web", "disk")
    path = bench.folder / known[what]["path"]
    marks.mark_of(path).write_text("x")
    content = path.read_bytes()
    assert look(bench, {}) == {key: part for key, part in known.items() if key != what}
    with pytest.raises(
        Conflict, match=r"has a mark that cannot be read, `.*root\.raw\.mark`, so nobody can tell whose it is; move both away"
    ):
        bench.perform("disk.create", "vm.web", "disk", None, known[what])
    assert path.read_bytes() == content


@pytest.mark.parametrize("part", ["disk", "seed"])
def test_what_cannot_get_its_place_is_not_made_beside_it_either(bench, shapes, known, part) -> None:
    """Its VM would be stopped first, for a step that fails."""
    body = known["vm.web", part]
    marks.mark_of(bench.folder / body["path"]).unlink()
    with pytest.raises(Conflict, match=rf"the place of the {part} of `vm\.web` is taken: .* has no mark"):
        bench.perform(f"{part}.prepare", "vm.web", f"{part}.new", None, beside(body), spec=shapes.spec())
    assert not (bench.folder / beside(body)["path"]).exists()


def test_no_content_is_removed_while_nobody_knows_what_a_mark_points_at(bench, known) -> None:
    store = Store(bench.folder)
    key = next(store.entries()).key
    place = place_of(bench, ("image.debian", "image"), known["image.debian", "image"])
    place.write_text("x")
    assert image_names.remove_unused(bench.folder, store, key) == 0
    assert store.content(key).exists()
    place.unlink()
    assert image_names.remove_unused(bench.folder, store, key) > 0
