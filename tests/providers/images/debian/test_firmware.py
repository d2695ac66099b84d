"""The Debian image starts by every way in: the BIOS, UEFI, and its kernel and initramfs alone."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from herocloud.providers.images.builds import debian
from herocloud.providers.images.builds.debian import Built

pytestmark = [pytest.mark.slow, pytest.mark.guest, pytest.mark.timeout(300)]

# The lab is emulated itself: there KVM is sound, and emulation inside emulation would take minutes for a boot.
ACCEL = "kvm" if os.environ.get("HEROCLOUD_LAB") else "tcg"
UEFI = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")


def ways_in(way: str, image: Built) -> list[str]:
    if way == "bios":
        return []
    if way == "uefi":
        if not UEFI.exists():
            pytest.skip("needs the UEFI firmware for guests (package ovmf)")
        if os.environ.get("HEROCLOUD_LAB") == "tcg":
            pytest.skip("needs a KVM that UEFI firmware runs under; QEMU's emulated SVM ends with an assertion there")
        return ["-drive", f"if=pflash,format=raw,readonly=on,file={UEFI}"]
    # Ours ends at the serial line, as the one that GRUB hands over does.
    return ["-kernel", str(image.kernel), "-initrd", str(image.initramfs), "-append", debian.COMMAND_LINE]


@pytest.mark.parametrize("way", ["bios", "uefi", "direct"])
def test_the_root_file_system_is_found_and_a_system_comes_up(way: str, debian_image: Built, tmp_path: Path) -> None:
    console = tmp_path / "console"
    command = [
        "qemu-system-x86_64", "-M", "q35", "-accel", ACCEL, "-cpu", "max", "-m", "512M", "-nodefaults", "-display", "none", "-no-reboot",
        "-serial", f"file:{console}", "-drive", f"file={debian_image.disk},format=raw,if=none,id=disk,snapshot=on",
        "-device", "virtio-blk-pci,drive=disk,bootindex=1", *ways_in(way, debian_image),
    ]  # fmt: skip
    guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        deadline, pause = time.monotonic() + 240, threading.Event()
        while (said := console.read_text(errors="replace") if console.exists() else "").count("Debian GNU/Linux 12") < 1:
            assert guest.poll() is None, guest.stderr.read() if guest.stderr is not None else ""
            assert time.monotonic() < deadline, said[-2000:]
            pause.wait(0.2)
    finally:
        guest.kill()
        guest.communicate(timeout=30)
    assert "Kernel panic" not in said
