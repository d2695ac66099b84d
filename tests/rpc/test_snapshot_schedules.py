"""Snapshots that the daemon takes by `snapshots: {keep, every, memory}`, on a clock that stands where the test puts it."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.apply.steering import Interrupts, Options
from herocloud.model import errors
from herocloud.model.applies import Caller, Scope
from herocloud.operations import admission
from herocloud.operations.callers import How
from herocloud.providers.simulator.driving import SimulatorDriver
from herocloud.rpc.store import daemon_file
from herocloud.rpc.store.daemon_store import DaemonStore, StoredSchedule
from herocloud.rpc.supervision import chores, snapshot_schedules

HOUR = 3600
STACK = """\
stack: shop
vms:
  db: {image: tiny, memory: 2 GiB, snapshots: {keep: 2, every: 1 h%s}}
"""


class Clocked:
    """A daemon with its clock, which looks at its schedules when told to."""

    def __init__(self, start: Callable[..., Any], at: float = 1_700_000_000.0) -> None:
        self.at = at
        self._start = start
        self.daemon = self._begin()

    def _begin(self) -> Any:
        return self._start(upkeep=False, clock=lambda: self.at)

    def again(self) -> None:
        """End the daemon, and start the next one."""
        self.daemon.close()
        self.daemon = self._begin()

    @property
    def schedules(self) -> snapshot_schedules.SnapshotSchedules:
        return self.daemon.service.upkeep.chores.schedules

    def apply(self, yaml: str = STACK % "") -> None:
        plan = self.daemon.call("plan_stack", yaml=yaml)
        job = self.daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create", "update", "destroy"], wait=60)
        assert job["status"] == "done", job

    def look(self, *, begins: bool | None = None) -> list[str]:
        """Let the daemon look once, and wait for what it began; returns the names of the VMs' scheduled snapshots."""
        before = len(self.jobs())
        self.daemon.service.sight.look_now()
        self.schedules.look()
        for job in self.daemon.call("list_jobs", open_only=True):
            self.daemon.call("wait_job", job_id=job["job_id"], timeout=60)
        began = len(self.jobs()) - before
        assert begins is None or began == int(begins), self.jobs()
        return self.scheduled()

    def jobs(self) -> list[Any]:
        return [job for job in self.daemon.call("list_jobs", limit=1000) if job["method"] == "snapshot_schedule"]

    def scheduled(self) -> list[str]:
        self.daemon.service.sight.look_now()
        return [one["name"] for one in self.daemon.call("list_snapshots") if one["scheduled"]]

    def happened(self, kind: str) -> list[Any]:
        self.daemon.service.events.flush()
        return [event["data"] for event in self.daemon.call("events", **{"from": 1, "limit": 1000})["events"] if event["type"] == kind]

    @property
    def sid(self) -> str:
        return str(self.daemon.call("list_vms", stack="shop")[0]["sid"])


@pytest.fixture
def clocked(start: Any) -> Clocked:
    made = Clocked(start)
    made.apply()
    made.look(begins=False)
    return made


# Some minutes more than an hour: what is due comes within the next twentieth of the interval.
STEP = HOUR + HOUR // 20


def test_a_snapshot_is_taken_an_interval_after_the_schedule_is_first_seen(clocked: Clocked) -> None:
    clocked.at += HOUR - 1
    assert clocked.look(begins=False) == []
    clocked.at += 1 + HOUR // 20
    began = int(time.time())
    assert len(clocked.look(begins=True)) == 1
    (one,) = clocked.daemon.call("list_snapshots")
    assert (one["scheduled"], one["memory_bytes"], one["name"]) == (True, None, "auto-20231114-231620")
    # Its VM was held then, by a clock that is not the one of the schedule here.
    assert one["created_at"] >= began
    assert clocked.happened("vm_snapshot_taken") == [{"name": "auto-20231114-231620"}]
    entry = clocked.daemon.call("state_log")[0]
    assert (entry["user"], entry["command"], entry["outcome"]) == ("daemon", "rpc snapshot_schedule", "done")
    clocked.look(begins=False)
    text = clocked.daemon.request("GET", "/metrics").body.decode()
    assert 'herocloud_scheduled_snapshots_total{outcome="taken"} 1' in text
    assert f'herocloud_vm_scheduled_snapshot_timestamp_seconds{{stack="shop",vm="vm.db",sid="{clocked.sid}"}} {int(clocked.at)}' in text


