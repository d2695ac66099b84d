"""The first start, and every one after it."""

import stat

from herocloud.model.worlds import Recorded
from herocloud.state import data_makers, state_files
from herocloud.state import store as states


def test_reading_where_nothing_is_gives_nothing_and_makes_nothing(folder) -> None:
    assert states.open_state(folder, write=False) is None
    assert states.read_recorded(folder) == Recorded(lineage=None)
    assert not folder.exists()


def test_reading_an_empty_folder_leaves_it_empty(folder) -> None:
    folder.mkdir()
    assert states.read_recorded(folder).lineage is None
    assert not list(folder.iterdir())


def test_writing_makes_folder_database_and_marker_for_the_owner_alone(folder, store) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == dict.fromkeys(
        [state_files.DATABASE, state_files.LOG, state_files.LOG_INDEX, state_files.MARKER, state_files.HOLDER], 0o600
    )
    assert state_files.marker(folder).read_text() == f"{store.lineage}\n"


def test_the_lineage_stays_for_the_life_of_the_state(folder, store, open_store) -> None:
    lineage = store.lineage
    store.close()
    assert open_store().lineage == lineage
    assert states.read_recorded(folder).lineage == lineage


def test_two_folders_have_two_lineages(store, tmp_path) -> None:
    with states.open_state(tmp_path / "other", write=True) as other:
        assert other.lineage != store.lineage


def test_a_new_state_is_empty(store) -> None:
    assert store.recorded() == Recorded(lineage=store.lineage, data_makers=data_makers.MakersIn(store.folder))
    assert (store.serial, store.unfinished(), store.applies(), store.history(), dict(store.durations())) == (0, None, [], [], {})


def test_what_is_closed_may_be_closed_again(store) -> None:
    store.close()
    store.close()


def test_a_lost_marker_comes_back_with_the_next_write(folder, store, open_store) -> None:
    store.close()
    state_files.marker(folder).unlink()
    assert open_store().lineage == store.lineage
    assert state_files.marker(folder).read_text() == f"{store.lineage}\n"


def test_a_folder_whose_name_means_something_in_an_address_is_opened_as_it_is_called(tmp_path) -> None:
    odd = tmp_path / "a?mode=memory#%41 b"
    with states.open_state(odd, write=True) as store:
        lineage = store.lineage
    assert states.read_recorded(odd).lineage == lineage
    assert (odd / state_files.DATABASE).is_file()
