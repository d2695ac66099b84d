"""The very first write may be killed at any instant, and may be tried by two at once."""

import subprocess
import sys

import pytest

from herocloud.state import failures, state_files
from herocloud.state import store as states

CREATE = """
import sys
from pathlib import Path
from herocloud.state import store as states
print(states.open_state(Path(sys.argv[1]), write=True).lineage)
"""
POINTS = [point for point in failures.FAULT_POINTS if point.startswith(("state.create.", "state.migrate."))]
NAMES = {state_files.DATABASE, state_files.LOG, state_files.LOG_INDEX, state_files.MARKER, state_files.HOLDER}


@pytest.mark.parametrize("point", [*POINTS, "file.open", "file.fsync", "file.rename"])
def test_a_first_start_that_is_killed_is_followed_by_a_good_one(point, folder, run_python, open_store) -> None:
    assert run_python(CREATE, folder, rules=f"{point}:1:kill").returncode == -9
    seen = states.read_recorded(folder)
    assert seen.records == {}
    store = open_store()
    if seen.lineage is not None:
        assert store.lineage == seen.lineage
    assert state_files.marker(folder).read_text().strip() == store.lineage
    assert {path.name for path in folder.iterdir()} == NAMES


@pytest.mark.parametrize("what", ["enospc", "eio", "erofs"])
@pytest.mark.parametrize("point", POINTS)
def test_a_first_start_on_a_bad_disk_is_refused_and_works_once_the_disk_does(point, what, folder, inject, refused_with) -> None:
    inject(f"{point}:1:{what}")
    found = refused_with(lambda: states.open_state(folder, write=True))
    assert found.code == {"enospc": "state-disk-full", "eio": "state-io-error", "erofs": "state-read-only"}[what]
    inject()
    assert states.read_recorded(folder).records == {}
    with states.open_state(folder, write=True) as store:
        assert state_files.marker(folder).read_text().strip() == store.lineage


def test_many_first_starts_at_once_make_one_state(folder) -> None:
    started = [subprocess.Popen([sys.executable, "-c", CREATE, folder], stdout=subprocess.PIPE, text=True) for _ in range(6)]
    lineages = {process.communicate()[0].strip() for process in started}
    assert [process.returncode for process in started] == [0] * 6
    assert lineages == {states.read_recorded(folder).lineage}


def test_a_draft_left_by_a_crash_is_not_taken_for_a_state(folder) -> None:
    folder.mkdir()
    for suffix in ("", "-wal", "-shm", "-journal"):
        (folder / f"{state_files.DRAFT}{suffix}").write_text("half")
    assert states.read_recorded(folder).lineage is None
    with states.open_state(folder, write=True):
        assert {path.name for path in folder.iterdir()} == NAMES
