"""Deleted data is kept: it is listed with what it takes, comes back by undoing its deletion, and goes when somebody drops it."""

import json

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.images import tombstones
from herocloud.providers.seam import Found


def delete(bench, path="volumes/shop/data.raw", **more):
    """Write something precious to a volume and delete it; returns the step."""
    with (bench.folder / path).open("r+b") as stream:
        stream.write(b"precious" * 1000)
    step = ("volume.delete", "volume.data", "volume", bench.part("volume.data", "volume"), None)
    bench.perform(*step, **more)
    return step


def test_deleted_data_is_listed_with_what_it_takes(bench, monkeypatch) -> None:
    bench.volume()
    monkeypatch.setattr(tombstones, "now", lambda: 1234.5)
    delete(bench)
    (stone,) = bench.driver.tombstones()
    assert (stone.stack, stone.address, stone.deleted) == ("shop", "volume.data", 1234.5)
    # Of a volume of four MiB only what was written takes room.
    assert 8000 <= stone.bytes <= 16384
    assert bench.look().tombstones == stone.bytes
    assert bench.thing("volume.data") is None


def test_deleted_data_comes_back_as_it_was(bench) -> None:
    before = bench.volume()
    step = delete(bench)
    bench.undo(*step)
    assert bench.part("volume.data", "volume") == before
    assert (bench.folder / before["path"]).read_bytes().startswith(b"precious" * 1000)
    assert bench.driver.tombstones() == []
    assert bench.probe(*step).found is Found.NOT_STARTED


def test_the_youngest_of_several_comes_back(bench) -> None:
    first = bench.volume()
    delete(bench)
    bench.volume()
    with (bench.folder / first["path"]).open("r+b") as stream:
        stream.write(b"younger")
    step = ("volume.delete", "volume.data", "volume", first, None)
    bench.perform(*step)
    bench.undo(*step)
    assert (bench.folder / first["path"]).read_bytes().startswith(b"younger")
    assert len(bench.driver.tombstones()) == 1


def test_a_size_that_drifted_is_no_reason_to_leave_data_buried(bench, shapes) -> None:
    before = bench.volume()
    step = delete(bench)
    bench.undo(*step[:3], {**before, "size": 77 * shapes.MIB}, None)
    assert bench.part("volume.data", "volume") == before


def test_purged_data_is_gone_at_once_and_cannot_come_back(bench) -> None:
    bench.volume()
    step = delete(bench, purge=True)
    assert bench.driver.tombstones() == []
    assert bench.files() == []
    with pytest.raises(Permanent, match="was purged, so its deletion cannot be undone"):
        bench.undo(*step)


def test_a_dropped_tombstone_frees_its_room(bench) -> None:
    bench.volume()
    delete(bench)
    (stone,) = bench.driver.tombstones()
    assert bench.driver.drop_tombstone(stone.key)
    assert not bench.driver.drop_tombstone(stone.key)
    assert bench.files() == []
    assert bench.look().tombstones == 0


@pytest.mark.parametrize("key", ["", ".", "..", "../volumes", "a/b"])
def test_a_key_that_leads_elsewhere_is_refused(bench, key) -> None:
    with pytest.raises(Permanent, match="is not a key of a tombstone"):
        bench.driver.drop_tombstone(key)


def test_a_deleted_machine_leaves_nothing_but_its_tombstone(bench, raw, shapes) -> None:
    after = bench.disk(bench.image(raw))
    bench.perform("seed.write", "vm.web", "seed", None, shapes.SEED, spec=shapes.spec())
    bench.perform("seed.delete", "vm.web", "seed", shapes.SEED, None)
    bench.perform("disk.delete", "vm.web", "disk", after, None)
    assert not (bench.folder / "vms/v1").exists()
    assert len(bench.driver.tombstones()) == 1


def test_a_disk_that_replaces_another_leaves_the_first_in_its_tombstone(bench, raw, shapes) -> None:
    body = bench.image(raw)
    before = bench.disk(body)
    with (bench.folder / before["path"]).open("r+b") as stream:
        stream.write(b"of the first")
    deleted = ("disk.delete", "vm.web", "disk", before, None)
    bench.perform(*deleted)
    created = ("disk.create", "vm.web", "disk", None, {**before, "size": 9 * shapes.MIB})
    bench.perform(*created)
    bench.undo(*created)
    bench.undo(*deleted)
    assert (bench.folder / before["path"]).read_bytes().startswith(b"of the first")
    assert bench.part("vm.web", "disk") == before


def test_data_on_another_file_system_is_not_half_buried(bench, monkeypatch) -> None:
    import errno
    from pathlib import Path

    before = bench.volume()

    def refuse(self, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda self, target: refuse(self, target) if self.suffix == ".raw" else self.replace(target))
        with pytest.raises(Permanent, match="another file system than the data folder"):
            delete(bench)
    step = ("volume.delete", "volume.data", "volume", before, None)
    bench.undo(*step)
    assert bench.part("volume.data", "volume") == before
    assert bench.driver.tombstones() == []


@pytest.mark.parametrize("other", [{"plan": "p2"}, {"apply": "apply-2"}], ids=["another plan", "another run of the plan"])
def test_what_another_step_deleted_never_comes_back_instead(bench, other) -> None:
    first = bench.volume()
    delete(bench, apply="apply-1")
    bench.volume()
    step = ("volume.delete", "volume.data", "volume", first, None)
    bench.perform(*step, purge=True, **{"apply": "apply-1", **other})
    with pytest.raises(Permanent, match="was purged, so its deletion cannot be undone"):
        bench.undo(*step, **{"apply": "apply-1", **other})
    bench.undo(*step, apply="apply-1")
    assert (bench.folder / first["path"]).read_bytes().startswith(b"precious")


def test_deleted_data_of_before_makers_were_written_down_comes_back(bench) -> None:
    before = bench.volume()
    step = delete(bench)
    (note,) = bench.folder.glob("tombstones/*/note.json")
    said = json.loads(note.read_bytes())
    del said["by"]
    note.write_text(json.dumps(said))
    bench.undo(*step, plan="p2", apply="apply-2")
    assert (bench.folder / before["path"]).read_bytes().startswith(b"precious")


def test_a_deletion_that_another_apply_completes_is_taken_back_by_that_one(bench, monkeypatch) -> None:
    before = bench.volume()
    step = ("volume.delete", "volume.data", "volume", before, None)

    def fail(*_all: object) -> None:
        raise OSError("out of order")

    with monkeypatch.context() as patch:
        patch.setattr(tombstones, "bury", fail)
        with pytest.raises((OSError, Permanent)):
            bench.perform(*step, apply="apply-1")
    bench.perform(*step, apply="apply-2", plan="p2")
    (stone,) = bench.driver.tombstones()
    assert stone.by == ("p2", "volume.data/volume.delete", "apply-2")
    bench.undo(*step, apply="apply-2", plan="p2")
    assert bench.part("volume.data", "volume") == before
