"""A disk that is full, broken or read-only: a clear refusal, the state as before, and everything goes on once the cause is gone."""

import pytest

from herocloud.model.errors import Refused
from herocloud.state import failures, state_files
from herocloud.state import store as states

CODES = {"enospc": "state-disk-full", "eio": "state-io-error", "erofs": "state-read-only"}


def snapshot(folder) -> tuple[object, ...]:
    with states.open_state(folder, write=False) as store:
        return store.recorded(), store.applies(), store.assignments(), store.history()


@pytest.mark.parametrize("what", CODES)
@pytest.mark.parametrize("when", ["before", "written"])
@pytest.mark.parametrize("work", ["begin", "commit", "finish", "edit"])
def test_a_write_that_fails_leaves_no_trace_and_can_be_repeated(work, when, what, folder, store, make, inject, refused_with) -> None:
    apply = store.begin(make.plan(), 1.0)
    store.commit(apply, make.put(make.record("vm.a", "s1")))
    before = snapshot(folder)
    works = {
        "begin": lambda: store.begin(make.plan("p2"), 2.0),
        "commit": lambda: store.commit(apply, [*make.put(make.record("vm.b", "s2")), make.remove("vm.a")]),
        "finish": lambda: store.finish(apply, "done", 2.0),
        "edit": lambda: store.edit("state rm", make.stack, [make.remove("vm.a")]),
    }
    inject(f"state.{work}.{when}:1:{what}")
    found = refused_with(works[work])
    assert (found.code, str(state_files.database(folder)) in found.detail) == (CODES[what], True)
    assert snapshot(folder) == before
    works[work]()
    assert snapshot(folder) != before


@pytest.mark.parametrize("what", CODES)
def test_what_fails_behind_a_commit_is_told_and_the_commit_stands(what, store, make, inject, refused_with) -> None:
    apply = store.begin(make.plan(), 1.0)
    inject(f"state.commit.after:1:{what}")
    assert refused_with(lambda: store.commit(apply, make.put(make.record("vm.a", "s1")))).code == CODES[what]
    assert list(store.recorded().records["shop"]) == ["vm.a"]


@pytest.mark.parametrize("point", [point for point in failures.FAULT_POINTS if point.startswith("state.close.")])
def test_a_close_that_fails_is_no_error_because_everything_is_safe_already(point, folder, store, make, inject) -> None:
    store.commit(store.begin(make.plan(), 1.0), make.put(make.record("vm.a", "s1")))
    inject(f"{point}:1:eio")
    store.close()
    inject()
    assert list(states.read_recorded(folder).records["shop"]) == ["vm.a"]


def test_a_failure_inside_a_block_is_not_hidden_by_the_close(folder, inject) -> None:
    def work() -> None:
        with states.open_state(folder, write=True):
            inject("state.close.before:1:eio")
            raise RuntimeError("first")

    with pytest.raises(RuntimeError, match="first"):
        work()


FILL = """
import sys
from pathlib import Path
from herocloud.kits import faults
from herocloud.model.errors import Refused
from herocloud.model.ids import StepId
from herocloud.model.plans import Capacity, Level, Plan
from herocloud.model.worlds import Record
from herocloud.state import locking, store as states
from herocloud.state.store import Entry

folder = Path(sys.argv[1])
filler = folder.parent / "filler"
level = Level(0, 0, 0, None)
plan = Plan("p1", "shop", "apply", None, "h", (), (), Capacity(*[level] * 7), (), ())
done = []


def fill(leave):
    with filler.open("ab", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            pass
        stream.truncate(stream.tell() - leave)


with states.open_state(folder, write=True) as store:
    apply = store.begin(plan, 1.0)
    fill(leave=200_000)
    try:
        for number in range(10_000):
            record = Record("shop", f"volume.v{number}", "volume", "simulator", {"size": number, "text": "y" * 2000}, {}, True)
            store.commit(apply, [Entry("s", "done", 1.0, record=record)])
            done.append(record.address)
    except Refused as refused:
        print(refused.diagnostics[0].code)
    print(len(done) > 3, sorted(store.recorded().records["shop"]) == sorted(done))
    filler.unlink()
    store.commit(apply, [Entry("s", "done", 1.0, record=record)])
    done.append(record.address)
    fill(leave=0)
print(sorted(states.read_recorded(folder).records["shop"]) == sorted(done))
filler.unlink()
with states.open_state(folder, write=True) as store:
    print(store.unfinished().apply == apply)
"""


@pytest.mark.root
def test_a_file_system_that_really_fills_up_loses_nothing(tmp_path, run_mounted) -> None:
    ran = run_mounted('mount -t tmpfs -o size=4m none "$1"', tmp_path, FILL, tmp_path / "data")
    assert ran.stdout.splitlines() == ["state-disk-full", "True True", "True", "True"], ran.stderr


@pytest.mark.root
def test_a_first_start_on_a_full_file_system_is_refused_and_works_once_there_is_room(tmp_path, run_mounted) -> None:
    script = """
import sys
from pathlib import Path
from herocloud.model.errors import Refused
from herocloud.state import store as states
folder = Path(sys.argv[1])
filler = folder.parent / "filler"
for kept in (0, 4096, 20_480, 81_920):
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"x" * 4096)
        except OSError:
            stream.truncate(stream.tell() - kept)
    try:
        states.open_state(folder, write=True)
    except Refused as refused:
        print(refused.diagnostics[0].code)
    lineage = states.read_recorded(folder).lineage
filler.unlink()
store = states.open_state(folder, write=True)
print(store.serial, lineage in (None, store.lineage))
"""
    ran = run_mounted('mount -t tmpfs -o size=1m none "$1"', tmp_path, script, tmp_path / "data")
    assert ran.stdout.splitlines() == ["state-disk-full"] * 4 + ["0 True"], ran.stderr


def test_an_error_that_is_ours_to_mend_is_not_blamed_on_the_disk(store) -> None:
    with pytest.raises(Exception, match="no such table") as caught, failures.Guarded(store.folder):
        store._connection.execute("SELECT * FROM nowhere")
    assert not isinstance(caught.value, Refused)
