"""The trial guest does what it says, on the real program under emulation; a guest whose steps are broken does not pass."""

import subprocess
from pathlib import Path

import pytest

from herocloud.providers.qemu import kvm_trial, trial_guest


def _boot(qemu: str, folder: Path, rom: bytes) -> int:
    path = folder / "rom"
    path.write_bytes(rom)
    command = [qemu, "-nodefaults", "-display", "none", "-no-reboot", "-m", "16M", "-machine", "q35", "-accel", "tcg"]
    command += ["-cpu", "max,la57=off"]
    command += ["-bios", str(path), "-device", f"isa-debug-exit,iobase={trial_guest.PORT:#x},iosize=0x01"]
    return subprocess.run(command, timeout=120, check=False, stdin=subprocess.DEVNULL, capture_output=True).returncode


def test_it_fills_a_rom_and_is_the_same_every_time() -> None:
    assert len(trial_guest.build()) == 64 * 1024
    assert trial_guest.build() == trial_guest.build()


def test_it_gets_through_emulation(qemu, tmp_path) -> None:
    assert _boot(qemu, tmp_path, trial_guest.build()) == trial_guest.PASSED


@pytest.mark.parametrize(
    ("here", "there", "code"),
    [
        ("49c7c0", "49c7c0", trial_guest.PASSED),
        # The handler takes the fault for another page's; ring 0 multiplies by another number; ring 3 is entered where nothing is mapped.
        ("0f20d0483d00300400", "0f20d0483d00400400", trial_guest.STRAYED),
        ("4869c02df45158", "4869c02df45159", trial_guest.MISCOUNTED),
        ("b900000400", "b900000500", trial_guest.STRAYED),
    ],
    ids=["nothing", "a page fault in a strange place", "a wrong result", "a strange entry"],
)
def test_a_step_that_goes_wrong_is_reported(qemu, tmp_path, here: str, there: str, code: int) -> None:
    rom = trial_guest.build().replace(bytes.fromhex(here), bytes.fromhex(there), 1)
    assert _boot(qemu, tmp_path, rom) == code


def test_the_trial_says_something_certain_or_doubts(qemu) -> None:
    trial = kvm_trial.try_kvm(qemu)
    assert trial.verdict in (kvm_trial.WORKS, kvm_trial.FAILS, kvm_trial.UNSURE)
    assert trial.why
