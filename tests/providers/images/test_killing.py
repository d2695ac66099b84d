"""A process that is killed at any named point leaves what a probe understands, and performing again or undoing heals.

Each step is played by a child that dies at the point. What this process then makes of it is compared with what a step that nobody disturbed
makes, file by file: nothing may be missing, and nothing may be left over.
"""

import re
from typing import Any, NamedTuple

import pytest

from herocloud.model.errors import Permanent
from herocloud.model.steps import DISCARDS, beside
from herocloud.providers.images import driving
from herocloud.providers.seam import Found


class Case(NamedTuple):
    """A step, and what has to be there before it."""

    kind: str
    halves: int
    """How often `half` is reached."""
    undo_halves: int
    prepare: Any
    """Takes bench and image; returns the rest of the step and what goes to the work around it."""


def _fetch(bench, raw, shapes):
    return ("image.debian", "image", None, shapes.image(str(raw))), {}


def _fetch_other(bench, raw, shapes):
    before = bench.image(raw)
    other = raw.with_name("other.raw")
    other.write_bytes(shapes.content(seed=9))
    return ("image.debian", "image", before, shapes.image(str(other))), {}


def _forget(bench, raw, shapes):
    return ("image.debian", "image", bench.image(raw), None), {}


def _create(bench, raw, shapes):
    return ("vm.web", "disk", None, shapes.disk(bench.image(raw))), {}


def _grow(bench, raw, shapes):
    before = bench.disk(bench.image(raw))
    return ("vm.web", "disk", before, {**before, "size": 2 * before["size"]}), {}


def _delete(bench, raw, shapes):
    return ("vm.web", "disk", bench.disk(bench.image(raw)), None), {}


def _purge(bench, raw, shapes):
    step, _ = _delete(bench, raw, shapes)
    return step, {"purge": True}


def _create_volume(bench, raw, shapes):
    return ("volume.data", "volume", None, {"size": 4 * shapes.MIB, "path": "volumes/shop/data.raw"}), {}


def _grow_volume(bench, raw, shapes):
    before = bench.volume()
    return ("volume.data", "volume", before, {**before, "size": 2 * before["size"]}), {}


def _delete_volume(bench, raw, shapes):
    before = bench.volume()
    with (bench.folder / before["path"]).open("r+b") as stream:
        stream.write(b"precious")
    return ("volume.data", "volume", before, None), {}


def _purge_volume(bench, raw, shapes):
    return _delete_volume(bench, raw, shapes)[0], {"purge": True}


def _move_volume(bench, raw, shapes):
    bench.volume()
    return ("volume.rest", "mark", {"address": "volume.data"}, {"address": "volume.rest"}), {}


def _write_seed(bench, raw, shapes):
    return ("vm.web", "seed", None, shapes.SEED), {"spec": shapes.spec()}


def _rewrite_seed(bench, raw, shapes):
    bench.perform("seed.write", "vm.web", "seed", None, shapes.SEED, spec=shapes.spec())
    after = {**shapes.SEED, "instance": "v1-00000002", "digest": "2"}
    return ("vm.web", "seed", shapes.SEED, after), {"spec": shapes.spec(hostname="other")}


def _delete_seed(bench, raw, shapes):
    bench.perform("seed.write", "vm.web", "seed", None, shapes.SEED, spec=shapes.spec())
    return ("vm.web", "seed", shapes.SEED, None), {"spec": shapes.spec()}


def _origin(disk="disk"):
    where = {"stack": "shop", "address": "vm.web", "snapshot": "one", "disk": disk, "token": "one-1"}
    return {"origin": {**where, "path": f"vms/v1/snapshots/one/{disk}.raw"}}


def _snapshot(bench, raw, shapes):
    """Make a VM's disk and a volume, both with something of their own; returns the part of their snapshot."""
    disk, volume = bench.disk(bench.image(raw)), bench.volume()
    for body, text in ((disk, b"root"), (volume, b"rows")):
        with (bench.folder / body["path"]).open("r+b") as stream:
            stream.write(text)
    named = [("disk", disk), ("volume.data", volume)]
    disks = [
        {"disk": name, "path": body["path"], "size": body["size"], "image": body.get("image"), "source": body.get("source")}
        for name, body in named
    ]
    size = disk["size"] + volume["size"]
    return {"path": "vms/v1/snapshots/one", "created": 1, "power": "stopped", "size": size, "disks": disks, "memory": None,
            "scheduled": False}  # fmt: skip


