"""What the daemon does by itself: restarts by policy, VMs after a reboot of the host, and what metrics say of it."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.simulator import world
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


def test_without_a_reboot_nothing_is_brought_back(start: Any, folder: Path) -> None:
    first = start()
    sid = first.call("deploy_vm", name="web", slice_sid="s1", image="tiny", wait=30)["sid"]
    first.close()
    world.set_power(folder, "vm.web", "stopped", "imperative")
    second = start(look_seconds=0.1)
    until(lambda: second.service.upkeep._seen)
    assert status(second, sid) == "stopped"


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
    assert all(
        line.split()[2].endswith("_total") or "serial" in line for line in lines if line.startswith("# TYPE ") and line.endswith("counter")
    )
    assert json.dumps(sorted(named)).count("herocloud_") == len(named)
