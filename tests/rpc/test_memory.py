"""A daemon that runs for months keeps nothing of the jobs that have ended."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from herocloud.apply.workers import Attempt
from herocloud.model.plans import Plan
from herocloud.rpc import service

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
