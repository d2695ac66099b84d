"""The state of a process that stays: opened once for many operations, and at rest again when nobody uses it."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.model.ids import StackName
from herocloud.state import connections, high_water, state_files
from herocloud.state import store as states
from herocloud.state.kept_store import KeptStore

NEVER = 3600.0


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Collect every opening for writing."""
    seen: list[Path] = []
    real = connections.open_for_writing

    def watched(folder: Path, *more: Any) -> Any:
        seen.append(folder)
        return real(folder, *more)

    monkeypatch.setattr(connections, "open_for_writing", watched)
    return seen


@pytest.fixture
def keep(folder: Path) -> Iterator[Callable[..., KeptStore]]:
    made: list[KeptStore] = []

    def make_one(idle_seconds: float = NEVER) -> KeptStore:
        made.append(KeptStore(folder, idle_seconds))
        return made[-1]

    yield make_one
    for kept in made:
        kept.close()


def put(kept: KeptStore, make: Any, name: str) -> int:
    with kept.borrow() as store:
        return store.edit("put", StackName("shop"), make.put(make.record(f"volume.{name}")))


def names(folder: Path) -> list[str]:
    return [address.removeprefix("volume.") for address in states.read_recorded(folder).records["shop"]]


def wait_until_empty(path: Path) -> None:
    assert any(not path.stat().st_size or threading.Event().wait(0.01) for _ in range(6000))


def test_many_operations_open_the_state_once(folder, keep, make, opened) -> None:
    kept = keep()
    for name in ("a", "b", "c"):
        put(kept, make, name)
    assert (len(opened), names(folder)) == (1, ["a", "b", "c"])


