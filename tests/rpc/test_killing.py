"""`kill -9` of the daemon in each phase of a job: the next one goes on with it or says that nothing was begun; VMs stay as they are."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.apply import directions
from herocloud.rpc.client import Client, ConnectionLost, JobFailed, NoDaemon
from herocloud.rpc.client.error_types import Blocked, WrongState
from herocloud.rpc.daemon import daemon_process
from herocloud.rpc.wire import unix_socket
from herocloud.state import store

SECONDS = 60.0
SID = "vnyhs9"

pytestmark = pytest.mark.slow


class Processes:
    """Daemons as processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "rpc.sock"
        self.running: list[subprocess.Popen[bytes]] = []
        self.clients: list[Client] = []

    def start(self, **environment: str) -> Client:
        command = [sys.executable, "-m", "herocloud", "--data-dir", str(self.folder), "daemon", "run", "--socket", str(self.path)]
        process = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)
        self.running.append(process)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            found = daemon_process.find(self.folder)
            if found is not None and found.pid == process.pid and unix_socket.is_answered(self.path):
                break
        self.clients.append(Client(self.path))
        return self.clients[-1]

    def has_died(self) -> bool:
        return self.running[-1].wait(SECONDS) == -signal.SIGKILL

    def close(self) -> None:
        for client in self.clients:
            client.close()
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def processes(folder: Path) -> Iterator[Processes]:
    made = Processes(folder)
    yield made
    made.close()


POINTS = (
    "state.begin.before",
    "state.begin.written",
    "state.begin.after",
    "state.commit.before",
    "state.commit.written",
    "state.commit.after",
    "state.finish.before",
    "state.finish.after",
)


@pytest.mark.parametrize("point", POINTS)
def test_a_deployment_is_gone_on_with(processes: Processes, point: str) -> None:
    client = processes.start(HEROCLOUD_FAULTS=f"{point}:1:kill")
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("deploy_vm", {"name": "web", "slice_sid": "s1", "image": "tiny", "wait": 30})
    assert processes.has_died()
    client = processes.start()
    job = client.wait("j1", timeout=SECONDS)
    assert job["status"] == "done"
    assert job["steps"]["done"] == job["steps"]["total"] > 0
    assert [(vm["name"], vm["status"], vm["slices"]) for vm in client.list_vms()] == [("web", "running", ["s1"])]
    assert [found["state"] for found in client.list_slices()] == ["InUse"] + ["Free"] * 6
    assert client.drift() == {"resource_drift": [], "unfinished": []}
    assert client.list_unfinished() == []


@pytest.mark.parametrize("point", ["state.begin.after", "state.commit.after", "state.finish.before"])
def test_the_apply_of_a_plan_is_gone_on_with_within_what_was_approved(processes: Processes, point: str) -> None:
    client = processes.start(HEROCLOUD_FAULTS=f"{point}:1:kill")
    yaml = "stack: shop\nimages: {tiny: {kernel: ./k}}\nvms: {front: {image: tiny, memory: 1 GiB}}\n"
    plan = client.plan_stack(yaml=yaml, contents={"k": "x"})
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("apply_plan", {"plan_id": plan["plan_id"], "approve": ["create"], "wait": 30})
    assert processes.has_died()
    client = processes.start()
    job = client.wait("j1", timeout=SECONDS)
    assert (job["status"], job["method"]) == ("done", "apply_plan")
    assert [(vm["address"], vm["status"]) for vm in client.list_vms()] == [("vm.front", "running")]


IN_A_CLONE = ("state.begin.after:1", "state.finish.after:1", "state.begin.after:2", "state.finish.after:2", "state.finish.before:3")
"""It is three applies: a snapshot, the new VM, and the snapshot's end."""


@pytest.mark.parametrize("point", IN_A_CLONE)
def test_a_clone_is_gone_on_with(processes: Processes, point: str) -> None:
    prepare(processes)
    client = processes.start(HEROCLOUD_FAULTS=f"{point}:kill")
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("clone_vm", {"sid": SID, "name": "copy", "wait": 30})
    assert processes.has_died()
    client = processes.start()
    job = client.wait("j2", timeout=SECONDS)
    assert (job["status"], job["result"]["name"]) == ("done", "copy")
    assert {(vm["name"], vm["status"]) for vm in client.list_vms()} == {("web", "running"), ("copy", "running")}
    assert client.list_snapshots() == []
    assert client.drift() == {"resource_drift": [], "unfinished": []}
    assert client.list_unfinished() == []


