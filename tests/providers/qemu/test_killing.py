"""Killed at any instant, a step is found as far as it got, and performing or undoing it again ends where it shall.

The step runs in a process of its own that kills itself at a named point; then the world is asked and the step repeated here, as a resume
does it.
"""

import json
import os
import signal
import subprocess
import sys

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.qemu import DECLARATION, driving, kvm_probe
from herocloud.providers.seam import Found, ProviderContext
from herocloud.providers.vmm import identity

_CHILD = """\
import json, sys
from pathlib import Path
from herocloud.model.steps import Step
from herocloud.providers.qemu import driving, kvm_probe
from herocloud.providers.seam import Disk, Lock, Work
from herocloud.providers.vmm import launch
from herocloud.providers.vmm.shutdown import Patience

launch.has_systemd = lambda: False
kvm_probe.accelerate = lambda program, *_, **__: kvm_probe.Acceleration("tcg", "for a test")
said = json.load(sys.stdin)
step = Step("id", "vm.web", said["kind"], "qemu", said["part"], said["before"], said["after"], origin=said["origin"])
root = Disk(Path(said["data"]) / "vms/v1/root.raw", "raw", None, "root", False, Lock.EXCLUSIVE)
work = Work(step, "shop", said["spec"], "lineage-1", "plan", disks={"disk": root})
driver = driving.QemuDriver(Path(said["data"]), Patience(button=0.3, again=0.2))
(driver.undo if said["back"] else driver.perform)(work)
"""


