"""A lock that somebody holds is waited for with an end, and a look at a lock disturbs nobody."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from herocloud.kits import durable_files
from herocloud.providers.vmm import identity

pytestmark = pytest.mark.world


@contextmanager
def held(path: Path, how: int) -> Iterator[None]:
    with path.open("a") as stream:
        fcntl.flock(stream, how)
        yield


def test_the_wait_for_a_lock_has_an_end(tmp_path: Path) -> None:
    with held(tmp_path / "lock", fcntl.LOCK_EX):
        assert durable_files.wait_for_lock(tmp_path / "lock", 0.1, lambda: False) is None


def test_an_interrupt_ends_the_wait_for_a_lock(tmp_path: Path) -> None:
    asked = threading.Event()

    def stopped() -> bool:
        asked.set()
        return True

    with held(tmp_path / "lock", fcntl.LOCK_EX):
        assert durable_files.wait_for_lock(tmp_path / "lock", 600, stopped) is None
    assert asked.is_set()


def test_a_free_lock_is_got(tmp_path: Path) -> None:
    got = durable_files.wait_for_lock(tmp_path / "lock", 0.1, lambda: False)
    assert got is not None
    with closing(os.fdopen(got)), (tmp_path / "lock").open("a") as stream, pytest.raises(BlockingIOError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_two_who_look_do_not_take_each_other_for_a_vmm(tmp_path: Path) -> None:
    lock = tmp_path / "process.lock"
    lock.touch()
    with held(lock, fcntl.LOCK_SH):
        assert not identity.is_held(tmp_path / "process")
    with held(lock, fcntl.LOCK_EX):
        assert identity.is_held(tmp_path / "process")
