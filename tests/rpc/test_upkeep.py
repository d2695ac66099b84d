"""What the daemon does by itself: restarts by policy, VMs after a reboot of the host, and what metrics say of it."""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.restart_events import RestartEvent
from herocloud.providers.seam import Work
from herocloud.providers.simulator import world
from herocloud.providers.simulator.driving import SimulatorDriver
from herocloud.rpc.jobs import desk
from herocloud.rpc.supervision import chores, restarts
from herocloud.rpc.wire import systemd
from herocloud.state import holders

SECONDS = 60.0


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
    raise AssertionError("it did not happen in time")


def status(daemon: Any, sid: str) -> str:
    return str(daemon.call("get_vm", sid=sid)["status"])


def happened(daemon: Any, kind: str) -> list[dict[str, Any]]:
    daemon.service.events.flush()
    return [event for event in daemon.call("events", **{"from": 1, "limit": 1000})["events"] if event["type"] == kind]


def test_a_vm_that_went_off_is_started_again_by_its_policy(start: Any, folder: Path) -> None:
    daemon = start(look_seconds=0.2)
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", restart="always", wait=30)["sid"]
    until(lambda: daemon.service.upkeep._seen)
    world.set_power(folder, "vm.web", "stopped", "imperative")
    until(lambda: happened(daemon, "vm_restarted"))
    until(lambda: status(daemon, sid) == "running" and not daemon.call("list_jobs", open_only=True))
    assert happened(daemon, "vm_state")[0]["data"] == {"before": "running", "now": "stopped", "expected": "running"}
    entry = daemon.call("state_log")[0]
    assert (entry["user"], entry["command"], entry["outcome"]) == ("daemon", "rpc restart_policy", "done")
    assert f'herocloud_vm_restarts_total{{stack="imperative",vm="vm.web",sid="{sid}"}} 1' in daemon.request("GET", "/metrics").body.decode()


def test_a_restart_that_fails_is_tried_again_and_told_once_it_is_done(start: Any, folder: Path) -> None:
    (folder / "scenario.yaml").write_text("rules: []\n", encoding="utf-8")
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write("simulator: {scenario: ./scenario.yaml}\n")
    daemon = start(look_seconds=0.1)
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", restart="always", wait=30)["sid"]
    until(lambda: daemon.service.upkeep._seen)
    (folder / "scenario.yaml").write_text('rules: [{address: vm.web, step: "*boot*", fail: no power, times: 2}]\n', encoding="utf-8")
    world.set_power(folder, "vm.web", "stopped", "imperative")
    until(lambda: happened(daemon, "vm_restarted"))
    until(lambda: not daemon.call("list_jobs", open_only=True))
    assert status(daemon, sid) == "running"
    assert [job["status"] for job in daemon.call("list_jobs") if job["method"] == "restart_policy"] == ["done", "failed", "failed"]
    assert [event["data"] for event in happened(daemon, "vm_restarted")] == [{"was": "stopped", "failures": 3, "by": "daemon"}]
    assert daemon.service.upkeep.restarts.counts == {sid: 1}