def _take_snapshot(bench, raw, shapes):
    return ("vm.web", "snapshot.one", None, _snapshot(bench, raw, shapes)), {}


def _delete_snapshot(bench, raw, shapes):
    body = _snapshot(bench, raw, shapes)
    bench.perform("snapshot.create", "vm.web", "snapshot.one", None, body)
    return ("vm.web", "snapshot.one", body, None), {}


def _purge_snapshot(bench, raw, shapes):
    return _delete_snapshot(bench, raw, shapes)[0], {"purge": True}


def _taken(bench, raw, shapes, disk):
    """Take a snapshot, and write to a disk afterwards; returns the part of the disk."""
    body = _snapshot(bench, raw, shapes)
    bench.perform("snapshot.create", "vm.web", "snapshot.one", None, body)
    address, part = ("vm.web", "disk") if disk == "disk" else (disk, "volume")
    there = bench.part(address, part)
    with (bench.folder / there["path"]).open("r+b") as stream:
        stream.write(b"since")
    return address, part, there


def _restore_disk(bench, raw, shapes):
    address, part, there = _taken(bench, raw, shapes, "disk")
    return (address, part, there, there), _origin()


def _restore_volume(bench, raw, shapes):
    address, part, there = _taken(bench, raw, shapes, "volume.data")
    return (address, part, there, there), _origin("volume.data")


def _copy_disk(bench, raw, shapes):
    _, _, there = _taken(bench, raw, shapes, "disk")
    return ("vm.copy", "disk", None, {**there, "path": "vms/v2/root.raw"}), _origin()


def _copy_volume(bench, raw, shapes):
    _, _, there = _taken(bench, raw, shapes, "volume.data")
    return ("volume.copy", "volume", None, {**there, "path": "volumes/shop/copy.raw"}), _origin("volume.data")


def _prepare_disk(bench, raw, shapes):
    return ("vm.web", "disk.new", None, beside(shapes.disk(bench.image(raw)))), {}


def _place_disk(bench, raw, shapes):
    body = shapes.disk(bench.image(raw))
    bench.perform("disk.prepare", "vm.web", "disk.new", None, beside(body))
    return ("vm.web", "disk", None, body), {}


def _discard_disk(bench, raw, shapes):
    body = beside(shapes.disk(bench.image(raw)))
    bench.perform("disk.prepare", "vm.web", "disk.new", None, body)
    return ("vm.web", "disk.new", body, None), {}


def _prepare_seed(bench, raw, shapes):
    return ("vm.web", "seed.new", None, beside(shapes.SEED)), {"spec": shapes.spec()}


def _place_seed(bench, raw, shapes):
    bench.perform("seed.prepare", "vm.web", "seed.new", None, beside(shapes.SEED), spec=shapes.spec())
    return ("vm.web", "seed", None, shapes.SEED), {"spec": shapes.spec()}


def _discard_seed(bench, raw, shapes):
    bench.perform("seed.prepare", "vm.web", "seed.new", None, beside(shapes.SEED), spec=shapes.spec())
    return ("vm.web", "seed.new", beside(shapes.SEED), None), {"spec": shapes.spec()}


def _discard_volume(bench, raw, shapes):
    return ("volume.data", "volume", bench.volume(), None), {}


def _discard_image(bench, raw, shapes):
    return ("image.debian", "image", bench.image(raw), None), {}


