"""A database that is taken away while it is open is noticed; SQLite itself would write on into nowhere."""

import shutil

import pytest

from herocloud.state import state_files


@pytest.mark.parametrize(
    "vanish", [shutil.rmtree, lambda folder: state_files.database(folder).rename(folder / "moved")], ids=["folder", "file"]
)
def test_a_state_that_vanishes_in_the_middle_is_told_at_the_next_write(vanish, folder, store, make, refused_with) -> None:
    apply = store.begin(make.plan(), 1.0)
    vanish(folder)
    assert refused_with(lambda: store.commit(apply, make.put(make.record()))).code == "state-missing"
    store.close()
    assert not state_files.database(folder).exists()


def test_a_state_that_is_replaced_in_the_middle_is_not_written_to(folder, store, make, refused_with, tmp_path, content_of) -> None:
    apply = store.begin(make.plan(), 1.0)
    shutil.copytree(folder, tmp_path / "backup")
    state_files.database(folder).unlink()
    shutil.copyfile(tmp_path / "backup" / state_files.DATABASE, state_files.database(folder))
    before = content_of(folder)
    assert refused_with(lambda: store.commit(apply, make.put(make.record()))).code == "state-missing"
    assert content_of(folder) == before
