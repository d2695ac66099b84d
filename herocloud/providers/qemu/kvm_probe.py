"""Which QEMU there is, and what guests run on here: KVM where it was proven and nothing speaks against it, emulation (TCG) elsewhere.

A `/dev/kvm` that opens proves nothing: where KVM itself runs under another hypervisor, a BIOS may boot and every ordinary guest stall. So
a trial guest does what kernels do, under emulation and under KVM (`kvm_trial`), and what real guests show afterwards overrules it
(`kvm_memory`). A doubt means emulation. What people ask for stands above all of this.
"""

import os
import platform
import shutil
import time
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import subprocesses
from herocloud.model.errors import Permanent
from herocloud.providers.qemu import kvm_memory, kvm_trial

PROGRAM = "qemu-system-x86_64"
_KVM = Path("/dev/kvm")


class Acceleration(NamedTuple):
    """What guests run on."""

    name: str
    """`kvm` or `tcg`."""
    why: str
    """For a person, without a full stop."""
    usable: bool = True
    """False when people ask for what this host does not have."""


def find_program() -> str | None:
    """Return the path of QEMU for this kind of processor."""
    return shutil.which(PROGRAM) if platform.machine() in ("x86_64", "AMD64") else None


def require_program() -> str:
    """Return the path of QEMU, or say what to install."""
    program = find_program()
    if program is None:
        raise Permanent(missing())
    return program


def version() -> str | None:
    """Return the version of the program; nothing where there is none."""
    import re

    program = find_program()
    if program is None:
        return None
    try:
        said = subprocesses.run([program, "--version"], timeout=10.0).stdout
    except subprocesses.CommandError:
        return None
    match = re.search(r"version (\S+)", said)
    return match.group(1) if match else None


def missing() -> str:
    """Say why there is no QEMU to use."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"this version runs VMs on x86_64 only, and this host is {platform.machine()}"
    return f"the program `{PROGRAM}` is missing; install the package qemu-system-x86"


def accelerate(program: str, wanted: str = "auto", *, prove: bool = True) -> Acceleration:
    """Say what guests run on here. Without `prove` an answer that is not remembered is not looked for, and TCG is the safe one."""
    if wanted == "tcg":
        return Acceleration("tcg", "asked for")
    lacking = _lacking()
    if wanted == "kvm":
        return Acceleration("kvm", f"asked for, but {lacking}" if lacking else _asked_for(program), usable=not lacking)
    if lacking:
        return Acceleration("tcg", lacking)
    known = kvm_memory.recall(program)
    if known is None and prove:
        known = kvm_trial.try_kvm(program)
        kvm_memory.remember(program, known)
    if known is None:
        return Acceleration("tcg", "whether KVM works has not been tried yet")
    if known.verdict == kvm_trial.UNSURE:
        return Acceleration("tcg", f"whether KVM works is in doubt: {known.why}")
    if known.verdict == kvm_trial.FAILS:
        return Acceleration("tcg", known.why)
    shown = _shown_by_guests(program)
    return Acceleration("tcg", shown) if shown else Acceleration("kvm", known.why)


def _lacking() -> str:
    if not _KVM.exists():
        return "there is no `/dev/kvm`"
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return "`/dev/kvm` may not be opened by this user, who is not in the group kvm"
    return ""


def _asked_for(program: str) -> str:
    known = kvm_memory.recall(program)
    against = _shown_by_guests(program) or (known.why if known is not None and known.verdict == kvm_trial.FAILS else "")
    return f"asked for, although {against}" if against else "asked for"


def _shown_by_guests(program: str) -> str:
    """Say which guest speaks against KVM, and how it gets its chance again."""
    found = kvm_memory.witness(program)
    if found is None:
        return ""
    day = time.strftime("%Y-%m-%d", time.localtime(found.at))
    return f"`{found.address}` {found.what} on {day}; until the kernel changes or `{kvm_memory.guests_file(program)}` is removed"
