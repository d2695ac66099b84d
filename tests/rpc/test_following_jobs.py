"""Programs that wait for the end of a job by its events: they hear of it over a killed daemon, a lost log, and events thrown away."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.rpc.client import AsyncClient, CallError, Client, ConnectionLost, NoDaemon
from herocloud.rpc.store import daemon_file
from herocloud.rpc.store.daemon_store import NewEvent
from tests.rpc.test_killing import Processes

SECONDS = 60.0
Follow = Callable[[Path, str], list[str]]


def follow_blocking(path: Path, job: str) -> list[str]:
    with Client(path) as client:
        return [event["type"] for event in client.follow_job(job)]


def follow_awaited(path: Path, job: str) -> list[str]:
    async def follow() -> list[str]:
        async with AsyncClient(path) as client:
            return [event["type"] async for event in client.follow_job(job)]

    return asyncio.run(follow())


both = pytest.mark.parametrize("follow", [follow_blocking, follow_awaited])


class Following:
    """Somebody who follows a job in a thread."""

    def __init__(self, follow: Follow, daemon: Any, job: str) -> None:
        self.seen: list[str] = []
        self.connected = threading.Event()
        subscribed = daemon.service.events.subscribe

        def subscribe(wake: Any) -> Any:
            leave = subscribed(wake)
            self.connected.set()
            return leave

        daemon.service.events.subscribe = subscribe
        self.refused: list[CallError] = []

        def read() -> None:
            try:
                self.seen += follow(daemon.path, job)
            except CallError as error:
                self.refused.append(error)

        self._thread = threading.Thread(target=read, daemon=True)
        self._thread.start()
        assert self.connected.wait(SECONDS)

    def ends(self) -> bool:
        self._thread.join(SECONDS)
        return not self._thread.is_alive()


def begin_slowly(folder: Path) -> None:
    (folder / "scenario.yaml").write_text('rules:\n  - {address: "vm.web", step: "*boot*", delay: 3 s}\n', encoding="utf-8")
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write("simulator: {scenario: ./scenario.yaml}\n")


@both
def test_a_job_is_followed_to_its_end(start: Any, folder: Path, follow: Follow) -> None:
    begin_slowly(folder)
    daemon = start()
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny")
    following = Following(follow, daemon, job["job_id"])
    assert following.ends()
    assert following.seen[-1] == "job_done"
    assert follow(daemon.path, job["job_id"]) == []


@both
def test_it_ends_though_the_event_is_not_in_the_log_any_more(start: Any, folder: Path, follow: Follow) -> None:
    begin_slowly(folder)
    daemon = start()
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny")
    following = Following(follow, daemon, job["job_id"])
    daemon.close()
    # The next daemon ends the job, and forgets all events but one, before anybody is back.
    second = start()
    second.call("wait_job", job_id=job["job_id"], timeout=SECONDS)
    for number in range(5):
        second.service.events.add(NewEvent("vm_state", data={"number": number}))
    second.service.events.flush()
    second.service.store.prune(1e9, 1)
    assert following.ends()


@both
def test_it_says_that_the_job_is_not_known_where_the_log_was_begun_anew(start: Any, folder: Path, follow: Follow) -> None:
    begin_slowly(folder)
    daemon = start()
    first = daemon.call("deploy_vm", name="db", slice_sid="s2", image="tiny", wait=SECONDS)
    daemon.call("stop_vm", sid=first["sid"], wait=SECONDS)
    job = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny")
    following = Following(follow, daemon, job["job_id"])
    daemon.close()
    (folder / daemon_file.FILE).unlink()
    start()
    assert following.ends()
    assert [error.code for error in following.refused] == [-32001]


def read_until(path: Path, first: int, kind: str) -> list[dict[str, Any]]:
    found = []
    with Client(path) as client, contextlib.closing(client.stream_events(first)) as events:
        for event in events:
            found.append(dict(event))
            if event["type"] == kind:
                break
    return found


def test_a_stream_says_that_events_were_thrown_away(daemon: Any) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=SECONDS)
    daemon.service.store.prune(1e9, 2)
    daemon.close()
    # Not from memory.
    with contextlib.closing(type(daemon)(daemon.folder)) as again:
        last = again.service.events.last
        told, *rest = read_until(again.path, 3, "job_done")
    assert (told["type"], told["seq"], told["data"]) == ("events_forgotten", last - 2, {"asked": 3, "goes_on": last - 1})
    assert [event["seq"] for event in rest] == [last - 1, last]


def test_a_stream_says_that_the_log_was_begun_anew(daemon: Any) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=SECONDS)
    last = daemon.service.events.last
    told, *rest = read_until(daemon.path, last + 1000, "job_done")
    assert (told["type"], told["data"]) == ("events_forgotten", {"asked": last + 1000, "goes_on": 1})
    assert [event["seq"] for event in rest] == list(range(1, len(rest) + 1))


def test_a_stream_from_what_comes_next_has_nothing_to_say(daemon: Any) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=SECONDS)
    daemon.service.events.flush()
    first = daemon.service.events.last + 1
    reader = threading.Thread(target=lambda: seen.extend(read_until(daemon.path, first, "job_done")), daemon=True)
    seen: list[dict[str, Any]] = []
    reader.start()
    daemon.call("stop_vm", sid="vnyhs9", wait=SECONDS)
    reader.join(SECONDS)
    assert [event["seq"] for event in seen] == list(range(first, first + len(seen)))


def test_who_hears_of_the_end_finds_the_job_ended(daemon: Any) -> None:
    for number in range(1, 5):
        daemon.call("deploy_vm", name=f"vm-{number}", slice_sid=f"s{number}", image="tiny")
    found: list[Any] = []
    heard = daemon.service.store._writes.heard

    def hear(answers: list[Any]) -> None:
        found.extend(daemon.service.jobs.find(event.job).ended for event in answers if event.type == "job_done")
        heard(answers)

    daemon.service.store._writes.heard = hear
    for job in daemon.call("list_jobs"):
        daemon.call("wait_job", job_id=job["job_id"], timeout=SECONDS)
    for number in (5, 6):
        daemon.call("deploy_vm", name=f"vm-{number}", slice_sid=f"s{number}", image="tiny", wait=SECONDS)
    assert len(found) >= 2
    assert None not in found


@pytest.fixture
def processes(folder: Path) -> Iterator[Processes]:
    made = Processes(folder)
    yield made
    made.close()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["job.end.before", "job.end.after"])
def test_the_end_of_a_job_and_its_event_are_written_as_one(processes: Processes, moment: str) -> None:
    client = processes.start(HEROCLOUD_FAULTS=f"{moment}:1:kill")
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("deploy_vm", {"name": "web", "slice_sid": "s1", "image": "tiny", "wait": 30})
    assert processes.has_died()
    client = processes.start()
    assert client.wait("j1", timeout=SECONDS)["status"] == "done"
    assert [event["type"] for event in client.events(limit=1000)["events"]].count("job_done") == 1
