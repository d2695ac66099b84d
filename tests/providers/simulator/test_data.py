"""Data survives what it should survive, and its loss is always a tombstone first."""

from typing import Any

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.simulator import world


def test_data_survives_growing_attaching_and_a_new_machine(bench: Any, shapes: Any) -> None:
    bench.volume()
    parts = bench.vm(volumes=[{"volume": "data", "readonly": False}])
    disk, volume = world.contents(bench.folder, "vm.web"), world.contents(bench.folder, "volume.data")
    bench.change("vm.grow", "vm.web", "disk", size=2 * parts["disk"]["size"])
    bench.change("volume.grow", "volume.data", "volume", size=40 * shapes.GIB)
    bench.change("vm.detach", "vm.web", "machine", volumes=[])
    bench.power("vm.stop", "vm.web", "stopped")
    bench.perform("vm.delete", "vm.web", "machine", bench.part("vm.web", "machine"), None)
    assert world.contents(bench.folder, "vm.web") == disk
    assert world.contents(bench.folder, "volume.data") == volume


def test_two_disks_never_hold_the_same_data(bench: Any) -> None:
    bench.vm("vm.a")
    bench.vm("vm.b")
    assert world.contents(bench.folder, "vm.a") != world.contents(bench.folder, "vm.b")


def test_neither_a_volume_nor_a_root_disk_shrinks(bench: Any, shapes: Any) -> None:
    bench.volume()
    parts = bench.vm(boot=False)
    for kind, address, part in (("volume.grow", "volume.data", "volume"), ("disk.grow", "vm.web", "disk")):
        with pytest.raises(Permanent, match="would destroy data"):
            bench.change(kind, address, part, size=5 * shapes.GIB)
    assert bench.part("volume.data", "volume") == shapes.volume()
    assert bench.part("vm.web", "disk") == parts["disk"]


def test_a_disk_smaller_than_its_image_is_refused(bench: Any, shapes: Any) -> None:
    bench.image()
    with pytest.raises(Permanent, match="does not fit on a disk of 1024"):
        bench.perform("disk.create", "vm.web", "disk", None, {**shapes.vm_parts(1)["disk"], "size": 1024})


def test_a_deleted_volume_lies_in_a_tombstone_and_comes_back_with_its_data(bench: Any, shapes: Any) -> None:
    bench.volume()
    before = bench.snapshot()
    step = ("volume.delete", "volume.data", "volume", shapes.volume(), None)
    bench.perform(*step)
    [tombstone] = bench.driver.tombstones()
    assert (tombstone.address, tombstone.stack, tombstone.bytes) == ("volume.data", "shop", 20 * shapes.GIB)
    assert bench.thing("volume.data") is None
    bench.undo(*step)
    assert bench.snapshot() == before
    assert bench.driver.tombstones() == []


def test_a_new_disk_at_the_same_place_has_new_data_and_the_old_comes_back_after_it(bench: Any, shapes: Any) -> None:
    bench.volume()
    old = world.contents(bench.folder, "volume.data")
    delete = ("volume.delete", "volume.data", "volume", shapes.volume(), None)
    create = ("volume.create", "volume.data", "volume", None, shapes.volume())
    bench.perform(*delete)
    bench.perform(*create)
    assert world.contents(bench.folder, "volume.data") != old
    bench.undo(*create)
    bench.undo(*delete)
    assert world.contents(bench.folder, "volume.data") == old


def test_purged_data_is_gone_for_good(bench: Any, shapes: Any) -> None:
    bench.volume()
    step = ("volume.delete", "volume.data", "volume", shapes.volume(), None)
    bench.perform(*step, purge=True)
    assert bench.driver.tombstones() == []
    with pytest.raises(Permanent, match="was purged, so its deletion cannot be undone"):
        bench.undo(*step)
    assert bench.thing("volume.data") is None


def test_dropping_a_tombstone_twice_says_that_there_was_nothing(bench: Any, shapes: Any) -> None:
    bench.volume()
    bench.perform("volume.delete", "volume.data", "volume", shapes.volume(), None)
    [tombstone] = bench.driver.tombstones()
    assert bench.driver.drop_tombstone(tombstone.key) is True
    assert bench.driver.drop_tombstone(tombstone.key) is False


def test_what_an_undone_creation_made_leaves_no_tombstone(bench: Any, shapes: Any) -> None:
    step = ("volume.create", "volume.data", "volume", None, shapes.volume())
    bench.perform(*step)
    bench.undo(*step)
    assert bench.driver.tombstones() == []
    assert bench.snapshot().totals["disk"] == 0


def test_undo_never_takes_away_what_somebody_else_made(bench: Any, shapes: Any) -> None:
    bench.volume("data", 30 * shapes.GIB)
    with pytest.raises(Conflict, match="neither as before nor as after"):
        bench.undo("volume.create", "volume.data", "volume", None, shapes.volume())
    assert bench.part("volume.data", "volume")["size"] == 30 * shapes.GIB
