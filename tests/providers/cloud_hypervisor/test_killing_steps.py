"""Killed at any instant (herocloud, the VMM, or both), a step is found as far as it got; going on or back leaves nothing over.

The step runs in a process of its own that kills itself at a named point; then the world is asked and the step repeated here, as a resume
does it. Nothing may be left in the end: no process, no socket, no folder.
"""

import os
import pickle
import signal
import subprocess
import sys
from typing import Any

import pytest

from herocloud.providers.seam import Found
from herocloud.providers.vmm import folders, identity
from tests.providers.cloud_hypervisor.conftest import until

MIB = 1024**2
_CHILD = """\
import pickle, sys
from pathlib import Path
from herocloud.model.steps import Step
from herocloud.providers.cloud_hypervisor import driving
from herocloud.providers.seam import Work
from herocloud.providers.vmm import launch
from herocloud.providers.vmm.shutdown import Patience

launch.has_systemd = lambda: False
said = pickle.load(sys.stdin.buffer)
step = Step("id", "vm.web", said["kind"], "cloud-hypervisor", said["part"], said["before"], said["after"], origin=said["origin"])
work = Work(step, "shop", said["spec"], "lineage-1", "plan", attachments=said["attachments"], disks=said["disks"])
driver = driving.CloudHypervisorDriver(Path(said["data"]), Patience(button=0.3, again=0.2), agreement=1.0)
(driver.undo if said["back"] else driver.perform)(work)
"""


def kill_at(bench: Any, point: str, work: Any, *, back: bool = False) -> None:
    step = work.step
    said = {"kind": step.kind, "part": step.part, "before": step.before, "after": step.after, "origin": step.origin}
    said |= {"spec": bench.spec, "data": str(bench.data), "back": back, "attachments": work.attachments, "disks": work.disks}
    environment = {**os.environ, "HEROCLOUD_FAULTS": f"cloud-hypervisor.{point}:1:kill"}
    command = [sys.executable, "-c", _CHILD]
    ran = subprocess.run(command, input=pickle.dumps(said), env=environment, capture_output=True, timeout=60, check=False)
    assert ran.returncode == -signal.SIGKILL, f"{point} was not reached: {ran.stderr.decode()}"


def kill_vmm(bench: Any) -> None:
    process = identity.running(bench.data, "v1") or identity.find(bench.data, "v1")
    if process is not None:
        identity.send(process, signal.SIGKILL)
        assert identity.wait_for_death(process, 10)


def _finish(bench: Any, work: Any, way: str, undone: Any, done: Any) -> None:
    """Go on or back, twice, as a resume does after another kill."""
    for _ in range(2):
        (bench.driver.perform if way == "on" else bench.driver.undo)(work)
    assert bench.driver.probe(work).found is (Found.DONE if way == "on" else Found.NOT_STARTED)
    assert bench.see() == (done if way == "on" else undone)


def nothing_is_left(bench: Any) -> None:
    power = bench.see().get("power")
    if power not in (None, "stopped"):
        bench.driver.perform(bench.work("vm.stop", power, "stopped", part="power"))
        # A killed keeper leaves the seconds that it was waiting for.
        until(lambda: bench.left_over() == [], "nothing is left over while it is stopped", seconds=3)
    if bench.see():
        bench.driver.perform(bench.work("vm.delete", bench.see()["machine"], None))
    assert bench.see() == {}
    assert not folders.machine_folder(bench.data, "v1").exists()
    until(lambda: bench.left_over() == [], "nothing is left over", seconds=3)


@pytest.mark.parametrize("way", ["on", "back"])
@pytest.mark.parametrize("point", ["before", "half", "after"])
def test_making_a_machine(bench: Any, point: str, way: str) -> None:
    work = bench.work("vm.create", None, bench.machine())
    kill_at(bench, f"vm.create.{point}", work)
    assert bench.driver.probe(work).found is (Found.DONE if point == "after" else Found.NOT_STARTED)
    _finish(bench, work, way, {}, {"machine": bench.machine(), "power": "stopped"})
    nothing_is_left(bench)


@pytest.mark.parametrize("victim", ["herocloud", "both"])
@pytest.mark.parametrize("way", ["on", "back"])
@pytest.mark.parametrize("point", ["before", "marked", "launched", "created", "begun", "settled", "after"])
def test_a_boot(bench: Any, point: str, way: str, victim: str) -> None:
    part = bench.machine(restart="on-failure" if way == "back" else "no")
    bench.do("vm.create", None, part)
    work = bench.work("vm.boot", "stopped", "running", part="power")
    kill_at(bench, f"vm.boot.{point}", work)
    if victim == "both":
        kill_vmm(bench)
    _finish(bench, work, way, {"machine": part, "power": "stopped"}, {"machine": part, "power": "running"})
    if way == "on":
        assert bench.boots == 1
        assert len([line for line in bench.left_over() if "--api-socket" in line and "herocloud-keeper" not in line]) == 1
    nothing_is_left(bench)