CASES = {
    "purge volume": Case("volume.discard", 2, 0, _discard_volume),
    "purge image": Case("image.discard", 1, 0, _discard_image),
    "prepare disk": Case("disk.prepare", 3, 2, _prepare_disk),
    "place disk": Case("disk.place", 2, 2, _place_disk),
    "purge prepared disk": Case("disk.discard", 2, 0, _discard_disk),
    "prepare seed": Case("seed.prepare", 3, 2, _prepare_seed),
    "place seed": Case("seed.place", 3, 4, _place_seed),
    "purge prepared seed": Case("seed.discard", 2, 0, _discard_seed),
    "fetch": Case("image.fetch", 4, 1, _fetch),
    "fetch another": Case("image.fetch", 4, 1, _fetch_other),
    "forget": Case("image.delete", 1, 1, _forget),
    "create": Case("disk.create", 3, 2, _create),
    "grow": Case("disk.grow", 2, 1, _grow),
    "delete": Case("disk.delete", 2, 2, _delete),
    "purge": Case("disk.delete", 2, 0, _purge),
    "purge data": Case("volume.delete", 2, 0, _purge_volume),
    "create volume": Case("volume.create", 3, 2, _create_volume),
    "grow volume": Case("volume.grow", 2, 1, _grow_volume),
    "delete volume": Case("volume.delete", 2, 2, _delete_volume),
    "move volume": Case("volume.move", 1, 1, _move_volume),
    "take snapshot": Case("snapshot.create", 3, 3, _take_snapshot),
    "delete snapshot": Case("snapshot.delete", 2, 2, _delete_snapshot),
    "purge snapshot": Case("snapshot.delete", 3, 0, _purge_snapshot),
    "restore disk": Case("disk.restore", 4, 2, _restore_disk),
    "restore volume": Case("volume.restore", 4, 2, _restore_volume),
    "copy disk": Case("disk.copy", 3, 2, _copy_disk),
    "copy volume": Case("volume.copy", 3, 2, _copy_volume),
    "write seed": Case("seed.write", 3, 2, _write_seed),
    "write seed again": Case("seed.write", 3, 2, _rewrite_seed),
    "delete seed": Case("seed.delete", 2, 3, _delete_seed),
}
FORWARD = [
    (name, f"images.{case.kind}.{point}")
    for name, case in CASES.items()
    for point in ("before:1", *(f"half:{number + 1}" for number in range(case.halves)), "after:1")
]
BACKWARD = [
    (name, f"images.undo.{case.kind}.{point}")
    for name, case in CASES.items()
    if case.undo_halves
    for point in ("before:1", *(f"half:{number + 1}" for number in range(case.undo_halves)), "after:1")
]


@pytest.fixture
def stage(tmp_path, raw, shapes):
    """Return a maker of benches on which a case is prepared, each with its step and the work around it."""
    numbers = iter(range(100))

    def prepare(name):
        bench = shapes.Bench(tmp_path / f"data{next(numbers)}")
        step, more = CASES[name].prepare(bench, raw, shapes)
        return bench, (CASES[name].kind, *step), more

    return prepare


@pytest.mark.parametrize(("name", "point"), FORWARD, ids=lambda value: value)
def test_performing_again_completes_what_a_kill_left(stage, shapes, name, point) -> None:
    expected, step, more = stage(name)
    expected.perform(*step, **more)
    bench, step, more = stage(name)
    assert shapes.run_child(bench, "perform", bench.work(*step, **more), point)
    found = bench.probe(*step, **more).found
    wanted = {"before": {Found.NOT_STARTED}, "after": {Found.DONE}}
    halves = (
        {Found.PARTIAL, Found.NOT_STARTED}
        if name == "move volume"
        else {Found.PARTIAL, Found.DONE} - ({Found.DONE} if "half:1" in point else set())
    )
    assert found in wanted.get(point.rpartition(".")[2].partition(":")[0], halves)
    bench.perform(*step, **more)
    assert bench.probe(*step, **more).found is Found.DONE
    assert bench.snapshot() == expected.snapshot()


@pytest.mark.parametrize("point", [f"file.{what}:{number}" for what in ("open", "fsync", "rename") for number in (1, 2, 3)])
@pytest.mark.parametrize("name", ["fetch", "create", "delete", "write seed"])
def test_a_kill_while_a_mark_is_written_leaves_no_draft_behind(stage, shapes, name, point) -> None:
    expected, step, more = stage(name)
    expected.perform(*step, **more)
    bench, step, more = stage(name)
    shapes.run_child(bench, "perform", bench.work(*step, **more), point)
    bench.perform(*step, **more)
    assert bench.snapshot() == expected.snapshot()


