"""A VM whose process is stopped by a signal, or lost its keeper, is seen as that: by the provider, in list, drift and plan."""

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.host import detection
from herocloud.model import powers
from herocloud.model.errors import HerocloudError
from herocloud.providers.cloud_hypervisor import file_layout, live_view
from herocloud.providers.cloud_hypervisor.client import Client
from herocloud.providers.seam import Found
from herocloud.providers.vmm import folders, identity, responsiveness
from tests.providers.cloud_hypervisor.conftest import STAND_IN, kernel, until
from tests.providers.cloud_hypervisor.test_killing_steps import kill_vmm

STACK = """\
stack: shop
images:
  tiny: {{kernel: {kernel}, cmdline: console=ttyS0 guest=lively}}
vms:
  web: {{image: tiny, hypervisor: cloud-hypervisor, memory: 64 MiB, restart: always}}
"""


def _halt(process: identity.Identity | None) -> identity.Identity:
    assert process is not None
    identity.send(process, signal.SIGSTOP)
    until(lambda: responsiveness.is_halted(process), "the process is stopped")
    return process


def test_a_process_that_a_signal_has_stopped_is_unresponsive_and_goes_on_by_one_step(bench: Any) -> None:
    bench.running()
    process, boots = _halt(bench.process), bench.boots
    assert bench.see() == {"machine": bench.machine(), "power": powers.HALTED}
    work = bench.work("vm.resume", powers.HALTED, "running", part="power")
    assert bench.driver.probe(work).found is Found.NOT_STARTED
    bench.driver.perform(work)
    assert bench.driver.probe(work).found is Found.DONE
    assert bench.see() == {"machine": bench.machine(), "power": "running"}
    assert (bench.process, bench.boots) == (process, boots)


def test_a_process_that_a_signal_has_stopped_is_ended_when_it_is_to_stop(bench: Any) -> None:
    bench.running()
    _halt(bench.process)
    bench.power("vm.stop", "running", "stopped")
    assert bench.left_over() == []


