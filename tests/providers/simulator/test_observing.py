"""One look sees everything that carries our mark, and changes nothing."""

from pathlib import Path
from typing import Any

import pytest

from herocloud.model.errors import Refused
from herocloud.providers.simulator import observing, world, world_file


def test_looking_makes_no_world(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert observing.SimulatorObserver(folder).observe(None).things == {}
    assert not folder.exists()


def test_looking_leaves_no_file_behind_and_changes_no_byte(bench: Any) -> None:
    bench.vm()
    bench.driver.close()
    before = {path.name: path.read_bytes() for path in bench.folder.iterdir()}
    bench.look()
    assert {path.name: path.read_bytes() for path in bench.folder.iterdir()} == before
    assert set(before) == {world_file.FILE}


def test_a_world_of_somebody_else_is_seen_without_the_right_to_write(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.volume()
    bench.driver.close()
    # To root no folder is closed, so the refusal is played: the first look at the version fails as it does there.
    answers = iter([world_file.sqlite3.OperationalError("unable to open database file")])
    version = world_file._version

    def fail_once(connection: Any) -> int:
        for error in answers:
            raise error
        return version(connection)

    monkeypatch.setattr(world_file, "_version", fail_once)
    assert bench.part("volume.data", "volume") is not None


def test_the_world_is_nobody_elses_to_read(bench: Any) -> None:
    bench.volume()
    assert {path.stat().st_mode & 0o777 for path in bench.folder.iterdir()} == {0o600}


def test_only_the_stacks_asked_for_are_seen(bench: Any, shapes: Any) -> None:
    bench.volume()
    world.add_orphan(bench.folder, "volume.data", {"volume": {**shapes.volume(), "path": "volumes/lost/data.raw"}})
    observer = observing.SimulatorObserver(bench.folder)
    assert {stack: set(found) for stack, found in observer.observe(None).things.items()} == {
        "shop": {"volume.data"},
        "lost": {"volume.data"},
    }
    assert set(observer.observe(["shop"]).things) == {"shop"}
    assert observer.observe(["nothing"]).things == {}


def test_images_are_seen_by_their_source_with_their_size(bench: Any) -> None:
    bench.image()
    assert bench.look().images == {"https://example.org/debian.raw": 64 * 1024**2}


def test_half_made_things_have_no_parts_yet(make_bench: Any, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("rules: [{step: volume.create, at: half, fail: out of order}]")
    bench = make_bench(scenario=scenario)
    with pytest.raises(Exception, match="out of order"):
        bench.volume()
    assert bench.thing("volume.data").parts == {}


def test_a_thing_vanishes_as_often_as_the_rule_says(make_bench: Any, tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("rules: [{address: 'volume.*', vanish: true, times: 2}]")
    bench = make_bench(scenario=scenario)
    for seen in (False, False, True, True):
        bench.volume()
        assert (bench.thing("volume.data") is not None) is seen


def test_a_vm_vanishes_only_once_it_is_made(make_bench: Any, tmp_path: Path, shapes: Any) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("rules: [{address: vm.lost, vanish: true}]")
    bench = make_bench(scenario=scenario)
    bench.image()
    bench.perform("disk.create", "vm.lost", "disk", None, shapes.vm_parts(1)["disk"])
    assert bench.thing("vm.lost") is not None
    machine = shapes.machine(nics=[], seed=None)
    bench.perform("vm.create", "vm.lost", "machine", None, machine)
    assert bench.thing("vm.lost") is None
    assert bench.snapshot().totals == {"memory": 0, "disk": 0}


@pytest.mark.parametrize("open_it", [world_file.open_world, world_file.open_for_reading])
def test_a_damaged_or_newer_world_is_refused_and_kept(tmp_path: Path, open_it: Any) -> None:
    path = tmp_path / world_file.FILE
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(Refused, match="cannot be read"):
        open_it(tmp_path)
    assert path.read_bytes() == b"this is not a database" * 100
    path.unlink()
    opened = world_file.open_world(tmp_path)
    with opened.changing() as connection:
        connection.execute("PRAGMA user_version=99")
    opened.close()
    with pytest.raises(Refused, match="newer version"):
        open_it(tmp_path)
    assert observing.survey(tmp_path).usable is False