@pytest.mark.parametrize(("name", "point"), [one for one in FORWARD if not one[0].startswith("purge")], ids=lambda value: value)
def test_undoing_takes_back_what_a_kill_left(stage, shapes, name, point) -> None:
    untouched, step, more = stage(name)
    bench, step, more = stage(name)
    assert shapes.run_child(bench, "perform", bench.work(*step, **more), point)
    bench.undo(*step, **more)
    assert bench.probe(*step, **more).found is Found.NOT_STARTED
    assert without_contents(bench.snapshot()) == without_contents(untouched.snapshot())


PURGES = [one for one in FORWARD if one[0] in ("purge", "purge data", "purge snapshot") and "half" in one[1]]


@pytest.mark.parametrize(("name", "point"), PURGES, ids=lambda value: value)
def test_a_purge_that_a_kill_cut_off_comes_back_whole_or_says_that_its_data_is_lost(stage, shapes, name, point) -> None:
    untouched, step, more = stage(name)
    bench, step, more = stage(name)
    assert shapes.run_child(bench, "perform", bench.work(*step, **more), point)
    found = bench.probe(*step, **more)
    assert found.found is Found.PARTIAL
    assert found.lost == (not point.endswith("half:1"))
    if found.lost:
        with pytest.raises(Permanent):
            bench.undo(*step, **more)
    else:
        bench.undo(*step, **more)
        assert bench.snapshot() == untouched.snapshot()


@pytest.mark.parametrize(("name", "point"), BACKWARD, ids=lambda value: value)
def test_an_undo_that_is_killed_is_undone_by_the_next(stage, shapes, name, point) -> None:
    untouched, step, more = stage(name)
    bench, step, more = stage(name)
    bench.perform(*step, **more)
    assert shapes.run_child(bench, "undo", bench.work(*step, **more), point)
    bench.undo(*step, **more)
    assert bench.probe(*step, **more).found is Found.NOT_STARTED
    assert without_contents(bench.snapshot()) == without_contents(untouched.snapshot())


_MAKINGS = {"fetch": "image", "create": "disk", "create volume": "volume", "prepare disk": "disk.new", "write seed": "seed"}


@pytest.mark.parametrize("half", [1, 2])
@pytest.mark.parametrize("name", _MAKINGS)
def test_what_a_kill_left_half_made_is_seen_and_discarded_without_a_trace(stage, shapes, name, half) -> None:
    untouched, *_ = stage(name)
    bench, step, more = stage(name)
    kind, address, part, _, body = step
    assert shapes.run_child(bench, "perform", bench.work(*step, **more), f"images.{kind}.half:{half}")
    thing = bench.look().things["shop"][address]
    assert thing.halves == {part: body}
    assert part not in thing.parts
    bench.perform(DISCARDS[part], address, part, body, None)
    assert without_contents(bench.snapshot()) == without_contents(untouched.snapshot())
    assert address not in bench.look().things.get("shop", {})


def without_contents(snapshot):
    """Leave out the contents of images: what was fetched stays for the next time, by whatever it is taken back."""
    names = {name: data for name, data in snapshot["files"].items() if not name.startswith("images/store/")}
    return {**snapshot, "files": names}


def test_every_kind_of_step_is_killed_somewhere() -> None:
    assert {case.kind for case in CASES.values()} == set(driving.PERFORMED)
    struck = {re.sub(r":\d+$", "", point) for _, point in (*FORWARD, *BACKWARD)}
    assert struck == set(driving.FAULT_POINTS)


DELETIONS = [(name, point) for name, point in BACKWARD if name in ("delete", "delete volume", "delete snapshot")]


@pytest.mark.parametrize(("name", "point"), DELETIONS, ids=lambda value: value)
def test_what_was_on_its_way_back_goes_back_into_its_tombstone(stage, shapes, name, point) -> None:
    untouched, step, more = stage(name)
    expected, step, more = stage(name)
    expected.perform(*step, **more)
    bench, step, more = stage(name)
    bench.perform(*step, **more)
    assert shapes.run_child(bench, "undo", bench.work(*step, **more), point)
    bench.perform(*step, **more)
    assert bench.snapshot() == expected.snapshot()
    bench.undo(*step, **more)
    assert bench.snapshot() == untouched.snapshot()