def test_those_who_come_meanwhile_share_it_and_write_side_by_side(folder, keep, make, opened) -> None:
    kept = keep()
    with kept.borrow() as first, kept.borrow() as second:
        assert first is second
        numbers = [first.begin(make.plan(f"p{number}"), 1.0) for number in range(8)]
        threads = [
            threading.Thread(target=lambda number=number: first.commit(number, make.put(make.record(f"volume.v{number}"))))
            for number in numbers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(names(folder)) == 8


def test_when_nobody_uses_it_the_folder_is_at_rest(folder, keep, make) -> None:
    kept = keep(0.01)
    put(kept, make, "a")
    # The log is emptied into the database as at the end of a command, so that a copy of the file is the whole state.
    wait_until_empty(folder / state_files.LOG)
    put(kept, make, "b")
    assert names(folder) == ["a", "b"]


def test_another_process_writes_beside_it(folder, keep, make, opened) -> None:
    kept = keep()
    put(kept, make, "a")
    with states.open_state(folder, write=True) as other:
        other.edit("put", StackName("shop"), make.put(make.record("volume.b")))
    put(kept, make, "c")
    assert names(folder) == ["a", "b", "c"]


def _remove(folder: Path, _backup: Path) -> None:
    state_files.database(folder).unlink()


def _rename_over(folder: Path, backup: Path) -> None:
    for name in (state_files.LOG, state_files.LOG_INDEX):
        (folder / name).unlink()
    shutil.copyfile(backup, folder / "again")
    (folder / "again").rename(state_files.database(folder))


@pytest.fixture
def backup(folder, keep, make, tmp_path) -> Path:
    """Return a copy of the state when it held one record."""
    first = keep()
    put(first, make, "a")
    first.close()
    return Path(shutil.copyfile(state_files.database(folder), tmp_path / "backup"))


def test_a_backup_that_is_put_back_under_it_is_what_the_next_operation_writes_to(folder, keep, make, backup) -> None:
    kept = keep()
    before = put(kept, make, "lost")
    _rename_over(folder, backup)
    # Numbers go on above the mark, whatever the backup knows of.
    assert put(kept, make, "b") > before
    assert names(folder) == ["a", "b"]


def test_a_backup_that_is_written_over_it_at_rest_is_what_the_next_operation_writes_to(folder, keep, make, backup) -> None:
    kept = keep(0.01)
    put(kept, make, "lost")
    wait_until_empty(folder / state_files.LOG)
    state_files.database(folder).write_bytes(backup.read_bytes())
    put(kept, make, "b")
    assert names(folder) == ["a", "b"]


def test_a_state_that_is_removed_under_it_is_missing(folder, keep, make, backup, refused_with) -> None:
    kept = keep()
    put(kept, make, "b")
    _remove(folder, backup)
    assert refused_with(lambda: put(kept, make, "c")).code == "state-missing"
    assert not state_files.database(folder).exists()


def test_a_state_that_is_removed_while_it_is_in_use_is_missing(folder, keep, make, backup, refused_with) -> None:
    kept = keep()
    with kept.borrow() as store:
        _remove(folder, backup)
        edit = lambda: store.edit("put", StackName("shop"), make.put(make.record("volume.c")))  # noqa: E731  (of this very moment)
        assert refused_with(edit).code == "state-missing"
        assert refused_with(lambda: put(kept, make, "d")).code == "state-missing"


def test_after_a_failure_of_the_disk_the_state_is_opened_again(folder, keep, make, opened, inject, refused_with) -> None:
    kept = keep()
    put(kept, make, "a")
    inject("state.edit.written:1:eio")
    assert refused_with(lambda: put(kept, make, "b")).code == "state-io-error"
    inject()
    put(kept, make, "c")
    assert (len(opened), names(folder)) == (2, ["a", "c"])


def test_a_plan_that_is_refused_leaves_it_open(keep, make, opened) -> None:
    kept = keep()
    with pytest.raises(states.Moved), kept.borrow() as store:
        store.begin(make.plan(), 1.0, expecting=states.Generation(99, 0))
    put(kept, make, "a")
    assert len(opened) == 1


def test_what_is_borrowed_when_it_ends_is_closed_by_its_user(folder, keep, make) -> None:
    kept = keep()
    with kept.borrow() as store:
        kept.close()
        store.edit("put", StackName("shop"), make.put(make.record("volume.a")))
    assert (folder / state_files.LOG).stat().st_size == 0
    assert names(folder) == ["a"]


def test_those_who_write_at_the_same_moment_share_a_transaction(folder, keep, make) -> None:
    statements: list[str] = []
    with keep().borrow() as store:
        numbers = [store.begin(make.plan(f"p{number}"), 1.0) for number in range(8)]
        store._connection.set_trace_callback(statements.append)
        with store._turn:
            threads = [
                threading.Thread(target=lambda number=number: store.commit(number, make.put(make.record(f"volume.v{number}"))))
                for number in numbers
            ]
            for thread in threads:
                thread.start()
            while len(store._writes._waiting) < 8:
                threading.Event().wait(0.001)
        for thread in threads:
            thread.join()
        assert statements.count("COMMIT") == 1
    assert len(names(folder)) == 8


def test_a_transaction_that_is_shared_takes_only_what_can_be_written(folder, keep, make, inject, refused_with) -> None:
    kept = keep()
    put(kept, make, "a")
    with kept.borrow() as store:
        first, second = (store.begin(make.plan(f"p{number}"), 1.0) for number in range(2))
        failed: list[str] = []
        inject("state.commit.written:1:eio")
        with store._turn:
            threads = [
                threading.Thread(
                    target=lambda: failed.append(refused_with(lambda: store.commit(first, make.put(make.record("volume.b")))).code)
                )
            ]
            threads[0].start()
            while not store._writes._waiting:
                threading.Event().wait(0.001)
            threads.append(threading.Thread(target=lambda: store.commit(second, make.put(make.record("volume.c")))))
            threads[1].start()
            while len(store._writes._waiting) < 2:
                threading.Event().wait(0.001)
        for thread in threads:
            thread.join()
        # What was written for the other the first time was taken back, and its journal has it once.
        assert (failed, names(folder)) == (["state-io-error"], ["a", "c"])
        store.commit(second, make.put(make.record("volume.d")))
    assert names(folder) == ["a", "c", "d"]


def test_who_asks_does_not_wait_for_a_disk_that_writes(keep, make) -> None:
    with keep().borrow() as store:
        store.begin(make.plan(), 1.0)
        answers: list[int] = []
        asks = threading.Thread(target=lambda: answers.append(store.serial), daemon=True)
        with store._turn:
            asks.start()
            asks.join(60.0)
        assert answers == [1]


def test_the_mark_of_a_serial_is_there_before_the_first_step_has_begun(folder, keep, make) -> None:
    with keep().borrow() as store:
        apply = store.begin(make.plan(), 1.0)
        store.commit(apply, make.put(make.record("volume.a")))
        assert high_water.read(folder, store.lineage) == store.serial