def _kill_at(bench, point: str, work, *, back: bool = False) -> None:
    step = work.step
    said = {"kind": step.kind, "part": step.part, "before": step.before, "after": step.after, "origin": step.origin}
    said |= {"spec": bench.spec, "data": str(bench.data), "back": back}
    environment = {**os.environ, "HEROCLOUD_FAULTS": f"{point}:1:kill"}
    ran = subprocess.run(
        [sys.executable, "-c", _CHILD], input=json.dumps(said), env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == -signal.SIGKILL, f"{point} was not reached: {ran.stderr}"


@pytest.mark.parametrize("point", ["before", "half", "after"])
def test_making_a_machine(bench, machine, point: str) -> None:
    work = bench.work("vm.create", None, machine())
    _kill_at(bench, f"qemu.vm.create.{point}", work)
    assert bench.driver.probe(work).found is (Found.DONE if point == "after" else Found.NOT_STARTED)
    bench.driver.perform(work)
    assert bench.see() == {"machine": machine(), "power": "stopped"}
    bench.driver.undo(work)
    assert bench.see() == {}


_PINNED = [[0]]


@pytest.mark.parametrize("way", ["on", "back"])
@pytest.mark.parametrize(
    ("point", "pinned", "found"),
    [
        ("vm.boot.before", None, Found.NOT_STARTED),
        ("vm.boot.marked", None, Found.NOT_STARTED),
        ("vm.boot.launched", None, Found.DONE),
        ("vm.boot.launched", _PINNED, Found.PARTIAL),
        ("vm.boot.settled", None, Found.DONE),
        ("vm.boot.settled", _PINNED, Found.PARTIAL),
        ("vm.boot.after", _PINNED, Found.DONE),
    ],
)
def test_a_boot_goes_on_or_back(bench, machine, eventually, point: str, pinned, found: Found, way: str) -> None:
    bench.do("vm.create", None, machine(affinity=pinned))
    work = bench.work("vm.boot", "stopped", "running", part="power")
    _kill_at(bench, f"qemu.{point}", work)
    at_once = bench.driver.probe(work).found
    # One that was only just launched answers a moment later.
    assert at_once is found or (at_once is Found.PARTIAL and point == "vm.boot.launched")
    assert eventually(lambda: bench.driver.probe(work).found is found)
    if way == "on":
        bench.driver.perform(work)
        assert bench.see()["power"] == "running"
        assert bench.driver.probe(work).found is Found.DONE
    else:
        bench.driver.undo(work)
        assert bench.see()["power"] == "stopped"
        assert bench.process is None
        assert not identity.is_held(identity.record_path(bench.data, "v1"))


def test_booting_one_that_is_to_be_kept_is_done_only_when_it_is(bench, machine) -> None:
    bench.do("vm.create", None, machine(restart="always"))
    work = bench.work("vm.boot", "stopped", "running", part="power")
    _kill_at(bench, "qemu.vm.boot.settled", work)
    assert bench.driver.probe(work).found is Found.PARTIAL
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE


@pytest.mark.parametrize(("point", "found"), [("before", Found.NOT_STARTED), ("ended", Found.PARTIAL), ("after", Found.DONE)])
def test_a_stop_goes_on(bench, machine, point: str, found: Found) -> None:
    bench.do("vm.create", None, machine())
    bench.power("vm.boot", "stopped", "running")
    work = bench.work("vm.stop", "running", "stopped", part="power")
    _kill_at(bench, f"qemu.vm.stop.{point}", work)
    assert bench.driver.probe(work).found is found
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    bench.driver.undo(work)
    assert bench.see()["power"] == "running"


@pytest.mark.parametrize(("point", "found"), [("before", Found.NOT_STARTED), ("half", Found.PARTIAL), ("after", Found.DONE)])
def test_changing_a_running_machine(bench, machine, point: str, found: Found) -> None:
    before = machine()
    after = machine(root={"direct": False, "rate": {"bandwidth": 1_000_000, "burst": None, "iops": None}})
    bench.do("vm.create", None, before)
    bench.power("vm.boot", "stopped", "running")
    work = bench.work("vm.update", before, after)
    _kill_at(bench, f"qemu.vm.update.{point}", work)
    assert bench.driver.probe(work).found is found
    bench.driver.perform(work)
    assert bench.see()["machine"] == after
    assert bench.driver.probe(work).found is Found.DONE
    _kill_at(bench, "qemu.undo.vm.update.half", work, back=True)
    bench.driver.undo(work)
    assert bench.see()["machine"] == before


@pytest.mark.parametrize("point", ["before", "half", "after"])
def test_removing_a_machine(bench, machine, point: str) -> None:
    bench.do("vm.create", None, machine())
    work = bench.work("vm.delete", machine(), None)
    _kill_at(bench, f"qemu.vm.delete.{point}", work)
    assert bench.driver.probe(work).found is {"before": Found.NOT_STARTED, "half": Found.PARTIAL, "after": Found.DONE}[point]
    bench.driver.perform(work)
    assert bench.see() == {}
    assert bench.driver.probe(work).found is Found.DONE
    assert [entry.name for entry in (bench.data / "vms" / "v1").iterdir() if entry.name != "root.raw"] == ["owner.json"]


def _held_with_snapshot(bench, machine):
    """Run a machine, hold it, and give it a snapshot; returns the part before and after its memory is kept."""
    bench.do("vm.create", None, machine())
    bench.power("vm.boot", "stopped", "running")
    bench.power("vm.freeze", "running", "paused")
    path = "vms/v1/snapshots/one"
    (bench.data / path).mkdir(parents=True)
    plain = {"path": path, "size": 0, "disks": [], "memory": None}
    memory = {"size": machine()["memory"], "hypervisor": "qemu", "version": "7", "machine": machine()}
    return plain, {**plain, "size": memory["size"], "memory": memory}


def _revival(bench):
    work = bench.work("vm.revive", "stopped", "running", part="power")
    origin = {"stack": "shop", "address": "vm.web", "snapshot": "one", "disk": "", "path": "vms/v1/snapshots/one", "token": "one-1"}
    return work._replace(step=work.step._replace(origin=origin))


def test_a_kill_before_memory_is_kept_changes_nothing(bench, machine) -> None:
    plain, saved = _held_with_snapshot(bench, machine)
    work = bench.work("snapshot.save", plain, saved, part="snapshot.one")
    _kill_at(bench, "qemu.snapshot.save.before", work)
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    bench.driver.undo(work)
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    assert list((bench.data / "vms/v1/snapshots/one").iterdir()) == []


def test_a_kill_while_memory_is_kept_is_seen_and_can_be_undone(bench, machine) -> None:
    plain, saved = _held_with_snapshot(bench, machine)
    work = bench.work("snapshot.save", plain, saved, part="snapshot.one")
    _kill_at(bench, "qemu.snapshot.save.half", work)
    assert bench.driver.probe(work).found is Found.PARTIAL
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE


def test_memory_that_was_whole_when_the_kill_came_is_kept(bench, machine) -> None:
    plain, saved = _held_with_snapshot(bench, machine)
    work = bench.work("snapshot.save", plain, saved, part="snapshot.one")
    _kill_at(bench, "qemu.snapshot.save.written", work)
    assert bench.driver.probe(work).found is Found.PARTIAL
    written = (bench.data / "vms/v1/snapshots/one/memory/state").read_bytes()
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    assert (bench.data / "vms/v1/snapshots/one/memory/state").read_bytes() == written
    bench.power("vm.thaw", "paused", "running")


def test_memory_that_was_whole_when_the_kill_came_can_be_taken_back(bench, machine) -> None:
    plain, saved = _held_with_snapshot(bench, machine)
    work = bench.work("snapshot.save", plain, saved, part="snapshot.one")
    _kill_at(bench, "qemu.snapshot.save.written", work)
    bench.driver.undo(work)
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    bench.power("vm.thaw", "paused", "running")
    assert list((bench.data / "vms/v1/snapshots/one").iterdir()) == []


def test_memory_is_kept_once_while_a_guest_is_held_and_the_way_out_is_said(bench, machine) -> None:
    plain, saved = _held_with_snapshot(bench, machine)
    bench.do("snapshot.save", plain, saved, part="snapshot.one")
    (bench.data / "vms/v1/snapshots/two").mkdir()
    plain, saved = ({**part, "path": "vms/v1/snapshots/two"} for part in (plain, saved))
    with pytest.raises(Permanent, match=r"paused since its memory was kept.*`herocloud vm resume web`"):
        bench.driver.perform(bench.work("snapshot.save", plain, saved, part="snapshot.two"))
    bench.power("vm.resume", "paused", "running")
    bench.power("vm.freeze", "running", "paused")
    bench.do("snapshot.save", plain, saved, part="snapshot.two")


def test_a_guest_that_went_on_and_ended_boots_from_its_disks(bench, machine) -> None:
    plain, saved = _held_with_snapshot(bench, machine)
    bench.do("snapshot.save", plain, saved, part="snapshot.one")
    bench.power("vm.thaw", "paused", "running")
    bench.power("vm.stop", "running", "stopped")
    work = _revival(bench)
    _kill_at(bench, "qemu.vm.revive.noted", work)
    process = identity.running(bench.data, "v1")
    identity.send(process, 9)
    assert identity.wait_for_death(process, 10)
    told: list[str] = []
    bench.driver.perform(work._replace(progress=lambda text, _share: told.append(text)))
    assert bench.see()["power"] == "running"
    assert "its guest went on from the snapshot and ended since, so it boots from its disks" in told
    assert "reading memory" not in told


@pytest.mark.parametrize("point", ["vm.boot.launched", "vm.boot.settled", "vm.revive.noted", "vm.revive.after"])
def test_going_on_from_memory_after_a_kill(bench, machine, point: str) -> None:
    plain, saved = _held_with_snapshot(bench, machine)
    bench.do("snapshot.save", plain, saved, part="snapshot.one")
    bench.power("vm.thaw", "paused", "running")
    bench.power("vm.stop", "running", "stopped")
    work = _revival(bench)
    _kill_at(bench, f"qemu.{point}", work)
    assert bench.driver.probe(work).found is (Found.DONE if point == "vm.revive.after" else Found.PARTIAL)
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    assert bench.see()["power"] == "running"


def test_memory_is_kept_of_what_is_held_alone(bench, machine) -> None:
    plain, saved = _held_with_snapshot(bench, machine)
    bench.power("vm.thaw", "paused", "running")
    with pytest.raises(Conflict, match="must be paused"):
        bench.driver.perform(bench.work("snapshot.save", plain, saved, part="snapshot.one"))


def test_every_point_of_a_boot_has_a_name() -> None:
    assert {"qemu.vm.boot.marked", "qemu.vm.boot.launched", "qemu.vm.boot.settled", "qemu.vm.stop.ended"} <= set(driving.FAULT_POINTS)


def test_memory_is_of_the_version_that_the_vm_runs_on(bench, machine, monkeypatch) -> None:
    context = ProviderContext(bench.data)
    bench.do("vm.create", None, machine())
    installed = kvm_probe.version()
    assert DECLARATION.hypervisor.version(context, "v1") == installed
    bench.power("vm.boot", "stopped", "running")
    assert DECLARATION.hypervisor.version(context, "v1") == installed
    # Something else is installed meanwhile.
    monkeypatch.setattr(kvm_probe, "version", lambda: "99.0.0")
    assert (installed or "").startswith(DECLARATION.hypervisor.version(context, "v1"))
    assert DECLARATION.hypervisor.version(context, None) == "99.0.0"
