"""KVM is believed only after a guest did through it what kernels do, and the answer is remembered until its reasons change."""

import os
from pathlib import Path

import pytest

from herocloud.kits import jsons
from herocloud.model.errors import Permanent
from herocloud.providers.qemu import kvm_memory, kvm_probe, kvm_trial, observing

_WORK = "i=0; while [ $i -lt 60000 ]; do i=$((i + 1)); done"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Stand in for QEMU: emulation passes after some work, KVM does what the test says. Counts how often KVM is tried."""
    monkeypatch.setenv("HEROCLOUD_CACHE_DIR", str(tmp_path / "cache"))
    kvm = tmp_path / "kvm"
    kvm.touch()
    monkeypatch.setattr(kvm_probe, "_KVM", kvm)

    def make(*lines: str, emulated: str = f"{_WORK}; exit 99") -> str:
        path = tmp_path / "qemu"
        head = ["#!/bin/sh", f'case "$*" in *"-accel tcg"*) {emulated} ;; esac', f"echo x >>{tmp_path}/calls"]
        path.write_text("\n".join([*head, *lines, ""]))
        path.chmod(0o755)
        return str(path)

    return make


def _calls(tmp_path: Path) -> int:
    path = tmp_path / "calls"
    return len(path.read_text().split()) if path.exists() else 0


def test_a_trial_guest_that_gets_through_makes_kvm_the_choice(program, tmp_path) -> None:
    path = program("exit 99")
    found = kvm_probe.accelerate(path)
    assert found.name == "kvm"
    assert found.why.startswith("a trial guest went through long mode, ring 3, system calls, page faults and timer interrupts in ")
    assert kvm_probe.accelerate(path) == found
    assert _calls(tmp_path) == 1


@pytest.mark.parametrize(
    ("ending", "why"),
    [
        (
            "echo 'qemu-system-x86_64: error: failed to set MSR 0x10a' >&2; exit 134",
            "the trial guest did not get through KVM (error: failed to set MSR 0x10a)",
        ),
        ("exit 101", "the trial guest got wrong results"),
        ("exit 103", "the trial guest got an exception where a processor raises none"),
        ("exit 0", "the trial guest did not get through KVM (QEMU ended with 0)"),
        ("echo 'KVM internal error. Suberror: 1' >&2; exec tail -f /dev/null", "KVM stopped the trial guest with an internal error"),
    ],
    ids=["refused", "wrong results", "an exception", "an early end", "an internal error"],
)
def test_a_guest_that_fails_leaves_emulation_and_says_why(program, tmp_path, ending: str, why: str) -> None:
    path = program(ending)
    assert kvm_probe.accelerate(path)[:2] == ("tcg", why)
    assert kvm_probe.accelerate(path, prove=False)[:2] == ("tcg", why)
    assert _calls(tmp_path) == 1


def test_a_kvm_that_takes_more_cpu_time_than_emulation_is_given_up(program) -> None:
    found = kvm_probe.accelerate(program("while :; do :; done"))
    assert found.name == "tcg"
    assert found.why.startswith("KVM does not beat emulation: ")


def test_time_on_the_clock_does_not_count_against_kvm(program) -> None:
    """A busy host keeps the guest waiting; the CPU time that it takes stays the same."""
    assert kvm_probe.accelerate(program("timeout 1 tail -f /dev/null", "exit 99")).name == "kvm"


def test_a_guest_that_says_nothing_in_time_leaves_a_doubt_that_is_looked_into_again(program, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(kvm_trial, "PATIENCE", 1.0)
    path = program("exec tail -f /dev/null")
    doubt = "whether KVM works is in doubt: the trial guest under KVM: no end after 1 s"
    assert kvm_probe.accelerate(path)[:2] == ("tcg", doubt)
    assert kvm_probe.accelerate(path)[:2] == ("tcg", doubt)
    assert _calls(tmp_path) == 1
    memory = next((tmp_path / "cache" / "kvm").iterdir())
    memory.write_text(jsons.dumps({**jsons.loads(memory.read_bytes()), "at": 0.0}))
    assert kvm_probe.accelerate(path)[:2] == ("tcg", doubt)
    assert _calls(tmp_path) == 2


@pytest.mark.parametrize("lack", ["Cannot allocate memory", "Device or resource busy"])
def test_what_was_only_lacking_at_that_moment_is_a_doubt(program, lack: str) -> None:
    found = kvm_probe.accelerate(program(f"echo 'ioctl(KVM_CREATE_VM) failed: {lack}' >&2", "exit 1"))
    assert found[:2] == (
        "tcg",
        f"whether KVM works is in doubt: the trial guest did not get through KVM (ioctl(KVM_CREATE_VM) failed: {lack})",
    )


def test_without_emulation_to_compare_with_nothing_is_certain(program, tmp_path) -> None:
    found = kvm_probe.accelerate(program("exit 99", emulated="exit 1"))
    assert found.name == "tcg"
    assert found.why.startswith("whether KVM works is in doubt: the trial guest did not get through emulation")
    assert _calls(tmp_path) == 0


def test_a_kvm_that_beats_an_emulation_without_end_is_believed(program, monkeypatch) -> None:
    """On a host that is itself emulated, emulation takes minutes."""
    monkeypatch.setattr(kvm_trial, "EMULATION_LIMIT", 0.5)
    found = kvm_probe.accelerate(program("exit 99", emulated="while :; do :; done"))
    assert found.name == "kvm"
    assert "emulation took more than 0." in found.why


@pytest.mark.parametrize("kvm", ["while :; do :; done", "exec tail -f /dev/null"], ids=["without end", "idle"])
def test_where_neither_comes_to_an_end_there_is_a_doubt(program, monkeypatch, kvm: str) -> None:
    monkeypatch.setattr(kvm_trial, "EMULATION_LIMIT", 0.5)
    monkeypatch.setattr(kvm_trial, "PATIENCE", 3.0)
    found = kvm_probe.accelerate(program(kvm, emulated="while :; do :; done"))
    assert found.name == "tcg"
    assert found.why.startswith("whether KVM works is in doubt: the trial guest finished neither under emulation nor under KVM within ")


def test_a_kvm_that_fails_beside_an_emulation_without_end_is_not_believed(program, monkeypatch) -> None:
    monkeypatch.setattr(kvm_trial, "EMULATION_LIMIT", 0.5)
    found = kvm_probe.accelerate(program("exit 101", emulated="while :; do :; done"))
    assert found[:2] == ("tcg", "the trial guest got wrong results")


def test_another_program_is_tried_again(program, tmp_path) -> None:
    assert kvm_probe.accelerate(program("exit 99")).name == "kvm"
    assert kvm_probe.accelerate(program("exit 1 # an upgrade")).name == "tcg"
    assert _calls(tmp_path) == 2


@pytest.mark.parametrize("fact", ["release", "version"])
def test_another_kernel_is_tried_again(program, tmp_path, monkeypatch, fact: str) -> None:
    path = program("exit 99")
    kvm_probe.accelerate(path)
    monkeypatch.setattr(kvm_memory.platform, fact, lambda: "another")
    assert kvm_probe.accelerate(path).name == "kvm"
    assert _calls(tmp_path) == 2


def test_another_boot_is_tried_again(program, tmp_path, monkeypatch) -> None:
    path = program("exit 99")
    kvm_probe.accelerate(path)
    real = kvm_memory._read
    monkeypatch.setattr(kvm_memory, "_read", lambda name: "another" if name.endswith("boot_id") else real(name))
    kvm_probe.accelerate(path)
    assert _calls(tmp_path) == 2


def test_nothing_is_booted_when_nobody_wants_to_know(program, tmp_path) -> None:
    assert kvm_probe.accelerate(program("exit 99"), prove=False).why == "whether KVM works has not been tried yet"
    assert _calls(tmp_path) == 0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"passed": true}', '{"verdict": "works"}', '{"verdict": "1", "why": "", "at": 1e18}'])
def test_a_damaged_memory_is_no_memory(program, tmp_path, content: str) -> None:
    path = program("exit 99")
    kvm_probe.accelerate(path)
    memory = next((tmp_path / "cache" / "kvm").iterdir())
    memory.write_text(content)
    assert kvm_probe.accelerate(path).name == "kvm"
    assert _calls(tmp_path) == 2


def test_a_cache_that_cannot_be_written_is_no_error(program, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEROCLOUD_CACHE_DIR", str(tmp_path / "file"))
    assert kvm_probe.accelerate(program("exit 99")).name == "kvm"


def test_a_host_without_kvm_is_not_asked(program, tmp_path) -> None:
    os.unlink(kvm_probe._KVM)  # noqa: PTH108
    assert kvm_probe.accelerate(program("exit 99"))[:2] == ("tcg", "there is no `/dev/kvm`")
    assert _calls(tmp_path) == 0


def test_a_missing_program_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(kvm_probe.shutil, "which", lambda _name: None)
    monkeypatch.setattr(kvm_probe.platform, "machine", lambda: "x86_64")
    assert observing.survey()[:2] == (False, "the program `qemu-system-x86_64` is missing; install the package qemu-system-x86")
    with pytest.raises(Permanent, match="is missing"):
        kvm_probe.require_program()


def test_other_processors_are_told_apart(monkeypatch) -> None:
    monkeypatch.setattr(kvm_probe.platform, "machine", lambda: "aarch64")
    assert observing.survey().why == "this version runs VMs on x86_64 only, and this host is aarch64"


def test_the_real_program_answers_within_its_time(qemu, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HEROCLOUD_CACHE_DIR", str(tmp_path / "cache"))
    found = kvm_probe.accelerate(qemu)
    assert found.name in ("kvm", "tcg")
    assert found.why
