"""Reading changes nothing, needs nobody's leave, and disturbs nobody."""

import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from herocloud.state import connections, state_files
from herocloud.state import store as states

DIE_WITH_A_FULL_LOG = """
import os, signal, sys
from pathlib import Path
from herocloud.state import store as states
store = states.open_state(Path(sys.argv[1]), write=True)
store.grow_slices(41)
store.edit("state rm", None, [])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def used(folder, store, make) -> Path:
    """Return a folder with a state that was closed in good order."""
    store.commit(store.begin(make.plan(), 1.0), make.put(make.record("vm.web[0]", "s1"), make.record("volume.data")))
    store.close()
    return folder


def test_a_read_leaves_every_file_as_it_was(used, content_of) -> None:
    before = content_of(used)
    assert len(states.read_recorded(used).records["shop"]) == 2
    assert content_of(used) == before


def test_a_read_after_a_crash_sees_what_only_the_log_holds_and_leaves_it_there(used, run_python, content_of) -> None:
    run_python(DIE_WITH_A_FULL_LOG, used)
    before = content_of(used)
    assert (used / state_files.LOG).stat().st_size > 0
    recorded = states.read_recorded(used)
    assert (recorded.serial, recorded.slices) == (2, 41)
    assert content_of(used) == before


def test_ten_readers_at_once_see_the_last_commit_while_a_writer_is_at_work(used, open_store, make) -> None:
    writer = open_store()
    writer._connection.execute("BEGIN IMMEDIATE")
    writer._connection.execute("UPDATE world SET serial = 99")
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: states.read_recorded(used), range(10)))
    writer._connection.execute("ROLLBACK")
    assert {one.serial for one in found} == {1}
    assert all(len(one.records["shop"]) == 2 for one in found)


def test_a_reader_that_stays_open_sees_each_commit(used, open_store) -> None:
    with states.open_state(used, write=False) as reader:
        writer = open_store()
        writer.edit("state rm", None, [])
        assert reader.serial == 2
        writer.close()
        assert reader.serial == 2


def test_a_writer_closes_without_waiting_for_a_reader_in_the_middle(used, open_store, make) -> None:
    writer = open_store()
    with states.open_state(used, write=False) as reader:
        reader._connection.execute("BEGIN")
        reader._connection.execute("SELECT * FROM world").fetchall()
        writer.edit("state rm", None, [])
        writer.close()
        assert reader._connection.execute("SELECT serial FROM world").fetchone() == (1,)
        reader._connection.execute("ROLLBACK")
        assert reader.serial == 2


def test_without_the_log_beside_it_a_state_is_read_and_nothing_is_made(used, content_of) -> None:
    # Another tool that closes the file last removes both, and a backup may not hold them.
    with closing(sqlite3.connect(state_files.database(used))) as other:
        other.execute("SELECT * FROM world").fetchall()
    before = content_of(used)
    assert state_files.LOG not in before
    with states.open_state(used, write=False) as reader:
        assert len(reader.recorded().records["shop"]) == 2
    assert content_of(used) == before


def test_with_the_log_and_without_its_index_a_state_is_read_whole(used, run_python, content_of) -> None:
    run_python(DIE_WITH_A_FULL_LOG, used)
    (used / state_files.LOG_INDEX).unlink()
    before = content_of(used)
    assert states.read_recorded(used).slices == 41
    assert content_of(used) == before


def test_a_state_that_keeps_changing_while_it_is_copied_is_said_to_be_busy(used, monkeypatch, refused_with) -> None:
    (used / state_files.LOG_INDEX).unlink()
    copy = shutil.copyfile

    def copy_and_touch(source: Path, target: Path) -> None:
        copy(source, target)
        os.utime(source, ns=(1, source.stat().st_mtime_ns + 1000))

    monkeypatch.setattr(shutil, "copyfile", copy_and_touch)
    assert refused_with(lambda: states.read_recorded(used)).code == "state-busy"


def test_a_copy_leaves_nothing_in_the_folder_for_temporary_files(used, tmp_path, monkeypatch) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    (used / state_files.LOG_INDEX).unlink()
    with states.open_state(used, write=False) as reader:
        assert reader.serial == 1
        assert not list(place.iterdir())


def test_a_reader_cannot_write(used) -> None:
    with closing(connections.open_for_reading(used)) as connection, pytest.raises(sqlite3.OperationalError):
        connection.execute("UPDATE world SET serial = 5")


@pytest.mark.root
def test_on_a_read_only_file_system_a_state_is_read_and_refused_for_writing(used, run_mounted) -> None:
    script = """
import sys
from pathlib import Path
from herocloud.model.errors import Refused
from herocloud.state import store as states
folder = Path(sys.argv[1])
print(len(states.read_recorded(folder).records["shop"]))
try:
    states.open_state(folder, write=True)
except Refused as refused:
    print(refused.diagnostics[0].code)
"""
    for lost in ("", state_files.LOG_INDEX, state_files.LOG):
        if lost:
            (used / lost).unlink()
        ran = run_mounted('mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"', used, script, used)
        assert ran.stdout.split() == ["2", "state-read-only"], ran.stderr
