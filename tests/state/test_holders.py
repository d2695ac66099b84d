"""A process is one process: by its id, its start time and its boot."""

import os
from pathlib import Path

import pytest

from herocloud.state import holders

STAT = "77 (a (very) odd) name) {state} 1 77 77 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 {start} 9 9"


@pytest.fixture
def proc(tmp_path) -> Path:
    """Return a /proc with one process, 77, that started at tick 4242."""
    root = tmp_path / "proc"
    (root / "77").mkdir(parents=True)
    (root / "77" / "stat").write_text(STAT.format(state="S", start=4242))
    (root / "sys/kernel/random").mkdir(parents=True)
    (root / "sys/kernel/random/boot_id").write_text("boot-1\n")
    return root


@pytest.fixture
def holder(proc) -> holders.Holder:
    return holders.describe_self("apply", "p1", proc)._replace(pid=77, start_time=4242)


def test_the_start_time_is_read_behind_the_oddest_name(proc) -> None:
    assert holders.read_start_time(77, proc) == 4242


def test_the_same_process_is_alive(holder, proc) -> None:
    assert holder.is_alive(proc) is True


def test_a_process_that_is_gone_is_dead(holder, proc) -> None:
    assert holder._replace(pid=78).is_alive(proc) is False


def test_another_process_under_the_same_id_is_not_the_holder(holder, proc) -> None:
    (proc / "77/stat").write_text(STAT.format(state="S", start=5000))
    assert holder.is_alive(proc) is False


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_process_that_only_waits_to_be_buried_is_dead(holder, proc, state) -> None:
    (proc / "77/stat").write_text(STAT.format(state=state, start=4242))
    assert holder.is_alive(proc) is False


def test_nobody_survives_a_boot(holder, proc) -> None:
    (proc / "sys/kernel/random/boot_id").write_text("boot-2\n")
    assert holder.is_alive(proc) is False
    assert holder.seconds(proc) is None


def test_of_another_host_nothing_can_be_said(holder, proc) -> None:
    stranger = holder._replace(host="node7", boot_id="boot-9")
    assert stranger.is_alive(proc) is None


def test_how_long_somebody_is_at_work_is_told_by_the_clock_that_nobody_sets(holder, proc, monkeypatch) -> None:
    monkeypatch.setattr("time.clock_gettime", lambda _clock: holder.up + 12.5)
    monkeypatch.setattr("time.time", lambda: -1e9)
    assert holder.seconds(proc) == pytest.approx(12.5)


def test_a_record_comes_back_as_it_was_written_even_over_a_longer_one(holder, tmp_path) -> None:
    holders.write(tmp_path, holder._replace(operation="x" * 900))
    holders.write(tmp_path, holder)
    assert holders.read(tmp_path) == holder
    holders.clear(tmp_path)
    assert holders.read(tmp_path) is None
    assert not holders.was_left(tmp_path)


def test_the_kernel_s_list_of_locks_tells_who_holds_the_folder(proc, tmp_path) -> None:
    status = tmp_path.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    lines = [
        f"1: POSIX  ADVISORY  WRITE 11 {device}:{status.st_ino} 0 EOF",
        f"2: FLOCK  ADVISORY  WRITE 12 {device}:{status.st_ino + 1} 0 EOF",
        f"3: FLOCK  ADVISORY  WRITE 13 {device}:{status.st_ino} 0 EOF",
        f"3: -> FLOCK  ADVISORY  WRITE 14 {device}:{status.st_ino} 0 EOF",
    ]
    (proc / "locks").write_text("\n".join(lines))
    assert holders.find_locker(tmp_path, proc) == 13
    (proc / "locks").write_text("\n".join(lines[:2]))
    assert holders.find_locker(tmp_path, proc) is None


def test_where_the_kernel_tells_nothing_nobody_is_found(tmp_path) -> None:
    empty = tmp_path / "empty"
    assert holders.find_locker(tmp_path, empty) is None
    assert holders.read_boot_id(empty) == ""
    assert holders.read_start_time(1, empty) is None


def test_a_process_without_a_record_is_described_by_what_the_kernel_knows(proc) -> None:
    found = holders.name_stranger(77, proc)
    assert (found.pid, found.start_time, found.operation, found.boot_id) == (77, 4242, "unknown", "boot-1")
    assert found.up == 4242 / os.sysconf("SC_CLK_TCK")


def test_this_process_reads_its_own_start_and_boot_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = holders.describe_self("apply", "p1")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: pytest.fail("read a file again"))
    again = holders.describe_self("apply", "p2")
    assert (again.pid, again.start_time, again.boot_id) == (first.pid, first.start_time, first.boot_id)
    assert first.start_time
    assert first.boot_id


def test_what_could_not_be_read_is_read_the_next_time(tmp_path: Path) -> None:
    assert holders.describe_self("apply", "p1", tmp_path).boot_id == ""
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("b1\n")
    assert holders.describe_self("apply", "p1", tmp_path).boot_id == "b1"


@pytest.mark.world
def test_a_fork_describes_itself_and_not_its_parent() -> None:
    parent = holders.describe_self("apply", "p1")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            own = holders.describe_self("apply", "p1")
            os.write(writing, f"{own.pid} {own.start_time} {holders.read_start_time(os.getpid())}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as stream:
        pid, described, real = map(int, stream.read().split())
    assert pid == child != parent.pid
    assert described == real