def test_a_snapshot_for_a_clone_goes_with_a_resume_where_no_daemon_comes_back(processes: Processes) -> None:
    prepare(processes)
    client = processes.start(HEROCLOUD_FAULTS="state.finish.after:1:kill")
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("clone_vm", {"sid": SID, "name": "copy", "wait": 30})
    assert processes.has_died()
    assert list((processes.folder / "copies").iterdir())
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(processes.folder)]
    subprocess.run([*command, "resume", "-y"], check=True, timeout=SECONDS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert list((processes.folder / "copies").iterdir()) == []
    # A daemon that comes back all the same begins again, and leaves nothing either.
    client = processes.start()
    assert client.wait("j2", timeout=SECONDS)["status"] == "done"
    assert client.list_snapshots() == []
    assert list((processes.folder / "copies").iterdir()) == []


def test_a_snapshot_that_somebody_took_while_no_daemon_ran_stays(processes: Processes) -> None:
    prepare(processes)
    client = processes.start(HEROCLOUD_FAULTS="state.begin.before:1:kill")
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("clone_vm", {"sid": SID, "name": "copy", "wait": 30})
    assert processes.has_died()
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(processes.folder)]
    words = ["vm", "snapshot", "create", "web", "--name", "clone-copy"]
    moment = int(time.time())
    while int(time.time()) == moment:  # Snapshots know the second in which they were taken.
        threading.Event().wait(0.02)
    subprocess.run([*command, *words], check=True, timeout=SECONDS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    client = processes.start()
    with pytest.raises(JobFailed, match="clone-copy"):
        client.wait("j2", timeout=SECONDS)
    assert [one["name"] for one in client.list_snapshots()] == ["clone-copy"]


@pytest.mark.parametrize("point", ["state.begin.before:1", "state.begin.after:1", "state.finish.after:1"])
def test_a_snapshot_is_gone_on_with(processes: Processes, point: str) -> None:
    prepare(processes)
    client = processes.start(HEROCLOUD_FAULTS=f"{point}:kill")
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("create_snapshot", {"sid": SID, "name": "first", "wait": 30})
    assert processes.has_died()
    client = processes.start()
    job = client.wait("j2", timeout=SECONDS)
    assert (job["status"], job["result"]) == ("done", client.list_snapshots())
    assert [one["name"] for one in job["result"]] == ["first"]
    assert client.get_vm(SID)["status"] == "running"


def prepare(processes: Processes) -> None:
    processes.start().deploy_vm("web", "s1", "tiny", wait=30)
    processes.running[-1].terminate()
    processes.running[-1].wait(SECONDS)


def test_a_cancelled_job_is_left_to_its_owner(processes: Processes, folder: Path) -> None:
    (folder / "scenario.yaml").write_text('rules:\n  - {address: "vm.web", step: "*boot*", delay: 20 s}\n', encoding="utf-8")
    with (folder / "host.yaml").open("a", encoding="utf-8") as host:
        host.write("simulator: {scenario: ./scenario.yaml}\n")
    client = processes.start()
    job = client.deploy_vm("web", "s1", "tiny")
    deadline = time.monotonic() + SECONDS
    while not any(event["type"] == "step_done" for event in client.events(from_=1)["events"]) and time.monotonic() < deadline:
        continue
    assert client.cancel_job(job["job_id"])["status"] == "cancelling"
    processes.running[-1].kill()
    assert processes.has_died()
    client = processes.start()
    ended = client.wait_job(job["job_id"], timeout=SECONDS)
    assert ended["status"] == "cancelled"
    assert "cancelled" in ended["note"]
    (left,) = client.call("state_log", {"stack": "imperative"})
    assert left["outcome"] in ("running", "interrupted", "cut off")


def test_running_vms_outlive_their_daemon(processes: Processes) -> None:
    client = processes.start()
    client.wait(client.deploy_vm("web", "s1", "tiny"))
    processes.running[-1].kill()
    assert processes.has_died()
    client = processes.start()
    assert client.get_vm(SID)["status"] == "running"
    assert client.drift() == {"resource_drift": [], "unfinished": []}
    assert len(client.list_jobs()) == 1


def kill_an_apply(folder: Path, work: Path, point: str) -> None:
    """Let an apply of the command line die at a point."""
    stack = work / "stack.yaml"
    stack.write_text("stack: shop\nimages: {tiny: {kernel: ./k}}\nvms: {front: {image: tiny, memory: 1 GiB}}\n", encoding="utf-8")
    (work / "k").write_text("x", encoding="utf-8")
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(folder), "-f", str(stack), "apply", "-y"]
    killed: Any = subprocess.run(command, env={**os.environ, "HEROCLOUD_FAULTS": f"{point}:1:kill"}, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL


def test_the_command_lines_apply_is_left_alone(processes: Processes, folder: Path, tmp_path: Path) -> None:
    kill_an_apply(folder, tmp_path, "state.commit.after")
    client = processes.start()
    assert client.list_jobs() == []
    assert [(left["stack"], left["status"]) for left in client.list_unfinished()] == [("shop", "interrupted")]
    assert client.drift()["unfinished"] == client.drift(stack="shop")["unfinished"] == client.list_unfinished()


@pytest.mark.parametrize("point", ["state.commit.after", "simulator.vm.create.half", "simulator.vm.boot.after"])
def test_a_stack_whose_apply_did_not_end_is_destroyed_as_on_the_command_line(
    processes: Processes, folder: Path, tmp_path: Path, point: str
) -> None:
    kill_an_apply(folder, tmp_path, point)
    client = processes.start()
    unfinished = client.list_unfinished()
    with pytest.raises(Blocked):
        client.wait(client.destroy_stack("shop"))
    assert client.list_unfinished() == unfinished != [], "nothing is closed without consent"
    client.wait(client.destroy_stack("shop", approve=["destroy"]))
    assert client.list_unfinished() == []
    assert client.drift() == {"resource_drift": [], "unfinished": []}
    assert "shop" not in [stack["stack"] for stack in client.list_stacks()]


SHOP = """\
stack: shop
images: {tiny: {kernel: ./k}}
vms: {a: {image: tiny, memory: 1 GiB}, b: {image: tiny, memory: 1 GiB, depends_on: [vm.a]}}
"""


def kill_a_job(processes: Processes) -> None:
    """Let the daemon die in a job that has one of two VMs running."""
    client = processes.start(HEROCLOUD_FAULTS="apply.perform.after:vm.boot:2:kill")
    plan = client.plan_stack(yaml=SHOP, contents={"k": "x"})
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("apply_plan", {"plan_id": plan["plan_id"], "approve": ["create"], "wait": 30})
    assert processes.has_died()


def assert_says_how_to_resume(failed: JobFailed) -> None:
    """The advice is a call with its parameters, and not a command with its flags."""
    (found,) = failed.job["error"]["data"]["diagnostics"]
    assert '`resume_stack` with `which: "apply-1"` finishes it' in found["hint"]
    assert '`resume_stack` with `which: "apply-1", rollback: true` takes it back' in found["hint"]
    assert "herocloud resume" not in str(found)


def destroyed(folder: Path, fault: str) -> int:
    """Destroy that stack on the command line, with a fault; returns how that ended."""
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(folder), "destroy", "--stack", "shop", "-y"]
    done: Any = subprocess.run(command, env={**os.environ, "HEROCLOUD_FAULTS": fault}, capture_output=True, check=False)
    return int(done.returncode)


