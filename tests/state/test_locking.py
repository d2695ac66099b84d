"""One writer at a time; a dead one is taken over, a living one is named, and nobody waits for ever."""

import fcntl
import os
import re
from contextlib import AbstractContextManager

import pytest

from herocloud.model.errors import Locked
from herocloud.state import locking


class Clock:
    """A clock that moves only while somebody pauses."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []
        self.at_pause = lambda: None

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        self.at_pause()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def hold(folder, operation="resume", plan=None, *, timeout=0.0, note=lambda _text: None, clock=None) -> AbstractContextManager[None]:
    more = {} if clock is None else {"clock": clock, "pause": clock.pause}
    return locking.hold(folder, operation, plan, timeout, note, **more)


def test_the_lock_makes_its_folder_and_names_its_holder(folder) -> None:
    with hold(folder, "apply", "p1"):
        holder = locking.read_holder(folder)
        assert (holder.pid, holder.operation, holder.plan, holder.host) == (os.getpid(), "apply", "p1", os.uname().nodename)
        assert holder.is_alive()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert locking.read_holder(folder) is None


def test_the_lock_is_free_after_an_error_inside(folder) -> None:
    with pytest.raises(RuntimeError), hold(folder):
        raise RuntimeError
    with hold(folder):
        pass


def test_a_living_holder_is_named_with_all_that_is_known(folder, hold_elsewhere) -> None:
    first = hold_elsewhere()
    with pytest.raises(Locked) as caught, hold(folder):
        pass
    (found,) = caught.value.diagnostics
    assert found.code == "state-locked"
    for word in (str(folder), "`apply`", "p-first", f"process {first.pid}", os.uname().nodename, "UTC", "ago", "--lock-timeout"):
        assert word in found.detail
    assert "after waiting" not in found.detail


def test_waiting_ends_with_the_time_that_was_given(folder, hold_elsewhere, clock) -> None:
    hold_elsewhere()
    notes: list[str] = []
    with pytest.raises(Locked, match="after waiting 30 s"), hold(folder, timeout=30.0, note=notes.append, clock=clock):
        pass
    assert clock.now == pytest.approx(1030.0)
    assert max(clock.pauses) <= 0.5
    assert len(notes) == 1
    assert notes[0].startswith("waiting up to 30 s for `apply` of plan p-first (process ")


def test_the_wait_is_over_as_soon_as_the_holder_is_done(folder, hold_elsewhere, clock) -> None:
    first = hold_elsewhere()
    notes: list[str] = []

    def let_go() -> None:
        first.communicate()

    clock.at_pause = let_go
    with hold(folder, timeout=30.0, note=notes.append, clock=clock):
        assert locking.read_holder(folder).pid == os.getpid()
    assert len(clock.pauses) == 1
    assert not [note for note in notes if "took over" in note]


def test_a_clock_that_was_set_back_changes_no_duration(folder, hold_elsewhere, monkeypatch) -> None:
    hold_elsewhere()
    monkeypatch.setattr("time.time", lambda: 0.0)
    with pytest.raises(Locked) as caught, hold(folder):
        pass
    assert re.search(r", \d+(\.\d)? s ago\.", caught.value.diagnostics[0].detail)


def test_looking_at_the_holder_never_keeps_a_writer_away(folder, monkeypatch) -> None:
    locks: list[int] = []
    with hold(folder):
        monkeypatch.setattr(fcntl, "flock", lambda _descriptor, how: locks.append(how))
        assert locking.read_holder(folder) is not None
    assert locks == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path, refused_with) -> None:
    (tmp_path / "file").write_text("")

    def enter() -> None:
        with hold(tmp_path / "file" / "data"):
            pass

    assert refused_with(enter).code == "state-unusable"


@pytest.mark.parametrize(("what", "code"), [("enospc", "state-disk-full"), ("erofs", "state-read-only")])
def test_a_disk_that_takes_no_record_is_told_before_anything_begins(what, code, folder, inject, refused_with) -> None:
    inject(f"state.lock.taken:1:{what}")

    def enter() -> None:
        with hold(folder):
            pytest.fail("the block must not be entered")

    assert refused_with(enter).code == code
    inject()
    with hold(folder):
        pass