def test_a_process_that_does_not_answer_is_asked_again_and_then_unresponsive(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.running()
    asked: list[float] = []

    def nobody_answers(_data: Path, _sid: str, patience: float = 3.0) -> None:
        asked.append(patience)

    monkeypatch.setattr(live_view, "look", nobody_answers)
    # One that was started a moment ago is not judged.
    assert bench.see()["power"] == "running"
    monkeypatch.setattr(responsiveness, "is_starting", lambda _process: False)
    asked.clear()
    assert bench.see()["power"] == powers.UNRESPONSIVE
    assert asked == [3.0, responsiveness.PATIENCE]


def test_a_process_whose_socket_was_removed_is_unresponsive_from_its_first_second_on(bench: Any) -> None:
    bench.running()
    process = bench.process
    socket = file_layout.api_socket(bench.data, "v1")
    socket.unlink()
    assert responsiveness.is_starting(process)
    assert bench.see()["power"] == powers.UNRESPONSIVE
    bench.power("vm.stop", powers.UNRESPONSIVE, "stopped")
    bench.power("vm.boot", "stopped", "running")
    assert bench.see()["power"] == "running"
    assert bench.process != process


def test_a_process_that_has_not_made_its_socket_yet_is_given_time(bench: Any) -> None:
    bench.running()
    assert not responsiveness.has_lost(bench.process, file_layout.api_socket(bench.data, "v1"))
    assert not responsiveness.has_lost(bench.process, folders.runtime_folder(bench.data, "v1") / "not-made-yet.sock")


def _answer_in_the_background(bench: Any) -> threading.Thread:
    """Ask for something that takes long; nothing else is answered meanwhile."""

    def ask() -> None:
        with contextlib.suppress(HerocloudError), Client(file_layout.api_socket(bench.data, "v1"), timeout=3) as client:
            client.counters()

    asking = threading.Thread(target=ask)
    asking.start()
    return asking


@pytest.mark.parametrize(("word", "power"), [("busy=vm.counters:60", "running"), ("hang=vm.counters", powers.UNRESPONSIVE)])
def test_a_process_at_work_is_not_taken_for_one_that_hangs(
    bench: Any, program_on_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, power: str
) -> None:
    if bench.real:
        pytest.skip("needs the stand-in, which is as busy as a test wants")
    _misbehave(program_on_path, word)
    bench.running()
    monkeypatch.setattr(responsiveness, "is_starting", lambda _process: False)
    monkeypatch.setattr(live_view, "_PATIENCE", 0.2)
    monkeypatch.setattr(responsiveness, "PATIENCE", 1.0)
    asking = _answer_in_the_background(bench)
    until(lambda: live_view.look(bench.data, "v1", 0.2) is None, "it answers nobody")
    assert bench.see()["power"] == power
    asking.join()


def test_a_process_that_writes_memory_is_paused_and_not_unresponsive(
    bench: Any, program_on_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bench.real:
        pytest.skip("needs the stand-in, which writes as slowly as a test wants")
    _misbehave(program_on_path, "hang=vm.snapshot")
    plain, saved = bench.held()
    monkeypatch.setattr(responsiveness, "is_starting", lambda _process: False)
    work = bench.work("snapshot.save", plain, saved, part="snapshot.one")
    failed: list[HerocloudError] = []

    def save() -> None:
        try:
            bench.driver.perform(work)
        except HerocloudError as error:
            failed.append(error)

    saving = threading.Thread(target=save)
    saving.start()
    until(lambda: "keeping memory" in bench.told, "it writes memory")
    assert bench.see()["power"] == "paused"
    kill_vmm(bench)
    saving.join()
    assert failed


def _misbehave(program_on_path: Path, word: str) -> None:
    path = program_on_path / "cloud-hypervisor"
    path.unlink()
    path.write_text(f'#!/bin/sh\nexec {STAND_IN} "$@" --stand-in {word}\n', encoding="utf-8")
    path.chmod(0o755)


def test_a_vm_whose_keeper_died_gets_another_one_by_one_step(bench: Any) -> None:
    wanted = bench.machine(restart="always")
    bench.running(restart="always")
    record = identity.record_path(bench.data, "v1").with_name("process.keeper")
    keeper = identity.read(record)
    assert keeper is not None
    identity.send(keeper, signal.SIGKILL)
    assert identity.wait_for_death(keeper, 10)
    seen = bench.see()
    assert seen == {"machine": {**wanted, powers.KEEPER: powers.KEEPER_DEAD}, "power": "running"}
    bench.do("vm.update", seen["machine"], wanted)
    assert bench.see() == {"machine": wanted, "power": "running"}
    replaced = identity.read(record)
    assert replaced is not None
    assert identity.is_alive(replaced)


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


def test_list_drift_and_plan_show_a_stopped_process_and_one_apply_lets_it_go_on(site: Any) -> None:
    (sid,) = [path.name for path in (site.data_folder / "vms").iterdir()]
    assert "No changes." in site.done("plan").out
    process = _halt(identity.running(site.data_folder, sid))
    listed = site.done("vm", "list").out
    assert [word for word in listed.split() if word in ("running", "unresponsive")] == ["unresponsive"]
    assert "vm.web   power running → unresponsive: its process was stopped by a signal" in site.done("drift").out
    plan = site.done("plan").out
    assert "unresponsive: its process was stopped by a signal" in plan
    assert "0 to add, 1 to change, 0 to destroy" in plan
    site.done("apply", "-y")
    assert "No changes." in site.done("plan").out
    assert "running" in site.done("vm", "list").out
    assert identity.running(site.data_folder, sid) == process


def test_drift_and_plan_show_an_attendant_that_nobody_starts_again_and_one_apply_does(site: Any) -> None:
    (sid,) = [path.name for path in (site.data_folder / "vms").iterdir()]
    vmm, first = identity.running(site.data_folder, sid), identity.running(site.data_folder, sid, "-console")
    shell = identity.read(identity.record_path(site.data_folder, sid, "-console.keeper"))
    for process in (shell, first):
        assert process is not None
        identity.send(process, signal.SIGKILL)
        assert identity.wait_for_death(process, 10)
    assert "vm.web   machine.attendant is dead" in site.done("drift").out
    assert "0 to add, 1 to change, 0 to destroy" in site.done("plan").out
    site.done("apply", "-y")
    assert "No drift." in site.done("drift").out
    assert "No changes." in site.done("plan").out
    second = identity.running(site.data_folder, sid, "-console")
    assert second not in (None, first)
    assert identity.running(site.data_folder, sid) == vmm


def test_a_vm_that_just_booted_and_lost_its_socket_is_drift_and_no_change_of_it_is_planned_live(site: Any, tmp_path: Path) -> None:
    (sid,) = [path.name for path in (site.data_folder / "vms").iterdir()]
    process = identity.running(site.data_folder, sid)
    assert process is not None
    file_layout.api_socket(site.data_folder, sid).unlink()
    assert "vm.web   power running → unresponsive" in site.done("drift").out
    site.write(STACK.format(kernel=kernel(tmp_path)).replace("memory: 64 MiB", "memory: 64 MiB, vcpus: 2"))
    plan = site.done("plan").out
    assert responsiveness.is_starting(process)
    assert "update live" not in plan
    assert "1 to reboot" in plan
    site.done("apply", "-y")
    assert "No drift." in site.done("drift").out
    assert "No changes." in site.done("plan").out
    assert identity.running(site.data_folder, sid) != process


def test_a_configuration_that_somebody_changed_shows_and_is_written_again(bench) -> None:
    wanted = bench.machine()
    bench.running()
    config = identity.record_path(bench.data, "v1").with_name("boot.json")
    written = config.read_bytes()
    config.write_bytes(written.replace(b'"config"', b'"Config"'))
    seen = bench.see()["machine"]
    assert seen == {**wanted, powers.ATTENDANT: powers.KEEPER_OTHER_ORDERS}
    bench.do("vm.update", seen, wanted)
    assert bench.see() == {"machine": wanted, "power": "running"}
    assert config.read_bytes() == written