@pytest.mark.parametrize("fault", [*(f"{point}:1:kill" for point in directions.BACK_POINTS), "back.undo.before:1:enospc"])
def test_a_job_that_somebody_began_to_close_is_left_to_whoever_decides(processes: Processes, folder: Path, fault: str) -> None:
    kill_a_job(processes)
    assert destroyed(folder, fault) == (1 if fault.endswith("enospc") else -signal.SIGKILL)
    client = processes.start()
    with pytest.raises(JobFailed, match="not finished") as failed:
        client.wait("j1", timeout=SECONDS)
    assert_says_how_to_resume(failed.value)
    (left,) = client.list_unfinished()
    assert (left["stack"], left["apply"]) == ("shop", "apply-1")
    statuses = {vm["name"]: vm["status"] for vm in client.list_vms()}
    assert statuses.keys() == {"a", "b"}
    assert statuses["a"] == "running"
    client.wait(client.destroy_stack("shop", approve=["destroy"]))
    assert (client.list_unfinished(), client.list_vms()) == ([], [])


def test_a_job_that_was_killed_while_it_closed_an_apply_says_so(processes: Processes, folder: Path, tmp_path: Path) -> None:
    kill_an_apply(folder, tmp_path, "simulator.vm.boot.after")
    client = processes.start(HEROCLOUD_FAULTS="back.undo.after:1:kill")
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("destroy_stack", {"stack": "shop", "approve": ["destroy"], "wait": 30})
    assert processes.has_died()
    client = processes.start()
    with pytest.raises(JobFailed, match="not finished") as failed:
        client.wait("j1", timeout=SECONDS)
    assert_says_how_to_resume(failed.value)
    assert [left["apply"] for left in client.list_unfinished()] == ["apply-1"]
    client.wait(client.destroy_stack("shop", approve=["destroy"]))
    assert (client.list_unfinished(), client.list_vms()) == ([], [])


