"""Which QEMU there is, and whether guests really run under KVM here; proven once by a short boot, and remembered.

A `/dev/kvm` that opens proves nothing: where KVM itself runs under another hypervisor, small pieces of code may run and every ordinary
guest stall, or QEMU end at once. So a BIOS is booted on the board that VMs get, from a disk whose first sector writes to a port that
ends QEMU with a code of ours; that takes a quarter of a second where KVM is good for anything. The answer is remembered in the cache
folder, under a key of kernel, processor and program: it holds until one of those changes.
"""

import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import caches, files, jsons, running
from herocloud.kits.running import CommandError
from herocloud.model.errors import Permanent

PROGRAM = "qemu-system-x86_64"
PATIENCE = 5.0
"""Seconds for the proof. A KVM that needs longer for a BIOS is slower than emulation."""
NO_SHARE_DAEMON = "the program virtiofsd is missing; install the package virtiofsd"
_SHARE_DAEMONS = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/qemu/virtiofsd")
_KVM = Path("/dev/kvm")
_SECTOR = bytes.fromhex("b031e6f4f4ebfd")
"""mov al, 0x31; out 0xf4, al; hlt; again: QEMU ends with twice the value and one."""
_PASSED = 0x31 * 2 + 1
_DISK = 1024**2
"""A BIOS does not boot from a disk of one sector."""


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
        known = _prove(program)
        _remember(key, known)
    if known is None:
        return Acceleration("tcg", "whether KVM works has not been tried yet")
    return Acceleration("kvm" if known["passed"] else "tcg", str(known["why"]))


def _prove(program: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="herocloud-kvm-") as name:
        disk = Path(name) / "sector"
        disk.write_bytes((_SECTOR.ljust(510, b"\0") + b"\x55\xaa").ljust(_DISK, b"\0"))
        command = [program, "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-accel", "kvm", "-cpu", "host"]
        command += ["-m", "64M", "-blockdev", jsons.dumps(_as_node(disk)), "-device", "virtio-blk-pci,drive=sector,bootindex=0"]
        command += ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x01"]
        try:
            running.run(command, timeout=PATIENCE, codes=(_PASSED,))
        except CommandError as error:
            return {"passed": False, "why": f"KVM is there, but a probe boot did not get through ({_ending(error)})"}
    return {"passed": True, "why": "a probe boot got through KVM"}


def _as_node(disk: Path) -> dict[str, object]:
    return {"driver": "raw", "node-name": "sector", "read-only": True, "file": {"driver": "file", "filename": str(disk), "read-only": True}}


def _ending(error: CommandError) -> str:
    if error.returncode is None:
        return f"nothing after {PATIENCE:g} s"
    lines = [line for line in error.stderr.splitlines() if "error" in line.lower()] or error.stderr.splitlines()
    return lines[0].removeprefix(f"{PROGRAM}: ").strip() if lines else f"QEMU ended with {error.returncode}"


def _key(program: str) -> str:
    """Name what the proof depends on; the program is known by its size and age, because asking it for its version takes a process."""
    real = Path(program).resolve()
    state = real.stat()
    return jsons.digest([platform.release(), platform.version(), str(real), state.st_size, state.st_mtime_ns, _processor()])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return "\n".join(line for line in lines[:30] if line.startswith(("vendor_id", "model", "stepping", "microcode", "flags")))


def _recall(key: str) -> dict[str, object] | None:
    try:
        known = jsons.loads(_memory(key).read_bytes())
        return {"passed": bool(known["passed"]), "why": str(known["why"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(key: str, known: dict[str, object]) -> None:
    try:
        files.write_durably(_memory(key), jsons.dumps(known).encode(), 0o644)
    except OSError:
        # A cache that cannot be written costs the time of another proof, and nothing else.
        return


def _memory(key: str) -> Path:
    return caches.cache_folder() / "kvm" / f"{key}.json"
