"""The key of secrets is made once, kept for the owner alone, and never half."""

import stat
import subprocess
import sys

import pytest

from herocloud.state import creation, state_files

MAKE = """
import sys
from pathlib import Path
from herocloud.state import creation
print(creation.load_key(Path(sys.argv[1]), create=True).hex())
"""


def test_without_leave_to_make_one_there_is_none(folder) -> None:
    assert creation.load_key(folder, create=False) is None
    assert not folder.exists()


def test_the_key_is_random_stays_and_belongs_to_its_owner(folder, tmp_path) -> None:
    key = creation.load_key(folder, create=True)
    assert len(key) == 32
    assert creation.load_key(folder, create=True) == creation.load_key(folder, create=False) == key
    assert stat.S_IMODE((folder / state_files.KEY).stat().st_mode) == 0o600
    assert creation.load_key(tmp_path / "other", create=True) != key


def test_many_makers_at_once_make_one_key(folder) -> None:
    started = [subprocess.Popen([sys.executable, "-c", MAKE, folder], stdout=subprocess.PIPE, text=True) for _ in range(5)]
    keys = {process.communicate()[0].strip() for process in started}
    assert keys == {creation.load_key(folder, create=False).hex()}


@pytest.mark.parametrize("point", ["state.key.before", "state.key.written"])
def test_a_maker_that_is_killed_leaves_no_half_key(point, folder, run_python) -> None:
    assert run_python(MAKE, folder, rules=f"{point}:1:kill").returncode == -9
    assert creation.load_key(folder, create=False) is None
    assert len(creation.load_key(folder, create=True)) == 32
    assert {path.name for path in folder.iterdir()} == {state_files.KEY, state_files.HOLDER}


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_key_is_refused_and_not_replaced(content, folder, refused_with) -> None:
    folder.mkdir()
    (folder / state_files.KEY).write_bytes(content)
    assert refused_with(lambda: creation.load_key(folder, create=True)).code == "key-damaged"
    assert (folder / state_files.KEY).read_bytes() == content


def test_a_full_disk_makes_no_key(folder, inject, refused_with) -> None:
    inject("state.key.written:1:enospc")
    assert refused_with(lambda: creation.load_key(folder, create=True)).code == "state-disk-full"
    assert creation.load_key(folder, create=False) is None
