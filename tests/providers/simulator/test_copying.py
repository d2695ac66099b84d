"""A rehearsal works on a copy, and the original never knows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from herocloud.model.hosts import Host
from herocloud.providers.simulator import observing, world


def test_a_copy_is_the_same_world_with_a_life_of_its_own(bench: Any, make_bench: Callable[..., Any], tmp_path: Path, shapes: Any) -> None:
    bench.volume()
    bench.perform("volume.delete", "volume.data", "volume", shapes.volume(), None)
    bench.vm()
    before = bench.snapshot()
    assert world.copy_world(bench.folder, tmp_path / "copy") is True
    copy = make_bench(tmp_path / "copy")
    assert copy.snapshot() == before
    copy.power("vm.stop", "vm.web", "stopped")
    copy.driver.drop_tombstone(copy.driver.tombstones()[0].key)
    assert bench.snapshot() == before
    assert copy.snapshot() != before


def test_a_folder_without_a_world_has_nothing_to_copy(tmp_path: Path) -> None:
    assert world.copy_world(tmp_path / "none", tmp_path / "copy") is False
    assert not (tmp_path / "copy").exists()


def test_a_world_is_built_from_what_was_observed(bench: Any, make_bench: Callable[..., Any], tmp_path: Path, shapes: Any) -> None:
    bench.volume()
    bench.volume("gone")
    bench.perform("volume.delete", "volume.gone", "volume", shapes.volume("gone"), None)
    bench.vm(volumes=[{"volume": "data", "readonly": False}])
    world.add_orphan(bench.folder, "network.old", {"network": {"cidr": "10.9.0.0/24", "bridge": "hb-old"}})
    seen = bench.look()
    shop = {address: thing._replace(provider="qemu") for address, thing in seen.things["shop"].items()}
    seen = seen._replace(things={**seen.things, "shop": shop})
    world.load_world_from(seen, tmp_path / "copy", Host("node1", 1, 1, 1, 1, ()))
    assert observing.SimulatorObserver(tmp_path / "copy").observe(None) == seen
    copy = make_bench(tmp_path / "copy")
    copy.power("vm.stop", "vm.web", "stopped")
    assert copy.snapshot().uses == bench.snapshot().uses