@pytest.mark.parametrize("victim", ["herocloud", "both"])
@pytest.mark.parametrize("point", ["before", "ended", "after"])
def test_a_stop(bench: Any, point: str, victim: str) -> None:
    bench.running()
    work = bench.work("vm.stop", "running", "stopped", part="power")
    kill_at(bench, f"vm.stop.{point}", work)
    if victim == "both":
        kill_vmm(bench)
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    nothing_is_left(bench)


@pytest.mark.parametrize("point", ["before", "after"])
@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("vm.pause", "running", "paused"),
        ("vm.resume", "paused", "running"),
        ("vm.freeze", "running", "paused"),
        ("vm.thaw", "paused", "running"),
    ],
)
def test_a_pause_and_its_end(bench: Any, kind: str, before: str, after: str, point: str) -> None:
    bench.running()
    if before == "paused":
        bench.power("vm.pause", "running", "paused")
    work = bench.work(kind, before, after, part="power")
    kill_at(bench, f"{kind}.{point}", work)
    assert bench.driver.probe(work).found is (Found.DONE if point == "after" else Found.NOT_STARTED)
    bench.driver.perform(work)
    assert bench.see()["power"] == after
    bench.driver.undo(work)
    assert bench.see()["power"] == before
    nothing_is_left(bench)


_USE = {"volume": "data", "readonly": False, "size": 4 * MIB}


@pytest.mark.parametrize("victim", ["herocloud", "both"])
@pytest.mark.parametrize("point", ["before", "half", "after"])
@pytest.mark.parametrize(
    ("kind", "fields"),
    [("vm.resize", {"vcpus": 2}), ("vm.attach", {"volumes": [_USE]}), ("vm.update", {"labels": {"tier": "data"}})],
)
def test_a_live_change(bench: Any, kind: str, fields: dict[str, Any], point: str, victim: str) -> None:
    path = bench.volume("data")
    bench.running()
    before = bench.see()["machine"]
    work = bench.work(kind, before, {**before, **fields})
    kill_at(bench, f"{kind}.{point}", work)
    if victim == "both":
        kill_vmm(bench)
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    assert bench.see()["machine"] == work.step.after
    nothing_is_left(bench)
    assert path.exists(), "a volume outlives the VM"


@pytest.mark.parametrize("point", ["before", "half", "after"])
def test_a_device_that_is_taken_out(bench: Any, point: str) -> None:
    if bench.real:
        pytest.skip("needs a guest that lets go of its devices")
    bench.volume("data")
    bench.running(volumes=[_USE])
    before = bench.see()["machine"]
    work = bench.work("vm.detach", before, {**before, "volumes": []})
    kill_at(bench, f"vm.detach.{point}", work)
    _finish(bench, work, "on", None, {"machine": work.step.after, "power": "running"})
    nothing_is_left(bench)


@pytest.mark.parametrize("point", ["before", "half", "after"])
def test_another_configuration(bench: Any, point: str) -> None:
    bench.do("vm.create", None, bench.machine())
    work = bench.work("vm.configure", bench.machine(), bench.machine(max_vcpus=8))
    kill_at(bench, f"vm.configure.{point}", work)
    _finish(bench, work, "back", {"machine": bench.machine(), "power": "stopped"}, None)
    nothing_is_left(bench)


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_disk_that_grows(bench: Any, point: str) -> None:
    path = bench.root(8 * MIB)
    bench.running(root={"direct": False, "rate": None})
    work = bench.work("vm.grow", {"size": 8 * MIB}, {"size": 16 * MIB}, part="disk")
    kill_at(bench, f"vm.grow.{point}", work)
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    nothing_is_left(bench)
    assert path.stat().st_size == 16 * MIB


@pytest.mark.parametrize("point", ["before", "half", "after"])
def test_taking_a_machine_away(bench: Any, point: str) -> None:
    root = bench.root()
    bench.do("vm.create", None, bench.machine())
    work = bench.work("vm.delete", bench.machine(), None)
    kill_at(bench, f"vm.delete.{point}", work)
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    nothing_is_left(bench)
    assert root.exists(), "a disk is taken away by a step of its own"


def test_a_vmm_that_was_killed_is_seen_and_started_again(bench: Any) -> None:
    bench.running()
    kill_vmm(bench)
    assert bench.see()["power"] == "stopped"
    bench.power("vm.boot", "stopped", "running")
    assert "the process before this one is gone: it crashed or was killed" in bench.told
    nothing_is_left(bench)
