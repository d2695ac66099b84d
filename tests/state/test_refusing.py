"""A state that is missing, damaged, foreign, newer or out of reach is refused, and nothing is touched."""

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from herocloud.state import state_files
from herocloud.state import store as states


def overwrite(start: int, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        with state_files.database(folder).open("r+b") as stream:
            stream.seek(start)
            stream.write(content)

    return spoil


def cut(size: int) -> Callable[[Path], None]:
    return lambda folder: os.truncate(state_files.database(folder), size)


def lose(folder: Path) -> None:
    state_files.database(folder).unlink()


def lose_all_but_the_log(folder: Path) -> None:
    lose(folder)
    state_files.marker(folder).unlink()


def become_a_folder(folder: Path) -> None:
    lose(folder)
    state_files.database(folder).mkdir()


def become_a_text(folder: Path) -> None:
    state_files.database(folder).write_text("stack: shop\n" * 40)


def lose_a_table(folder: Path) -> None:
    with closing(sqlite3.connect(state_files.database(folder))) as connection:
        connection.execute("DROP TABLE world")


def lose_its_row(folder: Path) -> None:
    with closing(sqlite3.connect(state_files.database(folder))) as connection:
        connection.execute("DELETE FROM world")
        connection.commit()


def spoil_a_page(folder: Path) -> None:
    # The second page is the root of the first table.
    overwrite(4096, b"\xff" * 64)(folder)


def change_the_marker(folder: Path) -> None:
    state_files.marker(folder).write_text("0123456789abcdef\n")


DAMAGES = {
    "gone": (lose, "state-missing"),
    "gone with its marker": (lose_all_but_the_log, "state-missing"),
    "empty": (cut(0), "state-damaged"),
    "cut inside the header": (cut(60), "state-damaged"),
    "cut behind the header": (cut(4096 * 3), "state-damaged"),
    "a text": (become_a_text, "state-damaged"),
    "a folder": (become_a_folder, "state-damaged"),
    "another program's": (overwrite(68, b"GPKG"), "state-damaged"),
    "with a spoiled page": (spoil_a_page, "state-damaged"),
    "without its main table": (lose_a_table, "state-damaged"),
    "without its main row": (lose_its_row, "state-damaged"),
    "from a newer herocloud": (overwrite(60, (99).to_bytes(4, "big")), "state-newer"),
}


@pytest.fixture
def used(folder, store, make) -> Path:
    """Return a folder with a state that holds something."""
    apply = store.begin(make.plan(), 1.0)
    store.commit(apply, make.put(make.record("vm.web[0]", "s1")))
    store.finish(apply, "done", 2.0)
    store.close()
    return folder


@pytest.mark.parametrize("write", [False, True], ids=["read", "written"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_database_is_refused_and_left_alone(used, damage, write, refused_with, content_of) -> None:
    spoil, code = DAMAGES[damage]
    spoil(used)
    before = content_of(used)
    found = refused_with(lambda: states.open_state(used, write=write))
    assert found.code == code
    assert str(state_files.database(used)) in found.detail
    assert content_of(used) == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_plan_never_takes_a_bad_database_for_an_empty_world(used, damage, refused_with) -> None:
    spoil, code = DAMAGES[damage]
    spoil(used)
    assert refused_with(lambda: states.read_recorded(used)).code == code


def test_the_way_out_of_a_missing_state_leads_to_a_new_one(used, refused_with) -> None:
    lose(used)
    detail = refused_with(lambda: states.open_state(used, write=True)).detail
    named = [name for name in (state_files.MARKER, state_files.LOG, state_files.LOG_INDEX) if f"`{name}`" in detail]
    for name in named:
        (used / name).unlink()
    with states.open_state(used, write=True) as store:
        assert store.recorded().records == {}


def test_an_empty_marker_still_says_that_a_state_was_here(used, refused_with) -> None:
    lose_all_but_the_log(used)
    (used / state_files.LOG).unlink()
    (used / state_files.LOG_INDEX).unlink()
    state_files.marker(used).write_text("")
    assert refused_with(lambda: states.read_recorded(used)).code == "state-missing"


def test_a_state_of_another_folder_is_not_written_to(used, refused_with, content_of) -> None:
    change_the_marker(used)
    before = content_of(used)
    assert refused_with(lambda: states.open_state(used, write=True)).code == "state-foreign"
    assert content_of(used) == before


def test_a_record_that_is_no_json_any_more_is_damage_and_not_an_empty_record(used) -> None:
    with closing(sqlite3.connect(state_files.database(used))) as connection:
        connection.execute("UPDATE records SET body = '[\"shop\", '")
        connection.commit()
    recorded = states.read_recorded(used)
    assert recorded.records == {}
    assert set(recorded.damaged["shop"]) == {"vm.web[0]"}


def test_a_file_in_the_place_of_the_folder_is_said_so(tmp_path, refused_with) -> None:
    place = tmp_path / "data"
    place.write_text("")
    for write in (False, True):
        assert refused_with(lambda write=write: states.open_state(place, write=write)).code == "state-unusable"


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """Give a folder that everybody may enter, and take the rights of root away while the test runs."""
    if os.geteuid() != 0:
        pytest.skip("only root can take the part of another user")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        place = Path(name) / "data"
        with states.open_state(place, write=True):
            pass
        os.seteuid(65534)
        yield place
        os.seteuid(0)


@pytest.mark.parametrize("write", [False, True], ids=["read", "written"])
def test_the_state_of_another_user_is_refused_and_not_taken_for_none(as_nobody, write, refused_with) -> None:
    found = refused_with(lambda: states.open_state(as_nobody, write=write))
    assert (found.code, found.summary) == ("state-unreadable", "The state may not be used by this user")