def test_a_vm_that_ends_because_its_host_goes_down_is_left_to_the_next_boot(
    start: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd ends VMs and daemon at the same time, and refuses what is started then: that stood in the state log as a failure."""
    program, word = tmp_path / "bin" / "systemctl", tmp_path / "word"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho asked >>{tmp_path}/asked\ncat {word}\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(systemd, "_RUNS", tmp_path)
    word.write_text("stopping\n")
    daemon = start(look_seconds=0.1)
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", restart="always", wait=30)["sid"]
    until(lambda: daemon.service.upkeep._seen)
    world.set_power(folder, "vm.web", "stopped", "imperative")
    until((tmp_path / "asked").exists)
    daemon.service.upkeep.look()
    assert happened(daemon, "vm_restarted") == []
    assert status(daemon, sid) == "stopped"
    # A reboot that somebody called off.
    word.write_text("degraded\n")
    until(lambda: status(daemon, sid) == "running")


@pytest.mark.parametrize("restart", ["no", "on-failure"])
def test_a_vm_that_powered_itself_off_stays_off_unless_its_policy_is_always(start: Any, folder: Path, restart: str) -> None:
    daemon = start(look_seconds=0.1)
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", restart=restart, wait=30)["sid"]
    until(lambda: daemon.service.upkeep._seen)
    world.set_power(folder, "vm.web", "stopped", "imperative")
    until(lambda: happened(daemon, "vm_state"))
    daemon.service.upkeep.look()
    assert happened(daemon, "vm_restarted") == []
    assert status(daemon, sid) == "stopped"


def test_nobody_brings_back_a_vm_that_was_stopped(start: Any) -> None:
    daemon = start(look_seconds=0.1)
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", restart="always", wait=30)["sid"]
    daemon.call("stop_vm", sid=sid, wait=30)
    for _ in range(5):
        daemon.service.upkeep.look()
    assert happened(daemon, "vm_restarted") == []
    assert status(daemon, sid) == "stopped"


def test_after_a_reboot_of_the_host_what_should_run_runs_and_what_was_stopped_stays_off(start: Any, folder: Path) -> None:
    first = start()
    running = first.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    stopped = first.call("deploy_vm", name="db", slice_sid="s2", image="tiny", wait=30)["sid"]
    first.call("stop_vm", sid=stopped, wait=30)
    first.close()
    world.set_power(folder, "vm.web", "stopped", "imperative")
    assert (folder / "last-boot").read_text(encoding="ascii") == holders.read_boot_id()
    (folder / "last-boot").write_text("another boot", encoding="ascii")
    second = start()
    until(lambda: status(second, running) == "running")
    assert status(second, stopped) == "stopped"
    until(lambda: (folder / "last-boot").read_text(encoding="ascii") == holders.read_boot_id())
    entry = second.call("state_log")[0]
    assert (entry["user"], entry["operation"], entry["outcome"]) == ("daemon", "boot", "done")


ORDERED = """\
stack: shop
images: {tiny: {kernel: ./vmlinuz}}
vms:
  a: {image: tiny, memory: 1 GiB, depends_on: [vm.m]}
  m: {image: tiny, memory: 1 GiB, depends_on: [vm.z]}
  z: {image: tiny, memory: 1 GiB}
"""


def test_after_a_reboot_vms_come_in_the_order_of_their_dependencies(start: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = start()
    plan = first.call("plan_stack", yaml=ORDERED, contents={"vmlinuz": "a kernel"})
    first.call("apply_plan", plan_id=plan["plan_id"], approve=["create"], wait=60)
    first.close()
    for name in "amz":
        world.set_power(folder, f"vm.{name}", "stopped", "shop")
    (folder / "last-boot").write_text("another boot", encoding="ascii")
    booted: list[str] = []
    perform = SimulatorDriver.perform

    def look(self: SimulatorDriver, step: Work) -> Any:
        done = perform(self, step)
        booted.append(step.step.address)
        return done

    monkeypatch.setattr(SimulatorDriver, "perform", look)
    second = start()
    until(lambda: (folder / "last-boot").read_text(encoding="ascii") == holders.read_boot_id())
    assert booted == ["vm.z", "vm.m", "vm.a"]
    entry = second.call("state_log", stack="shop")[0]
    assert (entry["user"], entry["operation"], entry["outcome"], entry["changed"]) == ("daemon", "boot", "done", 3)


def test_without_a_reboot_nothing_is_brought_back(start: Any, folder: Path) -> None:
    first = start()
    sid = first.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    first.close()
    world.set_power(folder, "vm.web", "stopped", "imperative")
    second = start(look_seconds=0.1)
    until(lambda: second.service.upkeep._seen)
    assert status(second, sid) == "stopped"


class Beside:
    """Pretends to stand beside the process of a VM."""

    def __init__(self) -> None:
        self.events: list[RestartEvent] = []
        self.abandoned = self.dead = False
        self.replaced = self.cut = 0

    def read_events(self) -> tuple[RestartEvent, ...]:
        return tuple(self.events)

    def forget_events(self) -> None:
        self.events.clear()

    def replace_if_dead(self) -> bool:
        was, self.dead = self.dead, False
        self.replaced += was
        return was

    def is_abandoned(self) -> bool:
        return self.abandoned

    def cut_log(self) -> bool:
        self.cut += 1
        return True


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Beside:
    made = Beside()
    for module in (restarts, chores):
        monkeypatch.setattr(module, "restarter_of", lambda _desk, _record: made)
    return made


def test_what_was_restarted_without_a_daemon_is_written_down_when_one_comes(start: Any, folder: Path, beside: Beside) -> None:
    daemon = start(look_seconds=0.1)
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", restart="on-failure", wait=30)["sid"]
    at = time.time() - 3600
    beside.events = [RestartEvent(at, "ended", "137"), RestartEvent(at + 1, "restarted", "1")]
    until(lambda: happened(daemon, "vm_restarted"))
    ended, again = happened(daemon, "vm_ended")[0], happened(daemon, "vm_restarted")[0]
    assert ended["data"] == {"exit_code": 137, "at": at}
    assert again["data"] == {"was": "ended", "failures": 1, "by": "keeper", "at": at + 1}
    entry = daemon.call("state_log")[0]
    assert (entry["user"], entry["command"], entry["operation"], entry["at"]) == ("keeper", "restart policy", "vm restart", at + 1)
    assert f'herocloud_vm_restarts_total{{stack="imperative",vm="vm.web",sid="{sid}"}} 1' in daemon.request("GET", "/metrics").body.decode()
    assert until(lambda: not beside.events)


def test_the_daemon_leaves_restarting_to_what_stands_beside_the_process(start: Any, folder: Path, beside: Beside) -> None:
    daemon = start(look_seconds=0.1)
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", restart="always", wait=30)["sid"]
    until(lambda: daemon.service.upkeep._seen)
    world.set_power(folder, "vm.web", "stopped", "imperative")
    until(lambda: happened(daemon, "vm_state"))
    daemon.service.upkeep.look()
    assert status(daemon, sid) == "stopped"
    beside.abandoned = True
    restarted = until(lambda: happened(daemon, "vm_restarted"))
    assert restarted[0]["data"] == {"was": "stopped", "failures": 1, "by": "daemon"}
    until(lambda: status(daemon, sid) == "running")


def test_what_was_killed_beside_a_process_is_replaced_and_said(start: Any, beside: Beside) -> None:
    daemon = start(look_seconds=0.1)
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", restart="always", wait=30)
    beside.dead = True
    until(lambda: happened(daemon, "vm_keeper_replaced"))
    assert beside.replaced == 1


def test_one_that_gave_up_or_left_a_vm_off_is_said(start: Any, beside: Beside) -> None:
    daemon = start(look_seconds=0.1)
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", restart="on-failure", wait=30)
    beside.events = [RestartEvent(5.0, "left-off", "0"), RestartEvent(9.0, "gave-up", "10")]
    until(lambda: happened(daemon, "vm_given_up"))
    assert happened(daemon, "vm_left_off")[0]["data"] == {"policy": "on-failure", "at": 5.0}
    assert daemon.call("state_log")[0]["operation"] == "vm give up"


def test_nothing_is_remembered_of_vms_that_are_gone(start: Any, folder: Path) -> None:
    daemon = start(look_seconds=0.1)
    sid = daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", restart="always", wait=30)["sid"]
    until(lambda: daemon.service.upkeep._seen)
    world.set_power(folder, "vm.web", "stopped", "imperative")
    until(lambda: happened(daemon, "vm_restarted"))
    until(lambda: status(daemon, sid) == "running" and not daemon.call("list_jobs", open_only=True))
    daemon.call("delete_vm", sid=sid, wait=30)
    restarts = daemon.service.upkeep.restarts
    until(lambda: not (daemon.service.upkeep._seen or restarts.counts or restarts._trouble))


def test_drift_is_said_when_it_comes_and_when_it_goes(start: Any, folder: Path) -> None:
    daemon = start(look_seconds=0.1, intervals=chores.Intervals(drift=0.1))
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    world.set_power(folder, "vm.web", "stopped", "imperative")
    until(lambda: happened(daemon, "drift_found"))
    assert "herocloud_drifted_resources 1" in daemon.request("GET", "/metrics").body.decode()
    world.set_power(folder, "vm.web", "running", "imperative")
    until(lambda: happened(daemon, "drift_gone"))
    found = [(event["address"], event["data"]) for kind in ("drift_found", "drift_gone") for event in happened(daemon, kind)]
    assert found == [("vm.web", {"parts": ["power"]}), ("vm.web", {})]


def test_serial_logs_are_cut_and_old_data_is_thrown_away_by_the_clock(start: Any, beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    expired = []
    monkeypatch.setattr(chores.leftovers, "forget_expired", lambda _host, how: expired.append(how.caller.user))
    daemon = start(look_seconds=0.1, intervals=chores.Intervals(logs=0.1, prune=0.1))
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    # Each apply throws away too; on a quiet host only the daemon does.
    assert until(lambda: beside.cut > 1 and expired.count("daemon") > 1)


def test_chores_of_many_hosts_do_not_fall_on_one_moment(daemon: Any) -> None:
    now = [0.0]
    one = chores.Chores(daemon.service.desk, lambda: now[0], chores.Intervals(*[60.0] * len(chores.Intervals._fields)))
    assert len(one.due()) == len(chores.Intervals._fields)
    assert one.due() == []
    due = set(one._next.values())
    assert len(due) == len(chores.Intervals._fields)
    assert all(54.0 <= at <= 66.0 for at in due)


def test_metrics_are_text_that_prometheus_reads(daemon: Any) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    reply = daemon.request("GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = reply.body.decode().splitlines()
    sample = re.compile(r'[a-z_]+(\{([a-z_]+="[^"\\]*",?)+\})? -?[0-9.e+]+')
    assert all(line.startswith(("# HELP ", "# TYPE ")) or sample.fullmatch(line) for line in lines)
    assert 'herocloud_slices{state="in_use"} 1' in lines
    assert 'herocloud_vms{state="running"} 1' in lines
    named = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
    assert all(line.split()[2].endswith("_total") for line in lines if line.startswith("# TYPE ") and line.endswith("counter"))
    assert json.dumps(sorted(named)).count("herocloud_") == len(named)


def test_a_clock_that_is_set_while_the_daemon_runs_changes_nothing_of_how_long_it_has_run(start: Any) -> None:
    at = [1_700_000_000.0]
    daemon = start(upkeep=False, clock=lambda: at[0])
    before = daemon.call("rpc.health")["uptime_seconds"]
    at[0] -= 1_000_000.0
    after = daemon.call("rpc.health")["uptime_seconds"]
    assert 0 <= before <= after < 1_000_000
    at[0] += 2_000_000.0
    assert daemon.call("rpc.health")["uptime_seconds"] < 1_000_000


def test_of_two_looks_the_one_that_began_later_counts(daemon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)
    sight, look = daemon.service.desk.sight, desk.stack_plans.look
    newer: list[Any] = []

    def overtaken(*args: Any) -> Any:
        found = look(*args)
        if not newer:
            newer.append(None)
            world.set_power(daemon.folder, "vm.web", "stopped", "imperative")
            newer[0] = sight.look_now()
        return found

    daemon.service.upkeep.close()
    monkeypatch.setattr(desk.stack_plans, "look", overtaken)
    sight.look_now()
    assert newer[0]["imperative", "vm.web"].parts["power"] == "stopped"
    assert sight._things is newer[0]
