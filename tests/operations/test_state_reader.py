"""The records for a process that stays: whatever is written later is seen, whatever the moment of the first look was."""

import shutil
from pathlib import Path

from herocloud.operations.state_reader import StateReader
from herocloud.state import state_files, store


def write(folder: Path, slices: int) -> None:
    opened = store.open_state(folder, write=True)
    assert opened is not None
    with opened:
        opened.grow_slices(slices)


def test_what_others_write_is_seen(tmp_path: Path) -> None:
    with StateReader(tmp_path) as reader:
        assert reader.recorded().slices == 0
        write(tmp_path, 3)
        assert reader.recorded().slices == 3
        write(tmp_path, 5)
        assert reader.recorded().slices == 5


def test_a_first_look_while_a_writer_begins_does_not_freeze_the_reader(tmp_path: Path) -> None:
    write(tmp_path, 3)
    index = tmp_path / state_files.LOG_INDEX
    # A writer makes the log first and its index afterwards; whoever looks in between reads a copy.
    index.unlink()
    with StateReader(tmp_path) as reader:
        assert reader.recorded().slices == 3
        write(tmp_path, 5)
        assert reader.recorded().slices == 5


def test_a_state_that_was_put_in_place_of_another_is_seen(tmp_path: Path) -> None:
    folder, other = tmp_path / "data", tmp_path / "other"
    for place in (folder, other):
        place.mkdir(mode=0o700)
    write(folder, 3)
    write(other, 5)
    with StateReader(folder) as reader:
        assert reader.recorded().slices == 3
        shutil.rmtree(folder)
        other.rename(folder)
        assert reader.recorded().slices == 5
