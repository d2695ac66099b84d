"""Hosts whose KVM passes every proof and carries no guest: what real guests show overrules the proof, is told, and leads out.

QEMU is played by a stand-in, so these run on every machine that has memory for one VM.
"""

import json
import time

import pytest
from stand_in_host import play

from herocloud.providers.qemu import kvm_probe

STACK = """\
stack: lie
images:
  tiny: {kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: console=ttyS0}
vms:
  web: {image: tiny, memory: 64 MiB}
"""


@pytest.fixture
def lying(stand_in):
    """Write a stack of one VM that boots a kernel."""
    stand_in.write(STACK)
    for name in ("vmlinuz", "initramfs"):
        stand_in.write("not a kernel", name)
    return stand_in


def _state(herocloud) -> str:
    (one,) = json.loads(herocloud.done("vm", "list", "--json").out)["vms"]
    return str(one["state"])


def _launched(herocloud):
    (mark,) = (herocloud.data_folder / "vms").glob("*/vmm/machine.json")
    return json.loads(mark.read_bytes())["launched"]


def _crashed(herocloud, monkeypatch):
    play("crash")
    herocloud.done("apply", "-y", "-q")
    until = time.monotonic() + 60
    while _state(herocloud) == "running":
        assert time.monotonic() < until, "the stand-in never crashed"
    return herocloud


def test_waiting_for_a_vm_that_crashes_ends_at_once_and_names_the_way_out(lying, monkeypatch) -> None:
    play("crash")
    assert "with KVM" in lying.done("apply", "-y").both
    began = time.monotonic()
    ran = lying("vm", "wait", "--timeout", "100s")
    assert (ran.code, time.monotonic() - began < 60) == (1, True), ran.both
    assert "its hypervisor stopped it with an internal error" in ran.err
    assert "`herocloud vm restart vm.web` boots it with TCG" in ran.err


def test_a_kvm_that_does_not_beat_emulation_is_not_used(lying) -> None:
    play("slow")
    text = lying.done("plan").both
    assert "with TCG: KVM does not beat emulation: " in text
    assert "the CPU time for the same work" in text


def test_a_crashed_vm_is_shown_as_that_and_is_drift(lying, monkeypatch) -> None:
    shop = _crashed(lying, monkeypatch)
    assert _state(shop) == "crashed"
    ran = shop("drift", "--detailed-exitcode")
    assert (ran.code, "power running → crashed" in ran.out) == (2, True), ran.both


def test_the_plan_boots_a_crashed_vm_on_what_works(lying, monkeypatch) -> None:
    shop = _crashed(lying, monkeypatch)
    ran = shop("plan", "--detailed-exitcode")
    assert ran.code == 2, ran.both
    assert "! vm.web   reboot   power crashed → running, its hypervisor stopped it with an internal error" in ran.out
    assert "boots again with TCG: `vm.web` was stopped by KVM with an internal error" in ran.out
    (change,) = [one for one in json.loads(shop.done("plan", "--json").out)["resource_changes"] if one["address"] == "vm.web"]
    assert (change["action"], change["action_reason"]) == ("reboot", "crashed")
    assert shop("apply", "--approve", "update", "--no-input").code == 12
    shop.done("apply", "--approve", "reboot")
    assert "vm.web is ready" in shop.done("vm", "wait", "--timeout", "100s").out
    assert shop("plan", "--detailed-exitcode").code == 0


def test_the_plan_boots_a_vm_that_never_said_a_first_byte_on_what_works(lying) -> None:
    play("silent")
    lying.done("apply", "-y", "-q")
    until = time.monotonic() + 120
    while _state(lying) == "running":
        assert time.monotonic() < until, "nobody saw that the guest says nothing"
    assert _state(lying) == "silent"
    ran = lying("plan", "--detailed-exitcode")
    assert ran.code == 2, ran.both
    assert "! vm.web   reboot   power silent → running, its guest uses the processor and has never written to its serial line" in ran.out
    assert "boots again with TCG: `vm.web` used " in ran.out
    (change,) = [one for one in json.loads(lying.done("plan", "--json").out)["resource_changes"] if one["address"] == "vm.web"]
    assert (change["action"], change["action_reason"]) == ("reboot", "silent")
    assert lying("drift", "--detailed-exitcode").code == 2
    assert lying("apply", "--approve", "update", "--no-input").code == 12
    lying.done("apply", "--approve", "reboot")
    assert "vm.web is ready" in lying.done("vm", "wait", "--timeout", "100s").out
    assert lying("plan", "--detailed-exitcode").code == 0