def test_what_was_under_way_of_an_apply_that_a_job_closes_is_told(processes: Processes, folder: Path, tmp_path: Path) -> None:
    kill_an_apply(folder, tmp_path, "simulator.vm.create.half")
    client = processes.start()
    job = client.wait(client.destroy_stack("shop", approve=["destroy"]))
    told = [event for event in client.events(from_=1)["events"] if event["job_id"] == job["job_id"] and "apply" in (event["data"] or {})]
    assert [(event["type"], event["data"]["apply"]) for event in told if not event["type"].startswith("step_")] == [
        ("unfinished_closing", "apply-1"),
        ("unfinished_closed", "apply-1"),
        ("job_admitted", "apply-2"),
    ]
    steps = [(event["data"]["apply"], event["data"]["undone"]) for event in told if event["type"] == "step_done"]
    assert steps
    assert all(undone is (apply == "apply-1") for apply, undone in steps)
    assert job["steps"]["done"] == job["steps"]["total"]


def test_an_apply_that_a_job_could_not_close_is_advised_about_in_methods(processes: Processes, folder: Path, tmp_path: Path) -> None:
    kill_an_apply(folder, tmp_path, "simulator.vm.create.half")
    client = processes.start(HEROCLOUD_FAULTS="back.undo.before:1:enospc")
    with pytest.raises((JobFailed, WrongState)) as failed:
        client.wait(client.destroy_stack("shop", approve=["destroy"]))
    told = failed.value
    (found,) = (told.job["error"]["data"] if isinstance(told, JobFailed) else told.data)["diagnostics"]
    assert '`resume_stack` with `which: "apply-1"` finishes the apply' in found["hint"]
    assert "herocloud resume" not in str(found)


def test_a_job_that_had_closed_an_apply_and_not_begun_says_so(processes: Processes, folder: Path, tmp_path: Path) -> None:
    kill_an_apply(folder, tmp_path, "simulator.vm.create.half")
    client = processes.start(HEROCLOUD_FAULTS="apply.finish.after:1:kill")
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("destroy_stack", {"stack": "shop", "approve": ["destroy"], "wait": 30})
    assert processes.has_died()
    client = processes.start()
    with pytest.raises(JobFailed, match="had closed `apply-1`"):
        client.wait("j1", timeout=SECONDS)
    assert client.list_unfinished() == []


FETCHED = 'stack: shop\nimages: {tiny: {source: "https://example.org/tiny.raw", unpinned: true}}\nvms: {a: {image: tiny, memory: 1 GiB}}\n'


def test_an_apply_of_the_same_plan_that_somebody_else_made_is_not_taken_for_that_of_a_job(
    processes: Processes, folder: Path, tmp_path: Path
) -> None:
    # The first plan of a state names none yet, and so it never recurs.
    prepare(processes)
    client = processes.start(HEROCLOUD_FAULTS="apply.finish.after:1:kill")
    plan = client.plan_stack(yaml=FETCHED)
    with contextlib.suppress(ConnectionLost, NoDaemon):
        client.call("apply_plan", {"plan_id": plan["plan_id"], "approve": ["create"], "wait": 30})
    assert processes.has_died()
    assert destroyed(folder, "") == 0
    (tmp_path / "stack.yaml").write_text(FETCHED, encoding="utf-8")
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(folder), "-f", str(tmp_path / "stack.yaml"), "apply", "-y"]
    fault = {**os.environ, "HEROCLOUD_FAULTS": "simulator.vm.boot.after:1:kill"}
    killed: Any = subprocess.run(command, env=fault, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert destroyed(folder, "back.undo.after:1:kill") == -signal.SIGKILL
    opened = store.open_state(folder, write=False)
    assert opened is not None
    with opened:
        assert [pending.plan for pending in opened.pending()] == [plan["plan_id"]], "the test needs a plan that recurs"
    assert processes.start().wait("j2", timeout=SECONDS)["status"] == "done"


def test_drift_tells_who_left_it_so(processes: Processes, folder: Path, tmp_path: Path) -> None:
    kill_an_apply(folder, tmp_path, "simulator.vm.create.half")
    (item,) = processes.start().drift(stack="shop")["resource_drift"]
    assert (item["address"], item["part"], item["cause"], item["left_by_apply"]) == ("vm.front", "machine", "unfinished_apply", True)
