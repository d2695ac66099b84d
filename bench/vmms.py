"""Prints what herocloud adds to the start of many VMs on Cloud Hypervisor, beside the bare program told the same over its API.

`--program` is the program to run: the stand-in of the tests by default, so that the figure is herocloud's and not a machine's; the real one
where guests get through KVM. Overhead of a VM = (apply - bare starts at the same parallelism) / VMs. Both take turns, and medians count.

Beside the time stands what the processors worked in it, for herocloud, the programs and everything beside them: other work on the machine
makes an apply longer, and adds little to that. What a processor gave to what outlives the apply is known once it has ended.
"""

import argparse
import ctypes
import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import measuring

from herocloud.model.steps import LANES
from herocloud.providers.vmm import folders, identity, orders

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = ROOT / "tests/providers/cloud_hypervisor/stand_in/cloud-hypervisor"
MIB = 1024**2
HOST = "name: bench\noversubscription: {memory: 40.0, cpu: 40.0, disk: 40.0}\n"
LARGE_HOST = """\
import sys
from herocloud.host import detection
from herocloud.cli import entry
detection._memory = lambda _about: 512 * 1024**3
sys.argv[0] = __file__ = "herocloud"
sys.exit(entry.main())
"""
"""A host with a slice for each VM: these take no memory to speak of. By its name it is the console script, and ends like that."""
STACK = """\
stack: bench
images:
  tiny: {{kernel: {kernel}, cmdline: guest=lively}}
vms:
  one: {{count: {count}, image: tiny, hypervisor: cloud-hypervisor, memory: 64 MiB}}
"""
OVERHEAD_TARGET, MEMORY_TARGET = 0.030, 150.0
_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for, as in a cage: on the PATH of the shell that measures, the stand-in's `python3` may be a version manager's
script that takes longer than the interpreter, and herocloud asks the program for its version."""
_PATIENCE = 60.0
_CHILD_SUBREAPER = 36


class Started(NamedTuple):
    """One run: seconds for all VMs, what processors worked for them, and the memory of the process that started them."""

    seconds: float
    cpu: float
    megabytes: float


def main() -> None:
    """Start them both ways by turns and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vms", type=int, default=50)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--program", default=str(STAND_IN))
    arguments = parser.parse_args()
    _take_orphans()
    ours, bare = [], []
    with tempfile.TemporaryDirectory(prefix="hcvmms") as name:
        folder = Path(name)
        (folder / "bin").mkdir()
        (folder / "bin" / "cloud-hypervisor").symlink_to(shutil.which(arguments.program) or arguments.program)
        kernel = folder / "vmlinux"
        kernel.write_bytes(_kernel())
        for number in range(arguments.times):
            ours.append(_apply(folder / f"ours{number}", folder, kernel, arguments.vms))
            bare.append(_start_bare(folder / f"bare{number}", folder, kernel, arguments.vms))
    memory = max(run.megabytes for run in ours)
    program = Path(arguments.program).name
    print(f"{arguments.vms} VMs on {program}, {os.cpu_count()} processors, {LANES['boot']} at once, {arguments.times} times")
    took = [statistics.median(run.seconds for run in runs) for runs in (ours, bare)]
    worked = [statistics.median(run.cpu for run in runs) for runs in (ours, bare)]
    target = f"  target under {OVERHEAD_TARGET * 1000:.0f} ms"
    for what, (apply, alone), aim in (("time", took, target), ("work of the processors", worked, "")):
        overhead = (apply - alone) / arguments.vms
        print(f"{f'{what}: apply':38}{apply:>9.2f} s   {apply / arguments.vms * 1000:>7.0f} ms a VM")
        print(f"{f'{what}: the program alone':38}{alone:>9.2f} s   {alone / arguments.vms * 1000:>7.0f} ms a VM")
        print(f"{f'{what}: overhead of a VM':38}{overhead * 1000:>9.1f} ms{aim}")
    print(f"{'memory of the apply':38}{memory:>9.0f} MB  target under {MEMORY_TARGET:.0f} MB")


def _take_orphans() -> None:
    """Have what outlives its parents given to this process, so that the work that was done in it can be asked for."""
    if ctypes.CDLL(None, use_errno=True).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _bury() -> float:
    """Wait for everything that was left to this process, which somebody has ended; returns how long processors worked for it."""
    worked = 0.0
    while True:
        try:
            _, _, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return worked
        worked += usage.ru_utime + usage.ru_stime


