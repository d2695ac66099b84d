"""A guest that was asked to let go of a device, does not, and is to have it after all: it is in what runs and in what boots next.

The program takes a device out of the configuration that it boots next as soon as it asks the guest, and has no call that takes this back.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.host import detection
from herocloud.model import powers
from herocloud.model.errors import Permanent
from herocloud.model.words import Impact
from herocloud.providers.cloud_hypervisor import device_changes, planning, vmm_process
from herocloud.providers.seam import Found
from herocloud.providers.vmm import folders
from tests.providers.cloud_hypervisor.conftest import STAND_IN, kernel
from tests.providers.cloud_hypervisor.test_killing_steps import kill_at, kill_vmm, nothing_is_left

MIB = 1024**2
USE = {"volume": "data", "readonly": False, "size": 4 * MIB}
SPEC: dict[str, Any] = {"volumes": [USE], "networks": [], "mycelium": None}
LEAVING = {powers.LEAVING: ["volume-data"]}


def _asked_in_vain(bench: Any, guest: str) -> Any:
    """Run a machine with a volume, and fail to take it out."""
    bench.volume("data")
    payload = {**bench.machine()["payload"], "cmdline": f"console=ttyS0 guest={guest}"}
    bench.running(volumes=[USE], payload=payload)
    before = bench.see()["machine"]
    work = bench.work("vm.detach", before, {**before, "volumes": []})
    with pytest.raises(Permanent, match=r"did not let go of `volume-data` within 1 s; it may do so later, and loses it when it reboots"):
        bench.driver.perform(work)
    return work


def _has(bench: Any, where: str) -> bool:
    info = bench.info
    return "volume-data" in (info["device_tree"] if where == "tree" else [disk["id"] for disk in info["config"].get("disks") or ()])


def test_a_device_that_the_guest_keeps_is_no_success_when_its_unplugging_is_taken_back(bench: Any) -> None:
    work = _asked_in_vain(bench, "silent")
    assert (_has(bench, "tree"), _has(bench, "config")) == (True, False)
    assert bench.driver.probe(work).found is Found.PARTIAL, "a resume that goes back would take it for one that never began"
    with pytest.raises(Permanent, match=r"which cannot be taken back: it loses it when it reboots. `herocloud vm restart` starts it with"):
        bench.driver.undo(work)
    assert bench.see() == {"machine": {**work.step.before, **LEAVING}, "power": "running"}


def test_a_device_that_the_guest_lets_go_of_too_late_is_plugged_in_again(bench: Any) -> None:
    if bench.real:
        pytest.skip("needs a guest that lets go of its devices, late")
    work = _asked_in_vain(bench, "late")
    bench.driver.undo(work)
    assert (_has(bench, "tree"), _has(bench, "config")) == (True, True)
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    assert bench.see() == {"machine": work.step.before, "power": "running"}


def test_what_the_guest_is_to_let_go_of_takes_a_power_cycle_only_where_it_is_wanted() -> None:
    judged = planning.judge(powers.LEAVING, ["volume-data"], None, SPEC, None)
    assert (judged.impact, "cannot take back" in judged.why) == (Impact.REBOOT, True)
    assert planning.judge(powers.LEAVING, ["volume-data"], None, {**SPEC, "volumes": []}, None).impact is Impact.LIVE
    card = {**SPEC, "networks": [{"slot": 0}]}
    assert planning.judge(powers.LEAVING, ["nic-0"], None, card, None).impact is Impact.REBOOT


def test_it_goes_at_last_where_nobody_wants_it(bench: Any) -> None:
    if bench.real:
        pytest.skip("needs a guest that lets go of its devices, late")
    work = _asked_in_vain(bench, "late")
    again = bench.work("vm.detach", bench.see()["machine"], work.step.after)
    bench.driver.perform(again)
    assert bench.see() == {"machine": work.step.after, "power": "running"}
    bench.driver.undo(again)
    assert bench.see() == {"machine": work.step.before, "power": "running"}


@pytest.mark.parametrize(("version", "hears"), [("54.0", True), ("53.0", False)])
def test_a_guest_that_did_not_hear_the_first_request_is_asked_again(
    bench: Any, program_on_path: Path, monkeypatch: pytest.MonkeyPatch, *, version: str, hears: bool
) -> None:
    if bench.real:
        pytest.skip("needs a guest that hears the second request only")
    program = program_on_path / "cloud-hypervisor"
    program.unlink()
    program.write_text(f'#!/bin/sh\nexec {STAND_IN} "$@" --stand-in version={version}\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(device_changes, "_AGAIN", 0.3)
    bench.volume("data")
    bench.running(volumes=[USE], payload={**bench.machine()["payload"], "cmdline": "guest=deaf"})
    before = bench.see()["machine"]
    work = bench.work("vm.detach", before, {**before, "volumes": []})
    if hears:
        bench.driver.perform(work)
    else:
        # These releases refuse the second request and tell the guest nothing.
        with pytest.raises(Permanent, match="did not let go"):
            bench.driver.perform(work)
    assert _has(bench, "tree") is not hears


@pytest.mark.parametrize("victim", ["herocloud", "both"])
@pytest.mark.parametrize("point", ["before", "half", "after"])
def test_killed_while_an_unplugging_is_taken_back(bench: Any, point: str, victim: str) -> None:
    if bench.real:
        pytest.skip("needs a guest that lets go of its devices, late")
    work = _asked_in_vain(bench, "late")
    kill_at(bench, f"undo.vm.detach.{point}", work, back=True)
    if victim == "both":
        kill_vmm(bench)
    for _ in range(2):
        bench.driver.undo(work)
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    if victim == "both":
        bench.power("vm.boot", "stopped", "running")
    assert bench.see() == {"machine": work.step.before, "power": "running"}
    assert (_has(bench, "tree"), _has(bench, "config")) == (True, True)
    nothing_is_left(bench)


STACK = """\
stack: shop
images:
  tiny: {{kernel: {kernel}, cmdline: console=ttyS0 guest=silent}}
