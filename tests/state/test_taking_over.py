"""Who died holding the lock is taken over with a note, and nothing that happens to its record can split or block the lock."""

import os
import shutil
from contextlib import AbstractContextManager

import pytest

from herocloud.model.errors import Locked
from herocloud.state import holders, locking, state_files


def hold(folder, note=lambda _text: None) -> AbstractContextManager[None]:
    return locking.hold(folder, "resume", None, 0.0, note)


def test_a_dead_holder_is_taken_over_with_a_note(folder, hold_elsewhere) -> None:
    first = hold_elsewhere()
    first.kill()
    first.wait()
    assert locking.read_holder(folder) is None
    notes: list[str] = []
    with hold(folder, note=notes.append):
        assert locking.read_holder(folder).pid == os.getpid()
    (note,) = notes
    assert f"took over the lock of `apply` of plan p-first (process {first.pid} of " in note


def test_a_takeover_is_told_once(folder, hold_elsewhere) -> None:
    first = hold_elsewhere()
    first.kill()
    first.wait()
    notes: list[str] = []
    for _ in range(2):
        with hold(folder, note=notes.append):
            pass
    assert len(notes) == 1


@pytest.mark.parametrize("content", [b"\x00\xff", b"{", b"[]", b'{"pid": 1}', b"x" * 100_000])
def test_a_record_that_cannot_be_read_keeps_nobody_from_the_lock(folder, content) -> None:
    folder.mkdir()
    state_files.holder(folder).write_bytes(content)
    assert locking.read_holder(folder) is None
    notes: list[str] = []
    with hold(folder, note=notes.append):
        assert locking.read_holder(folder).pid == os.getpid()
    assert notes == ["took over the lock of a process that is gone and whose record cannot be read"]


def test_a_holder_whose_record_cannot_be_read_is_still_found_by_the_kernel(folder, hold_elsewhere) -> None:
    first = hold_elsewhere()
    state_files.holder(folder).write_bytes(b"{")
    holder = locking.read_holder(folder)
    assert (holder.pid, holder.operation, holder.plan) == (first.pid, "unknown", None)
    with pytest.raises(Locked, match="a process that has not said its name"), hold(folder):
        pass


def test_removing_the_record_does_not_split_the_lock(folder, hold_elsewhere) -> None:
    hold_elsewhere()
    state_files.holder(folder).unlink()
    with pytest.raises(Locked), hold(folder):
        pass


def test_a_record_of_another_host_names_it_and_does_not_block(folder) -> None:
    folder.mkdir()
    stranger = holders.describe_self("apply", "p9")._replace(host="node7", user="ada", boot_id="elsewhere", pid=1)
    holders.write(folder, stranger)
    assert locking.read_holder(folder) == stranger
    notes: list[str] = []
    with hold(folder, note=notes.append):
        pass
    assert "(process 1 of ada on node7)" in notes[0]


def test_a_disk_that_fails_at_the_end_does_not_spoil_what_was_done(folder, inject) -> None:
    inject("state.lock.release:1:eio")
    with hold(folder):
        pass
    inject()
    notes: list[str] = []
    with hold(folder, note=notes.append):
        pass
    assert "took over" in notes[0]


def test_a_folder_that_is_gone_at_the_end_is_no_error(folder) -> None:
    with hold(folder):
        shutil.rmtree(folder)
    assert locking.read_holder(folder) is None
