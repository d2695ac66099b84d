"""A daemon that runs for months keeps nothing of the jobs that have ended."""

import gc
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.apply.workers import Attempt
from herocloud.model.plans import Plan
from herocloud.rpc.daemon import allocator, daemon_process, service

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
