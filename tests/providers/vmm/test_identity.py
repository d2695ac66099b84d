"""A process is known by its number and its start in one boot of the host, and by nothing less."""

import errno
import fcntl
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from herocloud.providers.vmm import identity


def test_a_process_that_was_started_is_proven_to_run(stand) -> None:
    known = stand.start("sleep", "60")
    assert identity.is_alive(known)
    assert identity.running(stand.data, stand.sid) == known
    assert known.boot == identity.boot_id()
    assert known.socket == str(stand.data / "qmp.sock")


def test_it_stays_the_same_when_the_shell_has_become_the_program(stand, eventually) -> None:
    known = stand.start("sleep", "60")
    assert eventually(lambda: b"sleep" in Path(f"/proc/{known.pid}/cmdline").read_bytes())
    assert identity.is_alive(known)


def test_the_number_of_somebody_else_proves_nothing(stand) -> None:
    known = stand.start("sleep", "60")
    assert not identity.is_alive(known._replace(started=known.started + 1))
    assert not identity.is_alive(known._replace(pid=os.getpid()))
    assert not identity.is_alive(known._replace(boot="of another day"))


def test_no_signal_goes_to_somebody_else(stand) -> None:
    known = stand.start("sleep", "60")
    identity.send(known._replace(started=known.started + 1), signal.SIGKILL)
    assert identity.is_alive(known)
    identity.send(known, signal.SIGKILL)
    assert identity.wait_for_death(known, 10)


def test_one_that_nobody_has_waited_for_is_dead(stand) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    try:
        with open(f"/proc/{child}/stat") as stat:  # noqa: PTH123
            stand.record.write_text(f"{identity.boot_id()}\n\n\n{stat.read()}")
        known = identity.read(stand.record)
        assert known is not None
        assert identity.wait_for_death(known, 10)
    finally:
        os.waitpid(child, 0)


def test_a_number_that_is_a_thread_s_by_now_is_that_of_a_dead_process() -> None:
    """A process that is buried at the very instant in which it is looked for gives the same answer, but not whenever one wants."""
    asked, number, end = threading.Event(), [], threading.Event()

    def run() -> None:
        number.append(threading.get_native_id())
        asked.set()
        end.wait(60)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert asked.wait(60)
        gone = identity.Identity(number[0], 1, identity.boot_id())
        identity.send(gone, signal.SIGKILL)
        assert identity.wait_for_death(gone, 10)
    finally:
        end.set()
        thread.join()


@pytest.mark.parametrize("number", [errno.ESRCH, errno.EINVAL, errno.ENOENT])
def test_one_that_was_buried_while_the_kernel_looked_is_dead(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def buried(_pid: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "pidfd_open", buried)
    gone = identity.Identity(4242, 1, identity.boot_id())
    identity.send(gone, signal.SIGTERM)
    assert identity.wait_for_death(gone, 10)


def test_a_name_with_brackets_does_not_confuse_it(stand) -> None:
    fields = " ".join(str(number) for number in range(4, 53))
    stand.record.write_text(f"boot\ndigest\nsocket\n77 (a ) b (c) S {fields}\n")
    assert identity.read(stand.record) == (77, 22, "boot", "digest", "socket")


def test_a_record_that_is_not_written_yet_is_none(stand) -> None:
    assert identity.read(stand.record) is None
    stand.record.write_text("")
    assert identity.read(stand.record) is None
    stand.record.write_text("boot\n")
    assert identity.read(stand.record) is None


def test_a_process_whose_record_is_lost_is_found_by_its_token(stand) -> None:
    known = stand.start("sleep", "60")
    booted = known.boot
    stand.record.unlink()
    assert identity.is_there(stand.data, stand.sid, booted)
    found = identity.find(stand.data, stand.sid)
    # And not the shell beside it, which has the same.
    assert found == known._replace(digest="", socket="")
    assert identity.find(stand.data, "v2") is None
    assert not identity.is_there(stand.data, stand.sid, "another boot")


def test_a_lock_is_held_as_long_as_the_process_lives(stand, eventually) -> None:
    known = stand.start("sleep", "60")
    assert identity.is_held(stand.record)
    identity.send(known, signal.SIGKILL)
    assert eventually(lambda: not identity.is_held(stand.record))
    assert not identity.is_there(stand.data, stand.sid, known.boot)


def test_a_lock_that_a_look_holds_is_waited_for_and_that_of_a_process_is_not_taken(tmp_path: Path) -> None:
    record = tmp_path / "process"
    with identity.hold(record) as lock:
        assert lock is not None
        assert identity.is_held(record)
        with identity.hold(record, patience=0.0) as other:
            assert other is None
        looked = threading.Event()

        def take() -> int | None:
            looked.set()
            with identity.hold(record, patience=30.0) as got:
                return got

        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(take)
            assert looked.wait(30)
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert taken.result(30) is not None
    assert not identity.is_held(record)
