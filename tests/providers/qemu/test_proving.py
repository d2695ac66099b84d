"""KVM is believed only after something booted through it, and the answer is remembered until its reasons change."""

import os
from pathlib import Path

import pytest

from herocloud.model.errors import Permanent
from herocloud.providers.qemu import observing, proving


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Stand in for QEMU; counts how often it is called."""
    monkeypatch.setenv("HEROCLOUD_CACHE_DIR", str(tmp_path / "cache"))
    kvm = tmp_path / "kvm"
    kvm.touch()
    monkeypatch.setattr(proving, "_KVM", kvm)

    def make(*lines: str) -> str:
        path = tmp_path / "qemu"
        path.write_text("\n".join(["#!/bin/sh", f"echo x >>{tmp_path}/calls", *lines, ""]))
        path.chmod(0o755)
        return str(path)

    return make


def _calls(tmp_path: Path) -> int:
    path = tmp_path / "calls"
    return len(path.read_text().split()) if path.exists() else 0


def test_a_boot_that_gets_through_makes_kvm_the_choice(program, tmp_path) -> None:
    path = program("exit 99")
    assert proving.accelerate(path) == ("kvm", "a probe boot got through KVM")
    assert proving.accelerate(path).name == "kvm"
    assert _calls(tmp_path) == 1


def test_a_boot_that_fails_leaves_emulation_and_says_why(program, tmp_path) -> None:
    path = program("echo 'qemu-system-x86_64: error: failed to set MSR 0x10a' >&2", "exit 134")
    why = "KVM is there, but a probe boot did not get through (error: failed to set MSR 0x10a)"
    assert proving.accelerate(path) == ("tcg", why)
    assert proving.accelerate(path, prove=False) == ("tcg", why)
    assert _calls(tmp_path) == 1


def test_a_boot_that_hangs_is_given_up(program, monkeypatch) -> None:
    monkeypatch.setattr(proving, "PATIENCE", 0.2)
    assert proving.accelerate(program("exec tail -f /dev/null")).why.endswith("did not get through (nothing after 0.2 s)")


def test_a_guest_that_ends_by_itself_proves_nothing(program) -> None:
    assert proving.accelerate(program("exit 0")).name == "tcg"


def test_another_program_is_proven_anew(program, tmp_path) -> None:
    assert proving.accelerate(program("exit 99")).name == "kvm"
    assert proving.accelerate(program("exit 1 # an upgrade")).name == "tcg"
    assert _calls(tmp_path) == 2


def test_nothing_is_booted_when_nobody_wants_to_know(program, tmp_path) -> None:
    assert proving.accelerate(program("exit 99"), prove=False).why == "whether KVM works has not been tried yet"
    assert _calls(tmp_path) == 0


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"passed": true}'])
def test_a_damaged_memory_is_no_memory(program, tmp_path, content: str) -> None:
    path = program("exit 99")
    proving.accelerate(path)
    memory = next((tmp_path / "cache" / "kvm").iterdir())
    memory.write_text(content)
    assert proving.accelerate(path).name == "kvm"
    assert _calls(tmp_path) == 2


def test_a_cache_that_cannot_be_written_is_no_error(program, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HEROCLOUD_CACHE_DIR", str(tmp_path / "file"))
    assert proving.accelerate(program("exit 99")).name == "kvm"


def test_a_host_without_kvm_is_not_asked(program, tmp_path) -> None:
    os.unlink(proving._KVM)  # noqa: PTH108
    assert proving.accelerate(program("exit 99")) == ("tcg", "there is no `/dev/kvm`")
    assert _calls(tmp_path) == 0


def test_a_missing_program_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(proving.shutil, "which", lambda _name: None)
    monkeypatch.setattr(proving.platform, "machine", lambda: "x86_64")
    assert observing.survey()[:2] == (False, "the program `qemu-system-x86_64` is missing; install the package qemu-system-x86")
    with pytest.raises(Permanent, match="is missing"):
        proving.require_program()


def test_other_processors_are_told_apart(monkeypatch) -> None:
    monkeypatch.setattr(proving.platform, "machine", lambda: "aarch64")
    assert observing.survey().why == "this version runs VMs on x86_64 only, and this host is aarch64"


def test_the_real_program_answers_within_its_time(qemu, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HEROCLOUD_CACHE_DIR", str(tmp_path / "cache"))
    found = proving.accelerate(qemu)
    assert found.name in ("kvm", "tcg")
    assert found.why