volumes:
  data: {{size: 4 MiB}}
vms:
  web: {{image: tiny, hypervisor: cloud-hypervisor, memory: 64 MiB, volumes: [data]}}
"""


@pytest.fixture
def site(herocloud: Any, program_on_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Run commands on a host with the program under test, and with memory for a slice."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/kvm")
    monkeypatch.setattr(detection, "_memory", lambda _about: 64 * 1024**3)
    (herocloud.data_folder / "host.yaml").write_text("name: node1\n", encoding="utf-8")
    herocloud.write(STACK.format(kernel=kernel(tmp_path)))
    herocloud.done("apply", "-y")
    yield herocloud
    # A guest that is silent would be waited for.
    herocloud.done("vm", "stop", "web", "--force", "-q")
    herocloud("destroy", "-y", "--purge", "-q")
    shutil.rmtree(folders.runtime_root(herocloud.data_folder), ignore_errors=True)


def test_a_plan_shows_that_the_next_reboot_would_lose_it_and_boots_the_vm_with_it(site: Any) -> None:
    (sid,) = [path.name for path in (site.data_folder / "vms").iterdir()]
    assert "No changes." in site.done("plan").out
    with vmm_process.open_client(site.data_folder, sid) as client:
        client.remove_device("volume-data")
    plan = site.done("plan").out
    assert "the guest was asked to let go of it, and has lost it after its next reboot" in plan
    assert "1 to reboot" in plan
    # A guest that is silent would be waited for.
    site.done("vm", "stop", "web", "--force", "-q")
    site.done("apply", "-y")
    with vmm_process.open_client(site.data_folder, sid) as client:
        info: Any = client.info()
    assert "volume-data" in info["device_tree"]
    assert [disk["id"] for disk in info["config"]["disks"]] == ["volume-data"]
    assert "No changes." in site.done("plan").out
