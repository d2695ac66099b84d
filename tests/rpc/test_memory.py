"""A daemon that runs for months keeps nothing of the jobs that have ended."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.apply.workers import Attempt
from herocloud.kits import unused_memory
from herocloud.model.plans import Plan
from herocloud.rpc.daemon import allocator, daemon_process, service
from herocloud.rpc.supervision import chores

SECONDS = 30


@pytest.fixture
def collector_off() -> Iterator[None]:
    """Begin as the command line does, which ends before there is anything to collect."""
    was_on = gc.isenabled()
    gc.disable()
    yield
    gc.unfreeze()
    (gc.enable if was_on else gc.disable)()


@pytest.mark.usefixtures("collector_off")
def test_a_daemon_collects_garbage_though_commands_do_not() -> None:
    service._set_apart_what_stays()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


@pytest.mark.usefixtures("collector_off")
def test_jobs_leave_nothing_to_the_collector(daemon: Any) -> None:
    gc.collect()
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=SECONDS)["sid"]
    for method in ("stop_vm", "start_vm", "delete_vm"):
        daemon.call(method, sid=sid, wait=SECONDS)
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        left = [type(found).__name__ for found in gc.garbage if isinstance(found, Plan | Attempt)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert left == []


def test_connections_that_stay_open_keep_little_of_their_files(start: Any) -> None:
    daemon = start(upkeep=False)
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=SECONDS)["sid"]
    assert daemon.call("get_vm", sid=sid)["sid"] == daemon.call("list_vms")[0]["sid"]
    service = daemon.service
    with service.kept.borrow() as store, service.store._file.read() as jobs:
        readers = [reader._store._connection for reader in (service.reader, service.finder)]
        opened = [store._connection, store._asking[1], *readers, service.store._file._connection, jobs]
        assert len(set(opened)) == 6
        # Below zero it is in KiB, and SQLite's own limit is -2000.
        assert [connection.execute("PRAGMA cache_size").fetchone() for connection in opened] == [(-512,)] * 6


def test_what_lies_unused_between_pieces_in_use_is_given_back() -> None:
    pieces = [b"x" * 20_000 for _ in range(2000)]
    with_it_all = resident_bytes()
    # The last one stays, and all that was before it lies below.
    del pieces[:-1]
    unused_memory.give_back()
    assert with_it_all - resident_bytes() > 30_000_000


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_daemon_gives_back_by_the_clock(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given_back = threading.Semaphore(0)
    monkeypatch.setattr(unused_memory, "give_back", given_back.release)
    start(look_seconds=0.1, intervals=chores.Intervals(memory=0.1))
    assert all(given_back.acquire(timeout=60) for _ in range(2))


@pytest.fixture
def started(herocloud: Any) -> Iterator[daemon_process.Process]:
    """A daemon in the foreground of a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="hc-memory-"))
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(herocloud.data_folder), "daemon", "run"]
    process = subprocess.Popen([*command, "--socket", str(folder / "rpc.sock")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    found = None
    while found is None or not daemon_process.is_answering(found):
        assert process.poll() is None
        assert time.monotonic() < deadline
        found = daemon_process.find(herocloud.data_folder)
    assert found.pid == process.pid
    yield found
    process.terminate()
    process.wait()
    shutil.rmtree(folder)


def test_threads_of_a_daemon_keep_no_memory_for_themselves(started: daemon_process.Process) -> None:
    variables = Path(f"/proc/{started.pid}/environ").read_bytes().split(b"\0")
    assert b"GLIBC_TUNABLES=glibc.malloc.tcache_count=0" in variables


def test_what_a_daemon_starts_is_given_none_of_that() -> None:
    environment = allocator.for_a_daemon({"PATH": "/bin"})
    allocator.begin_again([], environment)
    assert environment == {"PATH": "/bin"}


def test_tunables_of_somebody_else_stay() -> None:
    environment = {"GLIBC_TUNABLES": "glibc.malloc.check=1"}
    allocator.begin_again([], environment)
    assert environment == allocator.for_a_daemon(environment) == {"GLIBC_TUNABLES": "glibc.malloc.check=1"}
