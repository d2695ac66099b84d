"""A disk that takes nothing more: refusals that say so, a daemon that says that it cannot work, and nothing lost once there is room."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.store import daemon_file
from herocloud.state.write_queue import WriteQueue


class Disk:
    """A disk on which the daemon's file lies."""

    def __init__(self) -> None:
        self.kind = ""

    def write(self, queue: WriteQueue, writes: list[Any]) -> Any:
        if not self.kind or queue._path.name != daemon_file.FILE:
            return TRANSACT(queue, writes)
        error = sqlite3.OperationalError("the test's disk does not take it")
        error.sqlite_errorname = self.kind
        raise error


TRANSACT = WriteQueue._transact


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()

    def transact(queue: WriteQueue, writes: list[Any]) -> Any:
        return made.write(queue, writes)

    monkeypatch.setattr(WriteQueue, "_transact", transact)
    return made


def codes(refused: Any) -> list[str]:
    return [found["code"] for found in (refused.data or {}).get("diagnostics", ())]


@pytest.mark.parametrize(("kind", "code"), [("SQLITE_FULL", "state-disk-full"), ("SQLITE_IOERR_WRITE", "state-io-error")])
def test_a_change_is_refused_and_health_says_why(daemon: Any, disk: Disk, kind: str, code: str) -> None:
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    disk.kind = kind
    asked: list[tuple[str, dict[str, Any]]] = [
        ("deploy_vm", {"name": "db", "slice_sid": "s2", "image": "tiny"}),
        ("delete_vm", {"sid": sid, "purge": True}),
        ("undo", {"approve": ["destroy"]}),
    ]
    for method, params in asked:
        refused = daemon.refused(method, **params, wait=5)
        assert (method, refused.code, codes(refused)) == (method, -32003, [code])
    health = daemon.request("GET", "/health")
    assert (health.status, health.json["ready"], health.json["status"]) == (503, False, "degraded")
    assert "nothing can be written down" in health.json["reasons"][0]
    disk.kind = ""
    assert daemon.request("GET", "/health").json["ready"]
    assert daemon.call("delete_vm", sid=sid, wait=30)["status"] == "done"


def test_a_refusal_is_answered_though_its_job_cannot_be_forgotten(daemon: Any, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    when(daemon, monkeypatch, lambda: fill(disk))
    assert daemon.refused("deploy_vm", name="web", slice_sid="s1", image="nothing", wait=30).code == -32009
    assert [(job["method"], job["status"]) for job in daemon.call("list_jobs")] == [("deploy_vm", "failed")]
    disk.kind = ""
    wait_for(lambda: [job.status for job in daemon.service.store.list_jobs(10)] == ["failed"])
    assert daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["status"] == "done"


def test_a_job_whose_end_cannot_be_written_has_ended_and_is_written_once_there_is_room(
    daemon: Any, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    when(daemon, monkeypatch, lambda: fill(disk))
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    assert (job["status"], job["result"]["name"]) == ("done", "web")
    assert daemon.call("wait_job", job_id=job["job_id"], timeout=30)["status"] == "done"
    assert daemon.call("list_jobs", open_only=True) == []
    assert [stored.ended for stored in daemon.service.store.list_jobs(10)] == [None]
    disk.kind = ""
    wait_for(lambda: [stored.status for stored in daemon.service.store.list_jobs(10)] == ["done"])
    ends = [event["type"] for event in daemon.call("events", limit=1000)["events"] if event["type"] == "job_done"]
    assert ends == ["job_done"]
    assert daemon.call("delete_vm", sid=job["sid"], wait=30)["status"] == "done"


def fill(disk: Disk) -> None:
    disk.kind = "SQLITE_FULL"


def when(daemon: Any, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Act once a job has begun to work."""
    begin = daemon.service.jobs._begin

    def begun(run: Any) -> None:
        begin(run)
        act()

    monkeypatch.setattr(daemon.service.jobs, "_begin", begun)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        continue
    assert condition()


def test_a_folder_without_room_is_said_before_anything_fails(daemon: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    from herocloud.state import failures

    monkeypatch.setattr(failures, "is_full", lambda asked: asked == folder)
    found = daemon.call("rpc.health")
    assert (found["ready"], found["reasons"]) == (False, ["nothing can be written down: The disk is full"])
