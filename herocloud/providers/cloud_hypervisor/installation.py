"""Which Cloud Hypervisor there is, what it can be used for on this host, and which firmware it boots disks with."""

import functools
import grp
import os
import platform
import shutil
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import subprocesses
from herocloud.kits.subprocesses import CommandError
from herocloud.model.errors import Permanent
from herocloud.providers.cloud_hypervisor import releases
from herocloud.providers.cloud_hypervisor.releases import Release

PROGRAM = "cloud-hypervisor"
KVM = Path("/dev/kvm")
FIRMWARE = (
    "/usr/share/cloud-hypervisor/CLOUDHV.fd",
    "/usr/share/edk2/ovmf/CLOUDHV.fd",
    "/usr/share/OVMF/CLOUDHV.fd",
    "/usr/share/ovmf/CLOUDHV.fd",
    "/usr/share/edk2/x64/CLOUDHV.fd",
    "/usr/local/share/cloud-hypervisor/CLOUDHV.fd",
)
"""Where packages and people put the firmware that EDK II builds for Cloud Hypervisor."""
NO_FIRMWARE = (
    "no UEFI firmware for Cloud Hypervisor was found; put `CLOUDHV.fd` of EDK II into `/usr/share/cloud-hypervisor`, "
    "or give the image a `kernel`"
)
_ASKING = 10.0


class Installed(NamedTuple):
    """The program and its release."""

    path: str
    release: Release


def find_program() -> str | None:
    """Return the path of the program."""
    return shutil.which(PROGRAM)


def missing() -> str:
    """Say why there is no program to use."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"this version runs VMs on x86_64 only, and this host is {platform.machine()}"
    return f"the program `{PROGRAM}` is missing; install Cloud Hypervisor v{releases.OLDEST} or newer"


def require() -> Installed:
    """Return the program, or say what is missing, too old or forbidden, and how that is mended."""
    path = find_program()
    if path is None or platform.machine() not in ("x86_64", "AMD64"):
        raise Permanent(f"{missing()}, or use `hypervisor: qemu`")
    refused = kvm_refused()
    if refused:
        raise Permanent(f"{refused}, or use `hypervisor: qemu`")
    installed = inspect(path)
    if not releases.is_supported(installed.release):
        raise Permanent(f"`{path}` cannot be used: {'; '.join(releases.doubts(installed.release))}")
    return installed


def inspect(path: str) -> Installed:
    """Ask the program for its release."""
    state = Path(path).stat()
    return Installed(path, _ask(path, state.st_mtime_ns, state.st_size))


def kvm_refused() -> str:
    """Say why guests cannot run, or nothing."""
    if not KVM.exists():
        return "Cloud Hypervisor needs KVM, and there is no `/dev/kvm`; load the module kvm_intel or kvm_amd"
    if os.access(KVM, os.R_OK | os.W_OK):
        return ""
    group = _group_of(KVM)
    return f"`/dev/kvm` may not be opened by this user; `sudo usermod -aG {group} $USER` allows it after the next login"


def find_firmware() -> Path | None:
    """Return the firmware that disks are booted with."""
    return next((Path(path) for path in FIRMWARE if os.access(path, os.R_OK)), None)


@functools.cache
def _ask(path: str, changed: int, size: int) -> Release:
    del changed, size  # a program that was replaced is asked again
    try:
        return releases.parse(subprocesses.run([path, "--version"], timeout=_ASKING).stdout)
    except CommandError as error:
        raise Permanent(f"`{path}` does not tell its version: {error}; it may be damaged, install it again") from error


def _group_of(path: Path) -> str:
    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return "kvm"