def test_a_guest_that_writes_nothing_and_answers_is_not_silent(lying, monkeypatch) -> None:
    from herocloud.providers.qemu import vitals

    monkeypatch.setattr(vitals, "_patience", lambda: -1.0)
    play("terse")
    lying.done("apply", "-y", "-q")
    assert _state(lying) == "running"
    assert lying("plan", "--detailed-exitcode").code == 0


def test_what_a_crash_showed_is_remembered_for_the_next_vm(lying, monkeypatch) -> None:
    shop = _crashed(lying, monkeypatch)
    shop.done("destroy", "-y", "-q")
    assert "with TCG: `vm.web` was stopped by KVM with an internal error" in shop.done("plan").both
    assert "with KVM: asked for, although `vm.web`" in shop.done("plan", "--accelerator", "kvm").both


def test_a_guest_that_never_writes_a_first_byte_is_not_waited_for(lying, monkeypatch) -> None:
    play("silent")
    assert "with KVM" in lying.done("apply", "-y").both
    ran = lying("vm", "wait", "--timeout", "300s")
    assert ran.code == 1, ran.both
    assert "s of CPU time under KVM without a byte on its serial line" in ran.err
    assert "`herocloud vm restart vm.web` boots it with TCG" in ran.err
    lying.done("vm", "restart", "web")
    assert "vm.web is ready" in lying.done("vm", "wait", "--timeout", "100s").out


def test_waiting_says_now_and_then_what_the_guest_does(lying, monkeypatch) -> None:
    from herocloud.operations import guests

    monkeypatch.setattr(guests, "_NOW_AND_THEN", 0.0)
    play("silent")
    lying.done("apply", "-y", "-q")
    ran = lying("vm", "wait", "--timeout", "300s")
    assert "vm.web does not answer yet: running, " in ran.err
    assert " of CPU time used, 0 B on its serial line." in ran.err


def test_where_a_guest_of_this_boot_answered_a_crash_accuses_only_its_own_vm(lying, monkeypatch) -> None:
    lying.done("apply", "-y", "-q")
    lying.done("vm", "wait", "--timeout", "100s")
    lying.done("destroy", "-y", "-q")
    shop = _crashed(lying, monkeypatch)
    assert "boots again with KVM" in shop.done("plan").out


@pytest.mark.parametrize(
    ("flag", "variable", "setting", "key", "chosen"),
    [
        (None, None, None, None, "KVM: a trial guest"),
        (None, None, None, "tcg", "TCG: asked for"),
        (None, None, "kvm", "tcg", "KVM: asked for"),
        (None, "tcg", "kvm", "auto", "TCG: asked for"),
        ("auto", "tcg", "tcg", "tcg", "KVM: a trial guest"),
    ],
    ids=["nothing", "the host file", "a setting", "the environment", "the flag"],
)
def test_people_choose_and_the_nearest_word_counts(lying, flag, variable, setting, key, chosen: str) -> None:
    text = "name: node1\n"
    text += f"settings: {{accelerator: {setting}}}\n" if setting else ""
    text += f"qemu: {{accelerator: {key}}}\n" if key else ""
    (lying.data_folder / "host.yaml").write_text(text, encoding="utf-8")
    words = ["--accelerator", flag] if flag else []
    ran = lying("plan", *words, environment={"HEROCLOUD_ACCELERATOR": variable} if variable else {})
    assert ran.code == 0, ran.both
    assert f"with {chosen}" in ran.both


def test_what_people_choose_is_what_vms_boot_on(lying) -> None:
    lying.done("apply", "-y", "-q", "--accelerator", "tcg")
    assert _launched(lying)["accelerator"] == "tcg"
    lying.done("vm", "restart", "web", "--accelerator", "kvm")
    assert _launched(lying)["accelerator"] == "kvm"


def test_kvm_that_is_asked_for_and_not_there_is_an_error_of_the_plan(lying, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(kvm_probe, "_KVM", tmp_path / "nothing")
    ran = lying("plan", "--accelerator", "kvm")
    assert (ran.code, "with KVM: asked for, but there is no `/dev/kvm`" in ran.both) == (1, True), ran.both


def test_an_accelerator_that_is_none_is_refused(lying) -> None:
    assert lying("plan", "--accelerator", "xen").code == 64
    (lying.data_folder / "host.yaml").write_text("qemu: {accelerator: xen}\n", encoding="utf-8")
    ran = lying("plan")
    assert (ran.code, "one of `auto`, `kvm`, `tcg`" in ran.err) == (1, True), ran.both


def test_the_doctor_says_what_was_proven_and_how(lying, monkeypatch) -> None:
    assert "with KVM: a trial guest went through long mode" in lying("doctor").out.replace("\n", " ")
    _crashed(lying, monkeypatch)
    assert "`vm.web` was stopped by KVM with an internal error" in lying("doctor").out