def test_two_within_one_second_have_names_of_their_own(clocked: Clocked) -> None:
    clocked.apply((STACK % "").replace("1 h", "1 s"))
    clocked.at += 0.95
    assert clocked.look() == []
    for _ in range(2):
        clocked.at = float(int(clocked.at)) + 1.1
        clocked.look(begins=True)
    clocked.daemon.call(
        "create_snapshot", sid=clocked.sid, name=clocked.schedules._name_at(clocked.schedules.known()[0].record, clocked.at + 5), wait=30
    )
    clocked.at += 5
    assert clocked.look(begins=True)[-1].endswith("-2")


def test_the_oldest_goes_once_there_is_a_new_one_and_what_a_person_took_stays(clocked: Clocked) -> None:
    clocked.daemon.call("create_snapshot", sid=clocked.sid, name="mine", wait=30)
    seen = []
    for _ in range(4):
        clocked.at += STEP
        seen.append(clocked.look(begins=True))
    assert [len(names) for names in seen] == [1, 2, 2, 2]
    assert seen[3][0] == seen[2][1]
    assert [event["names"] for event in clocked.happened("vm_snapshot_expired")] == [[seen[1][0]], [seen[1][1]]]
    kinds = [
        event["data"]["kind"]
        for event in clocked.daemon.call("events", **{"from": 1, "limit": 1000})["events"]
        if event["type"] == "step_done"
    ]
    assert kinds[-4:] == ["vm.freeze", "snapshot.create", "vm.thaw", "snapshot.delete"]
    assert [one["name"] for one in clocked.daemon.call("list_snapshots") if not one["scheduled"]] == ["mine"]


