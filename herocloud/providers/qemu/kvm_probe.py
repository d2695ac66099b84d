"""Which QEMU there is, and what guests run on here: KVM where it was proven and nothing speaks against it, emulation (TCG) elsewhere.

A `/dev/kvm` that opens proves nothing: where KVM itself runs under another hypervisor, a BIOS may boot and every ordinary guest stall. So
a trial guest does what kernels do, under emulation and under KVM (`kvm_trial`). What came out is kept in the cache folder, under a key of
everything that it depends on: kernel, processor, module, program, and the boot, because a host that is a VM itself may start elsewhere next
time. A doubt means emulation, is kept for some minutes, and then looked into again.
"""

import os
import platform
import shutil
import time
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import caches, durable_files, jsons
from herocloud.model.errors import Permanent
from herocloud.providers.qemu import kvm_trial
from herocloud.providers.qemu.kvm_trial import Trial

PROGRAM = "qemu-system-x86_64"
NO_SHARE_DAEMON = "the program virtiofsd is missing; install the package virtiofsd"
_SHARE_DAEMONS = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/qemu/virtiofsd")
_KVM = Path("/dev/kvm")
_DOUBT = 600.0
"""Seconds for which a doubt is not looked into again, so that not every plan on a troubled host pays for a trial."""


class Acceleration(NamedTuple):
    """What guests run on."""

    name: str
    """`kvm` or `tcg`."""
    why: str
    """For a person, without a full stop."""


def find_program() -> str | None:
    """Return the path of QEMU for this kind of processor."""
    return shutil.which(PROGRAM) if platform.machine() in ("x86_64", "AMD64") else None


def require_program() -> str:
    """Return the path of QEMU, or say what to install."""
    found = find_program()
    if found is None:
        raise Permanent(missing())
    return found


def find_share_daemon() -> str | None:
    """Return the path of the virtiofs daemon; distributions put it where no PATH leads."""
    return shutil.which("virtiofsd") or next((path for path in _SHARE_DAEMONS if os.access(path, os.X_OK)), None)


def missing() -> str:
    """Say why there is no QEMU to use."""
    if platform.machine() not in ("x86_64", "AMD64"):
        return f"this version runs VMs on x86_64 only, and this host is {platform.machine()}"
    return f"the program `{PROGRAM}` is missing; install the package qemu-system-x86"


def accelerate(program: str, *, prove: bool = True) -> Acceleration:
    """Say what guests run on here. Without `prove` an answer that is not remembered is not looked for, and TCG is the safe one."""
    if not _KVM.exists():
        return Acceleration("tcg", "there is no `/dev/kvm`")
    if not os.access(_KVM, os.R_OK | os.W_OK):
        return Acceleration("tcg", "`/dev/kvm` may not be opened by this user, who is not in the group kvm")
    key = _key(program)
    known = _recall(key)
    if known is None and prove:
        known = kvm_trial.try_kvm(program)
        _remember(key, known)
    if known is None:
        return Acceleration("tcg", "whether KVM works has not been tried yet")
    if known.verdict == kvm_trial.WORKS:
        return Acceleration("kvm", known.why)
    return Acceleration("tcg", known.why if known.verdict == kvm_trial.FAILS else f"whether KVM works is in doubt: {known.why}")


def _key(program: str) -> str:
    """Name what the trial depends on; the program is known by its size and age, because asking it for its version takes a process."""
    real = Path(program).resolve()
    state = real.stat()
    host = [platform.release(), platform.version(), _read("/proc/sys/kernel/random/boot_id"), _processor(), _modules()]
    return jsons.digest(["trial 1", *host, str(real), state.st_size, state.st_mtime_ns])


def _processor() -> str:
    lines = _read("/proc/cpuinfo").splitlines()
    return "\n".join(line for line in lines[:30] if line.startswith(("vendor_id", "model", "stepping", "microcode", "flags")))


def _modules() -> list[str]:
    """Name the modules of KVM with their parameters: one that was loaded again with others may behave in another way."""
    return [f"{path}={_read(str(path))}" for path in sorted(Path("/sys/module").glob("kvm*/parameters/*"))]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _recall(key: str) -> Trial | None:
    try:
        known = jsons.loads(_memory(key).read_bytes())
        trial = Trial(str(known["verdict"]), str(known["why"]))
        age = time.time() - float(known["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if trial.verdict in (kvm_trial.WORKS, kvm_trial.FAILS):
        return trial
    return trial if trial.verdict == kvm_trial.UNSURE and 0 <= age < _DOUBT else None


def _remember(key: str, trial: Trial) -> None:
    try:
        durable_files.write_durably(_memory(key), jsons.dumps({**trial._asdict(), "at": time.time()}).encode(), 0o644)
    except OSError:
        # A cache that cannot be written costs the time of another trial, and nothing else.
        return


def _memory(key: str) -> Path:
    return caches.cache_folder() / "kvm" / f"{key}.json"
