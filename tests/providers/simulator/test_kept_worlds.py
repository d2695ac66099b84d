"""A world that stays open shows what one shows that is opened for each look, and reads again only what somebody has changed."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits.kept_open import KeptOpen
from herocloud.model.errors import Refused
from herocloud.model.ids import Address, StackName
from herocloud.providers.simulator import driving, observing, world, world_file
from herocloud.providers.simulator.kept_worlds import KeptLook, KeptWorld

SHOP = StackName("shop")


@pytest.fixture
def lasting() -> Iterator[KeptOpen]:
    kept = KeptOpen()
    yield kept
    kept.close()


def test_looks_that_stay_open_show_what_any_look_shows(bench: Any, lasting: KeptOpen, shapes: Any) -> None:
    chance = random.Random(1)
    look = observing.SimulatorObserver(bench.folder, lasting=lasting)
    bench.vm()
    for number in range(30):
        match chance.randrange(5):
            case 0:
                bench.volume(f"data{number}")
            case 1:
                bench.vm(f"vm.web{number}", boot=chance.random() < 0.5)
            case 2:
                world.set_power(bench.folder, "vm.web", chance.choice(["running", "stopped"]), "shop")
            case 3:
                body = {**shapes.volume(), "path": f"volumes/lost/{number}.raw"}
                world.add_orphan(bench.folder, f"volume.lost{number}", {"volume": body})
            case 4:
                gone = chance.choice(sorted(bench.look().things[SHOP]))
                if gone != "vm.web" and not gone.startswith(("network", "image")):
                    world.remove_thing(bench.folder, gone, "shop")
        for stacks in (None, [SHOP], [StackName("lost")], [StackName("nothing")]):
            assert look.observe(stacks) == observing.SimulatorObserver(bench.folder).observe(stacks)


def test_what_nobody_changed_is_the_same_thing_again(bench: Any, lasting: KeptOpen) -> None:
    bench.vm()
    bench.volume()
    look = observing.SimulatorObserver(bench.folder, lasting=lasting)
    before = look.observe(None)
    assert look.observe(None) is before
    world.set_power(bench.folder, "vm.web", "stopped")
    after = look.observe(None).things[SHOP]
    assert after[Address("volume.data")] is before.things[SHOP][Address("volume.data")]
    assert after[Address("vm.web")].parts["power"] == "stopped"


def test_a_world_in_the_place_of_another_is_seen(bench: Any, lasting: KeptOpen, make_bench: Callable[..., Any], tmp_path: Path) -> None:
    bench.volume("old")
    other = make_bench(tmp_path / "other")
    other.volume("new")
    for one in (bench, other):
        one.driver.close()
    look = observing.SimulatorObserver(bench.folder, lasting=lasting)
    assert set(look.observe(None).things[SHOP]) == {"volume.old"}
    shutil.copy(other.folder / world_file.FILE, tmp_path / "copy")
    (tmp_path / "copy").rename(bench.folder / world_file.FILE)
    for side in ("-wal", "-shm"):
        (bench.folder / f"{world_file.FILE}{side}").unlink(missing_ok=True)
    assert set(look.observe(None).things[SHOP]) == {"volume.new"}
    (bench.folder / world_file.FILE).unlink()
    assert look.observe(None).things == {}


def test_a_file_that_is_no_world_any_more_is_refused_and_looked_at_anew(bench: Any, lasting: KeptOpen) -> None:
    bench.volume()
    bench.driver.close()
    look = observing.SimulatorObserver(bench.folder, lasting=lasting)
    look.observe(None)
    path = bench.folder / world_file.FILE
    sound = path.read_bytes()
    path.write_bytes(b"nonsense " * 2000)
    with pytest.raises(Refused, match="cannot be read"):
        look.observe(None)
    path.unlink()
    path.write_bytes(sound)
    assert set(look.observe(None).things[SHOP]) == {"volume.data"}


def test_all_who_work_in_a_world_share_it_and_nobody_closes_it_for_the_others(tmp_path: Path, lasting: KeptOpen) -> None:
    first, second = (driving.open_world(tmp_path, lasting=lasting) for _ in range(2))
    kept = lasting.find(KeptWorld, tmp_path)
    assert kept is not None
    first.close()
    shared = kept.lend("")
    lasting.close()
    with shared.changing() as connection:
        connection.execute("INSERT INTO meta VALUES ('still', 'open')")
    second.close()
    with shared.changing() as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'still'").fetchone() == ("open",)
    kept.take_back(shared)
    with pytest.raises(sqlite3.ProgrammingError), shared.changing():
        pass


def test_who_works_in_a_world_that_was_replaced_ends_there(tmp_path: Path) -> None:
    kept = KeptWorld(tmp_path)
    before = kept.lend("")
    (tmp_path / world_file.FILE).unlink()
    after = kept.lend("")
    assert after is not before
    with before.changing(), after.changing():
        pass
    kept.take_back(before)
    with pytest.raises(sqlite3.ProgrammingError), before.changing():
        pass
    kept.close()
    with after.changing():
        pass
    kept.take_back(after)


def test_after_a_change_that_failed_the_same_connection_goes_on(tmp_path: Path) -> None:
    opened = world_file.open_world(tmp_path)
    try:
        with pytest.raises(sqlite3.IntegrityError), opened.changing() as connection:
            connection.execute("INSERT INTO totals VALUES ('memory', 1)")
        with opened.changing() as connection:
            assert connection.execute("SELECT amount FROM totals WHERE name = 'memory'").fetchone() == (0,)
    finally:
        opened.close()


def test_nothing_is_kept_open_once_the_process_is_about_to_end(bench: Any, lasting: KeptOpen) -> None:
    bench.volume()
    look = observing.SimulatorObserver(bench.folder, lasting=lasting)
    look.observe(None)
    lasting.close()
    assert lasting.find(KeptLook, bench.folder) is None
    assert set(look.observe(None).things[SHOP]) == {"volume.data"}