def _kernel() -> bytes:
    """Return the smallest kernel that is loaded: an ELF file with a PVH entry that halts."""
    code, base, offset = b"\xfa\xf4\xeb\xfd", 0x1000000, 0x1000  # cli; hlt; jmp hlt
    note = struct.pack("<III", 4, 4, 18) + b"Xen\0" + struct.pack("<I", base)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, offset, base, base, len(code), len(code), 0x1000)
    notes = struct.pack("<IIQQQQQQ", 4, 4, 0x200, 0, 0, len(note), len(note), 4)
    return ((header + load + notes).ljust(0x200, b"\0") + note).ljust(offset, b"\0") + code


def _apply(data: Path, folder: Path, kernel: Path, count: int) -> Started:
    data.mkdir()
    (data / "host.yaml").write_text(HOST)
    stack = folder / "stack.yaml"
    stack.write_text(STACK.format(kernel=kernel, count=count))
    environment = {"PATH": f"{folder / 'bin'}:{_SYSTEM}", "HEROCLOUD_DATA_DIR": str(data)}
    herocloud = [str(ROOT / ".venv/bin/python"), "-c", LARGE_HOST]
    # The plan finds out what this host can do, which is remembered and belongs to no VM.
    measuring.run([*herocloud, "-f", str(stack), "plan"], folder=folder, environment=environment)
    try:
        measured = measuring.run([*herocloud, "-f", str(stack), "apply", "-y"], folder=folder, environment=environment)
    finally:
        _end_all(data)
        left = _bury()
        _clear_away(data)
    return Started(measured.seconds, measured.cpu + left, measured.megabytes)


def _end_all(data: Path) -> None:
    """End what an apply started, faster than a destroy would: nothing of it is kept."""
    for machine in (data / "vms").glob("*/vmm"):
        (machine / "process.stop").touch()
        for record in ("process-console.keeper", "process-console", "process.keeper", "process"):
            known = identity.read(machine / record)
            if known is not None:
                identity.send(known, signal.SIGKILL)
    shutil.rmtree(folders.runtime_root(data), ignore_errors=True)


def _clear_away(data: Path) -> None:
    """Remove what an apply left outside its data folder, once its processes are buried: each run would make the next one slower."""
    for machine in (data / "vms").glob("*/vmm"):
        for record in ("process-console", "process"):
            orders.forget(machine / record)


def _start_bare(place: Path, folder: Path, kernel: Path, count: int) -> Started:
    place.mkdir()
    processes: list[subprocess.Popen[bytes]] = []
    wanted = {
        "cpus": {"boot_vcpus": 1, "max_vcpus": 1},
        "memory": {"size": 64 * MIB},
        "payload": {"kernel": str(kernel), "cmdline": "guest=lively"},
        "serial": {"mode": "Null"},
        "console": {"mode": "Off"},
    }
    config = json.dumps(wanted).encode()

    def start(number: int) -> None:
        path = place / f"{number}.sock"
        words = [str(folder / "bin" / "cloud-hypervisor"), "--api-socket", f"path={path}"]
        words += ["--event-monitor", f"path={place}/{number}.events"]
        # Without an environment, as in a cage: the stand-in's `python3` may be another one on the PATH of the shell that measures.
        nowhere = subprocess.DEVNULL
        processes.append(subprocess.Popen(words, env={}, stdin=nowhere, stdout=nowhere, stderr=nowhere))
        until = time.monotonic() + _PATIENCE
        while not _answers(path):
            if time.monotonic() > until:
                raise TimeoutError(f"`{path}` does not answer")
            time.sleep(0.005)
        _call(path, "PUT", "vm.create", config)
        _call(path, "PUT", "vm.boot")

    began, worked = time.perf_counter(), time.process_time()
    try:
        with ThreadPoolExecutor(LANES["boot"]) as pool:
            list(pool.map(start, range(count)))
        seconds, worked = time.perf_counter() - began, time.process_time() - worked
    finally:
        for process in processes:
            process.kill()
        left = _bury()
    return Started(seconds, worked + left, 0.0)


def _answers(path: Path) -> bool:
    try:
        _call(path, "GET", "vmm.ping")
    except OSError:
        return False
    return True


def _call(path: Path, method: str, call: str, body: bytes = b"") -> None:
    """Put one request, with nothing between us and the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.connect(str(path))
        wire.sendall(f"{method} /api/v1/{call} HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = wire.recv(65536)
    if not answer.startswith(b"HTTP/1.1 20"):
        raise measuring.Failed(f"{call}: {answer.decode()}")


if __name__ == "__main__":
    main()