def test_where_there_is_no_room_for_one_more_the_oldest_goes_first(clocked: Clocked, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        clocked.at += STEP
        before = clocked.look(begins=True)
    monkeypatch.setattr(snapshot_schedules.snapshots, "fits", lambda _planned: False)
    clocked.at += STEP
    after = clocked.look(begins=True)
    assert after[0] == before[1]
    kinds = [
        event["data"]["kind"]
        for event in clocked.daemon.call("events", **{"from": 1, "limit": 1000})["events"]
        if event["type"] == "step_done"
    ]
    assert kinds[-4:] == ["snapshot.delete", "vm.freeze", "snapshot.create", "vm.thaw"]


def test_of_those_that_were_missed_one_is_taken_and_the_next_comes_in_its_time(clocked: Clocked) -> None:
    began = clocked.at
    clocked.again()
    clocked.at += 100 * HOUR + 1800
    clocked.look(begins=True)
    clocked.look(begins=False)
    clocked.at = began + 101 * HOUR - 1
    clocked.look(begins=False)
    clocked.at = began + 101 * HOUR + HOUR // 20
    assert len(clocked.look(begins=True)) == 2


def test_when_the_last_one_was_taken_outlives_the_daemon_and_the_loss_of_its_file(clocked: Clocked, folder: Path) -> None:
    clocked.at += STEP
    clocked.look(begins=True)
    clocked.again()
    clocked.look(begins=False)
    clocked.daemon.close()
    for file in folder.glob("daemon.db*"):
        file.unlink()
    clocked.daemon = clocked._begin()
    clocked.at += HOUR - 60
    clocked.look(begins=False)
    clocked.at += 60 + HOUR // 20
    assert len(clocked.look(begins=True)) == 2


def test_a_clock_that_was_set_back_delays_by_one_interval_at_most(clocked: Clocked) -> None:
    clocked.at += STEP
    clocked.look(begins=True)
    clocked.at -= 1000 * HOUR
    clocked.look(begins=False)
    clocked.at += STEP
    assert len(clocked.look(begins=True)) == 2


def test_one_that_failed_before_the_clock_was_set_back_is_tried_again_within_the_longest_pause(clocked: Clocked) -> None:
    clocked.at += 1000 * HOUR
    clocked.schedules._fail(clocked.schedules.known()[0], errors.Permanent("no"))
    clocked.at -= 1000 * HOUR
    clocked.look(begins=False)
    clocked.at += STEP
    assert len(clocked.look(begins=True)) == 1


def test_one_that_a_killed_daemon_took_is_not_taken_again(clocked: Clocked) -> None:
    clocked.at += STEP
    clocked.look(begins=True)
    # What it could not write down any more after the snapshot was in the records.
    sid = clocked.sid
    clocked.daemon.service.store.keep_schedule(StoredSchedule(sid, clocked.at - STEP))
    clocked.again()
    clocked.look(begins=False)
    assert clocked.daemon.service.store.schedules()[sid].slot == clocked.at - STEP + HOUR


def test_a_vm_that_is_off_keeps_those_that_it_has(clocked: Clocked) -> None:
    clocked.daemon.call("stop_vm", sid=clocked.sid, wait=30)
    clocked.at += 10 * HOUR
    assert clocked.look(begins=False) == []
    clocked.daemon.call("start_vm", sid=clocked.sid, wait=30)
    assert len(clocked.look(begins=True)) == 1


def test_memory_is_kept_where_the_policy_says_so(start: Any) -> None:
    clocked = Clocked(start)
    clocked.apply(STACK % ", memory: true")
    clocked.look(begins=False)
    clocked.at += STEP
    clocked.look(begins=True)
    assert clocked.daemon.call("list_snapshots")[0]["memory_bytes"] == 2 * 2**30


def test_a_policy_that_keeps_fewer_deletes_the_rest_and_none_deletes_nothing(clocked: Clocked) -> None:
    for _ in range(2):
        clocked.at += STEP
        before = clocked.look(begins=True)
    clocked.apply((STACK % "").replace("keep: 2", "keep: 1"))
    assert clocked.look(begins=True) == before[1:]
    clocked.apply((STACK % "").replace(", snapshots: {keep: 1, every: 1 h}", "").replace(", snapshots: {keep: 2, every: 1 h}", ""))
    clocked.at += 100 * HOUR
    assert clocked.look(begins=False) == before[1:]
    assert clocked.daemon.service.store.schedules() == {}


def test_while_somebody_works_on_the_vm_it_waits(clocked: Clocked, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clocked.at += STEP
    tried: list[Any] = []
    perform = SimulatorDriver.perform

    def busy(self: SimulatorDriver, step: Any) -> Any:
        if step.step.kind == "vm.pause" and not tried:
            tried.append(clocked.jobs())
            clocked.daemon.service.sight.look_now()
            clocked.schedules.look()
            tried.append(clocked.jobs())
        return perform(self, step)

    monkeypatch.setattr(SimulatorDriver, "perform", busy)
    from herocloud.operations import apply, power
    from herocloud.rpc.jobs import work

    planned = power.plan_power(folder, power.Wanted("pause", "vm.db", "shop"))
    how = work.how_for_edit(clocked.daemon.service.desk, "pause")
    apply.run_made(
        folder, planned, lambda: planned, how, work.only(planned.plan.changing[0].address), address=planned.plan.changing[0].address
    )
    assert tried == [[], []]
    planned = power.plan_power(folder, power.Wanted("resume", "vm.db", "shop"))
    apply.run_made(
        folder, planned, lambda: planned, how, work.only(planned.plan.changing[0].address), address=planned.plan.changing[0].address
    )
    assert len(clocked.look(begins=True)) == 1


def test_one_that_is_under_way_is_not_begun_again(clocked: Clocked, folder: Path) -> None:
    clocked.at += STEP
    clocked.daemon.service.sight.look_now()
    how = How(Options(), None, 5.0, caller=Caller("somebody", "test"), interrupts=Interrupts())  # type: ignore[arg-type]
    with admission.locked(folder, Scope("shop", None), "test", None, how):
        clocked.schedules.look()
        clocked.schedules.look()
        assert [job["status"] for job in clocked.jobs()] == ["running"]
    assert len(clocked.look(begins=False)) == 1


def test_not_more_than_two_vms_are_copied_at_once(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clocked = Clocked(start)
    clocked.apply((STACK % "").replace("db: {", "db: {count: 5, "))
    clocked.look(begins=False)
    clocked.at += STEP
    counts = []
    for _ in range(3):
        clocked.look()
        counts.append(len(clocked.jobs()))
    assert counts == [2, 4, 5]


def test_a_failure_is_told_once_and_tried_again_later_and_later(clocked: Clocked, monkeypatch: pytest.MonkeyPatch) -> None:
    perform = SimulatorDriver.perform

    def fail(self: SimulatorDriver, step: Any) -> Any:
        if step.step.kind == "snapshot.create":
            raise errors.Permanent("the disk is full")
        return perform(self, step)

    monkeypatch.setattr(SimulatorDriver, "perform", fail)
    clocked.at += STEP
    clocked.look(begins=True)
    clocked.look(begins=False)
    for pause in (60, 120, 240):
        clocked.at += pause - 1
        clocked.look(begins=False)
        clocked.at += 1
        clocked.look(begins=True)
    (told,) = clocked.happened("vm_snapshot_failed")
    assert "the disk is full" in told["reason"]
    health = clocked.daemon.call("rpc.health")
    assert (health["status"], health["ready"]) == ("degraded", True)
    assert health["warnings"] == [f"the scheduled snapshot of vm.db of stack shop fails: {told['reason']}"]
    assert "herocloud_snapshot_schedules_failing 1" in clocked.daemon.request("GET", "/metrics").body.decode()
    # The VM was let go each time, and the failure outlives the daemon.
    assert clocked.daemon.call("get_vm", sid=clocked.sid)["status"] == "running"
    clocked.again()
    assert clocked.daemon.call("rpc.health")["warnings"] == health["warnings"]
    monkeypatch.setattr(SimulatorDriver, "perform", perform)
    clocked.at += 480
    assert len(clocked.look(begins=True)) == 1
    assert clocked.daemon.call("rpc.health")["status"] == "ok"


def test_the_pauses_between_tries_have_a_limit(clocked: Clocked) -> None:
    one = clocked.schedules.known()[0]
    for _ in range(40):
        clocked.schedules._fail(one, errors.Permanent("no"))
    assert clocked.daemon.service.store.schedules()[clocked.sid].again == clocked.at + HOUR


def test_one_that_was_cancelled_is_left_out(clocked: Clocked, folder: Path) -> None:
    clocked.at += STEP
    clocked.daemon.service.sight.look_now()
    how = How(Options(), None, 5.0, caller=Caller("somebody", "test"), interrupts=Interrupts())  # type: ignore[arg-type]
    with admission.locked(folder, Scope("shop", None), "test", None, how):
        clocked.schedules.look()
        job = clocked.jobs()[0]["job_id"]
        clocked.daemon.call("cancel_job", job_id=job)
        assert clocked.daemon.call("wait_job", job_id=job, timeout=60)["status"] == "cancelled"
    assert clocked.look(begins=False) == []
    assert clocked.happened("vm_snapshot_failed") == []
    clocked.at += HOUR
    assert len(clocked.look(begins=True)) == 1


def test_a_protected_vm_has_its_schedule_too(start: Any) -> None:
    clocked = Clocked(start)
    clocked.apply((STACK % "").replace("memory: 2 GiB,", "memory: 2 GiB, protect: true,"))
    clocked.look(begins=False)
    for _ in range(3):
        clocked.at += STEP
        clocked.look(begins=True)
    assert [job["status"] for job in clocked.jobs()] == ["done"] * 3


def test_vms_with_one_interval_are_spread_over_a_twentieth_of_it() -> None:
    due = [snapshot_schedules.due_at(StoredSchedule(f"vm{number}", 1000.0), HOUR) for number in range(50)]
    assert all(1000 + HOUR <= at < 1000 + HOUR + HOUR / 20 for at in due)
    assert len({round(at) for at in due}) > 25
    assert max(snapshot_schedules.due_at(StoredSchedule(f"vm{number}", 0.0), 7 * 24 * HOUR) for number in range(50)) < 7 * 24 * HOUR + 600


def test_a_file_of_the_format_before_schedules_is_brought_up_to_date(folder: Path) -> None:
    with DaemonStore(folder) as store:
        path = folder / daemon_file.FILE
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE schedules")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    with DaemonStore(folder) as store:
        store.keep_schedule(StoredSchedule("web", 5.0, 2, 7.0, "why"))
    with DaemonStore(folder) as store:
        assert store.schedules() == {"web": StoredSchedule("web", 5.0, 2, 7.0, "why")}


def test_the_upkeep_of_a_daemon_takes_them_by_itself(start: Any) -> None:
    daemon = start(look_seconds=0.1, intervals=chores.Intervals(snapshots=0.1))
    plan = daemon.call("plan_stack", yaml=(STACK % "").replace("1 h", "1 s"))
    daemon.call("apply_plan", plan_id=plan["plan_id"], approve=["create"], wait=60)
    deadline, taken = time.monotonic() + 60, 0
    while taken < 3 and time.monotonic() < deadline:
        taken = sum(event["type"] == "vm_snapshot_taken" for event in daemon.call("events", **{"from": 1, "limit": 1000})["events"])
    assert taken >= 3
    assert 1 <= len(daemon.call("list_snapshots")) <= 3
