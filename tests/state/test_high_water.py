"""The mark of the highest serial: several processes raise it, it never falls, and a full disk has room for it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from herocloud.state import high_water, recorded_state
from herocloud.state import store as states

RAISE = """
import sys
from pathlib import Path
from typing import Any

import pytest
from herocloud.state import high_water, recorded_state
from herocloud.state import store as states
folder, first, step = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
sys.stdin.readline()
for serial in range(first, 301, step):
    high_water.raise_to(folder, "ours", serial)
    seen = high_water.read(folder, "ours")
    if seen < serial:
        print(f"{serial} was written and {seen} is there")
"""


def test_processes_that_raise_it_together_lose_none_of_their_serials(tmp_path: Path) -> None:
    words = [sys.executable, "-c", RAISE, str(tmp_path)]
    running = [
        subprocess.Popen([*words, str(first), "4"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for first in (1, 2, 3, 4)
    ]
    told = [process.communicate("\n")[0] for process in running]
    assert told == [""] * 4
    assert high_water.read(tmp_path, "ours") == 300
    assert [path.name for path in tmp_path.iterdir()] == [high_water.FILE]


def test_it_never_falls(tmp_path: Path) -> None:
    for serial in (7, 3, 8, 1):
        high_water.raise_to(tmp_path, "ours", serial)
    assert high_water.read(tmp_path, "ours") == 8


def test_that_of_another_state_counts_for_nothing(tmp_path: Path) -> None:
    high_water.raise_to(tmp_path, "a much longer lineage than ours", 70)
    assert high_water.read(tmp_path, "ours") == 0
    high_water.raise_to(tmp_path, "ours", 2)
    assert high_water.read(tmp_path, "ours") == 2


def test_one_that_an_older_herocloud_wrote_is_read_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / high_water.FILE).write_text("ours 12\n", encoding="utf-8")
    assert high_water.read(tmp_path, "ours") == 12
    high_water.raise_to(tmp_path, "ours", 13)
    assert high_water.read(tmp_path, "ours") == 13


def test_one_that_cannot_be_read_is_written_again(tmp_path: Path) -> None:
    (tmp_path / high_water.FILE).write_bytes(b"\xff" * 90)
    assert high_water.read(tmp_path, "ours") == 0
    high_water.raise_to(tmp_path, "ours", 5)
    assert high_water.read(tmp_path, "ours") == 5


def test_what_is_committed_while_somebody_reads_is_no_step_back(store, make, monkeypatch: pytest.MonkeyPatch) -> None:
    store.edit("adopt", make.stack, make.put(make.record("vm.a")))
    load = recorded_state.records.load

    def meanwhile(*words: Any, **more: Any) -> Any:
        monkeypatch.undo()
        other = states.open_state(store.folder, write=True)
        with other:
            other.edit("adopt", make.stack, make.put(make.record("vm.b")))
        return load(*words, **more)

    monkeypatch.setattr(recorded_state.records, "load", meanwhile)
    reader = states.open_state(store.folder, write=False)
    with reader:
        recorded = reader.recorded()
        assert recorded.behind == 0
        assert reader.recorded().serial == recorded.serial + 1
