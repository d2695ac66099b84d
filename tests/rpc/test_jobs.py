"""Jobs and the requests that race with their ends: whatever comes first counts, and one that has ended stays as it is."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from herocloud.rpc.client import AsyncClient, Client

SECONDS = 30


def tell_after(daemon: Any, monkeypatch: pytest.MonkeyPatch, kind: str, act: Any) -> list[Any]:
    """Have something done from outside just before an event of a job is told; returns what came of it."""
    jobs, found = daemon.service.jobs, []
    tell = jobs.tell

    def wrapped(run: Any, told: str, *given: Any, **named: Any) -> None:
        if told == kind and not found:
            found.append(act(run.id))
        tell(run, told, *given, **named)

    monkeypatch.setattr(jobs, "tell", wrapped)
    return found


def test_a_job_that_is_cancelled_in_the_moment_of_its_end_has_ended(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, cancelled = daemon.service.jobs, []
    drop = jobs._drop

    def cancel_first(run: Any, error: Any) -> None:
        cancelled.append(daemon.call("cancel_job", job_id=run.id))
        drop(run, error)

    monkeypatch.setattr(jobs, "_drop", cancel_first)
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=SECONDS)
    assert cancelled[0]["status"] == "done"
    assert job["status"] == "done"
    assert daemon.call("get_job", job_id=job["job_id"])["status"] == "done"
    assert daemon.call("cancel_job", job_id=job["job_id"])["status"] == "done"
    assert daemon.call("list_jobs", open_only=True) == []
    with Client(daemon.path) as client:
        assert client.wait(job, timeout=SECONDS)["status"] == "done"

    async def wait() -> str:
        async with AsyncClient(daemon.path) as client:
            return (await client.wait(job, timeout=SECONDS))["status"]

    assert asyncio.run(wait()) == "done"


def test_a_job_that_is_cancelled_while_it_runs_ends_once(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled = tell_after(daemon, monkeypatch, "job_started", lambda job: daemon.call("cancel_job", job_id=job))
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", idempotency_key="k")
    ended = daemon.call("wait_job", job_id=job["job_id"], timeout=SECONDS)
    assert cancelled[0]["status"] == "cancelling"
    assert ended["status"] in {"done", "cancelled"}
    daemon.service.events.flush()
    types = [event["type"] for event in daemon.call("events", **{"from": 1})["events"]]
    assert len([kind for kind in types if kind in {"job_done", "job_failed", "job_cancelled"}]) == 1


def test_an_open_job_is_listed_however_many_newer_ones_have_ended(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(_job: str) -> None:
        if begun.is_set():
            return
        begun.set()
        assert go_on.wait(SECONDS)

    tell_after(daemon, monkeypatch, "job_started", hold)
    oldest = daemon.call("deploy_vm", name="slow", slice_sid="s1", image="tiny")["job_id"]
    assert begun.wait(SECONDS)
    for number in (2, 3):
        assert daemon.call("deploy_vm", name=f"quick{number}", slice_sid=f"s{number}", image="tiny", wait=SECONDS)["status"] == "done"
    assert [job["job_id"] for job in daemon.call("list_jobs", limit=1, open_only=True)] == [oldest]
    go_on.set()
    assert daemon.call("wait_job", job_id=oldest, timeout=SECONDS)["status"] == "done"


def test_a_job_that_is_cancelled_again_still_ends_the_steps_that_it_is_in(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []

    def cancel_often(job: str) -> None:
        run = daemon.service.jobs._runs[int(job[1:])]
        for at_once in (False, False, False, True, False, True):
            daemon.call("cancel_job", job_id=job, at_once=at_once)
            waits.append(run.interrupts.unheeded)

    tell_after(daemon, monkeypatch, "job_started", cancel_often)
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny")
    assert daemon.call("wait_job", job_id=job["job_id"], timeout=SECONDS)["status"] == "cancelled"
    # Two that nothing was done about yet are what ends an apply at once.
    assert waits == [1, 1, 1, 2, 2, 2]


def test_a_cancelled_job_ends_its_steps_also_when_the_daemon_ends(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []

    def cancel_and_end(job: str) -> None:
        run = daemon.service.jobs._runs[int(job[1:])]
        daemon.call("cancel_job", job_id=job)
        waits.append(run.interrupts.unheeded)
        daemon.service.jobs.close(0.0)
        waits.append(run.interrupts.unheeded)

    tell_after(daemon, monkeypatch, "job_started", cancel_and_end)
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny")
    assert daemon.call("wait_job", job_id=job["job_id"], timeout=SECONDS)["status"] == "cancelled"
    assert waits == [1, 1]


def test_a_cancelled_job_of_the_queue_never_begins(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=SECONDS)["sid"]
    begun, go_on = threading.Event(), threading.Event()

    def hold(_job: str) -> None:
        begun.set()
        assert go_on.wait(SECONDS)

    tell_after(daemon, monkeypatch, "job_started", hold)
    first = daemon.call("stop_vm", sid=sid)
    assert begun.wait(SECONDS)
    second = daemon.call("start_vm", sid=sid)
    assert daemon.call("cancel_job", job_id=second["job_id"])["status"] == "cancelling"
    go_on.set()
    ended = daemon.call("wait_job", job_id=second["job_id"], timeout=SECONDS)
    assert (ended["status"], ended["started_at"]) == ("cancelled", None)
    assert daemon.call("wait_job", job_id=first["job_id"], timeout=SECONDS)["status"] == "done"
    assert daemon.call("get_vm", sid=sid)["status"] == "stopped"


def test_a_state_that_is_away_for_a_moment_is_an_error_and_ends_jobs(daemon: Any) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    (daemon.folder / "state.db").rename(daemon.folder / "away")
    assert daemon.refused("list_vms").code < -32000
    asked = daemon.refused("stop_vm", sid=sid, wait=30)
    assert asked.code < -32000
    (daemon.folder / "away").rename(daemon.folder / "state.db")
    assert daemon.call("list_jobs", open_only=True) == []
    assert daemon.call("stop_vm", sid=sid, wait=30)["result"]["status"] == "stopped"


def test_callers_that_wait_are_answered_also_when_the_end_of_a_job_cannot_be_written(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    jobs = daemon.service.jobs

    def fail(*_given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(daemon.service.store, "end_job", fail)
    asked = daemon.call("stop_vm", sid=sid)
    assert daemon.call("wait_job", job_id=asked["job_id"], timeout=30)["status"] == "running"
    assert not jobs._runs, "the next daemon finds the row open, and nobody waits for this one"


def wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < ends
        threading.Event().wait(0.002)


class WatchedTurn:
    """The turn of the jobs; tells after each time that somebody left it."""

    def __init__(self, turn: Any, left: Callable[[], None]) -> None:
        self._turn, self._left = turn, left

    def __enter__(self) -> None:
        self._turn.acquire()

    def __exit__(self, *_: object) -> None:
        self._turn.release()
        self._left()


def test_a_job_that_is_asked_for_in_the_moment_of_the_last_one_s_end_runs_once(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, executed, again = daemon.service.jobs, [], threading.Event()
    asked, answers = threading.Event(), queue.SimpleQueue[Any]()
    execute = jobs._execute

    def count(run: Any, work: Any) -> None:
        executed.append(run.id)
        if executed.count(run.id) > 1:
            again.set()
        elif asked.is_set() and not again.is_set():
            # Whoever else runs it has come before it ends.
            assert again.wait(SECONDS)
        execute(run, work)

    def ask_in_between() -> None:
        if not asked.is_set() and any(not lane for lane in list(jobs._lanes.values())):
            asked.set()
            answers.put(daemon.call("deploy_vm", name="web", slice_sid="s2", image="tiny"))

    monkeypatch.setattr(jobs, "_execute", count)
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=SECONDS)["sid"]
    monkeypatch.setattr(jobs, "_turn", WatchedTurn(jobs._turn, ask_in_between))
    first = daemon.call("delete_vm", sid=sid, wait=SECONDS)
    wait_until(lambda: asked.is_set() or not jobs._lanes)
    second = answers.get(timeout=SECONDS) if asked.is_set() else daemon.call("deploy_vm", name="web", slice_sid="s2", image="tiny")
    second = daemon.call("wait_job", job_id=second["job_id"], timeout=SECONDS)
    assert (second["status"], second["error"]) == ("done", None)
    third = daemon.call("stop_vm", sid=second["sid"], wait=SECONDS)
    assert [executed.count(job["job_id"]) for job in (first, second, third)] == [1, 1, 1]
