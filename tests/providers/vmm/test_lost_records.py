"""A process whose record somebody removed or changed is found by what it holds, and no other is taken for it."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from herocloud.providers.vmm import folders, identity, launch, orders
from herocloud.providers.vmm.restarter import VmmRestarter

OLD_ENOUGH = -1.0


@pytest.fixture(autouse=True)
def nobody_is_too_young(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a process count as one that should have written its record, as soon as it is there."""
    monkeypatch.setattr(identity, "_WRITES_RECORD", OLD_ENOUGH)


def _of_a_dead_process(record: Path) -> None:
    *head, stat = record.read_text().splitlines()
    record.write_text("\n".join([*head, f"999999999 {stat.partition(' ')[2]}"]))


def _pipe(record: Path) -> None:
    record.unlink()
    os.mkfifo(record)


def _folder(record: Path) -> None:
    record.unlink()
    record.mkdir()


LOST: dict[str, Callable[[Path], None]] = {
    "removed": Path.unlink,
    "damaged": lambda record: record.write_text("x\n") and None,
    "emptied": lambda record: record.write_text("") and None,
    "of a dead process": _of_a_dead_process,
    "a pipe": _pipe,
    "a folder": _folder,
}


@pytest.mark.parametrize("how", LOST)
def test_it_is_found_and_written_down_again(stand, how: str) -> None:
    first = stand.start("sleep", "60")
    whole = stand.record.read_text()
    assert not identity.is_unrecorded(stand.data, stand.sid)
    LOST[how](stand.record)
    found = identity.running(stand.data, stand.sid)
    assert found is not None
    assert (found.pid, found.started) == (first.pid, first.started)
    assert identity.is_unrecorded(stand.data, stand.sid)
    orders.write_record_again(stand.data, stand.sid)
    assert not identity.is_unrecorded(stand.data, stand.sid)
    assert stand.record.read_text().splitlines()[:3] == whole.splitlines()[:3]
    assert identity.running(stand.data, stand.sid) == first


def test_it_is_found_without_the_shell_that_started_it_too(stand) -> None:
    first = stand.start("sleep", "60")
    for name in ("process", "process.keeper"):
        stand.record.with_name(name).unlink()
    found = identity.running(stand.data, stand.sid)
    assert found is not None
    assert found.pid == first.pid


def test_it_is_found_beside_a_shell_that_waits_for_its_end(stand, eventually) -> None:
    first = stand.start("sleep", "60", restart="always")
    launch.keep(stand.record, kept=True)
    keeper = launch.keeper_of(stand.record)
    identity.send(keeper, signal.SIGKILL)
    assert identity.wait_for_death(keeper, 10)
    VmmRestarter(stand.data, stand.sid).replace_if_dead()
    eventually(lambda: (known := launch.keeper_of(stand.record)) not in (None, keeper) and identity.children(known, "flock"))
    stand.record.unlink()
    assert identity.running(stand.data, stand.sid).pid == first.pid
    assert identity.find(stand.data, stand.sid).pid == first.pid


def test_it_is_found_without_its_lock_while_there_are_orders_for_it(stand) -> None:
    first = stand.start("sleep", "60")
    for path in stand.record.parent.glob("process*"):
        path.unlink()
    found = identity.running(stand.data, stand.sid)
    assert found is not None
    assert found.pid == first.pid
    # A shell would get a new lock at once, and start a second one.
    launch.keep(stand.record, kept=True)
    assert not VmmRestarter(stand.data, stand.sid).replace_if_dead()
    folders.orders_path(stand.record).unlink()
    assert identity.running(stand.data, stand.sid) is None


def test_one_that_may_be_about_to_write_its_record_is_not_taken_for_one_that_lost_it(stand, monkeypatch) -> None:
    monkeypatch.setattr(identity, "_WRITES_RECORD", 3600.0)
    stand.start("sleep", "60")
    stand.record.unlink()
    assert identity.running(stand.data, stand.sid) is None
    assert not identity.is_unrecorded(stand.data, stand.sid)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_process_of_somebody_else_is_not_the_vm_s_because_a_record_says_so(stand, stranger) -> None:
    first = stand.start("sleep", "60")
    head, stat = stand.record.read_text().splitlines()[:3], Path(f"/proc/{stranger.pid}/stat").read_text()
    stand.record.write_text("\n".join([*head, stat]))
    found = identity.running(stand.data, stand.sid)
    assert found is not None
    assert found.pid == first.pid
    assert identity.is_unrecorded(stand.data, stand.sid)
    identity.send(first, signal.SIGKILL)
    assert identity.wait_for_death(first, 10)
    assert identity.running(stand.data, stand.sid) is None
    assert stranger.poll() is None
