"""The trial: the same small guest under emulation and under KVM, compared by the CPU time that each takes.

CPU time and not the clock, because the answer must not depend on what else the host does. Emulation goes first and sets the budget: a KVM
that takes longer for the same work does not beat it. Emulation that is given up (on a host that is itself emulated it takes minutes) still
says that it takes more than it had: a KVM that gets through with less beats it, and any other is a doubt. What is certain is said to be
certain (the guest strayed, QEMU gave up, the budget ran out); everything else, such as a host so busy that the patience ran out, is a
doubt.
"""

import math
import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import subprocesses
from herocloud.providers.qemu import trial_guest
from herocloud.providers.vmm import identity

WORKS, FAILS, UNSURE = "works", "fails", "unsure"
PATIENCE = 30.0
"""Seconds on the clock for each of the two runs; an idle host takes one."""
EMULATION_LIMIT = 30.0
"""Seconds of CPU time for the run under emulation, which takes about half a second."""
_STEP = 0.01
_INTERNAL_ERROR = ("KVM internal error", "kvm run failed")
_PASSING = ("Cannot allocate memory", "Resource temporarily unavailable", "Device or resource busy", "Too many open files")
"""What QEMU says when something was missing at that moment; it says nothing about KVM."""
_REPORTS = {
    trial_guest.MISCOUNTED: "the trial guest got wrong results",
    trial_guest.STRAYED: "the trial guest got an exception where a processor raises none",
}


class Trial(NamedTuple):
    """What came out."""

    verdict: str
    """`works`, `fails` or `unsure`."""
    why: str
    """For a person, without a full stop."""
    seconds: float
    """CPU time of the run under emulation: how fast this host emulates."""


class _Run(NamedTuple):
    """How one run ended: with a code, or because it was given up."""

    code: int | None
    seconds: float
    """CPU time."""
    said: str

    @property
    def is_out_of_time(self) -> bool:
        """Whether it was given up while it ran well."""
        return self.code is None and self.seconds > 0 and not any(sign in self.said for sign in _INTERNAL_ERROR)


def try_kvm(program: str) -> Trial:
    """Boot the trial guest under both accelerators, which takes about a second, and compare."""
    with tempfile.TemporaryDirectory(prefix="herocloud-kvm-") as name:
        rom = Path(name) / "rom"
        rom.write_bytes(trial_guest.build())
        emulated = _run(program, rom, ["-accel", "tcg", "-cpu", "max,la57=off"], EMULATION_LIMIT)
        if emulated.code != trial_guest.PASSED and not emulated.is_out_of_time:
            return Trial(
                UNSURE, f"the trial guest did not get through emulation ({_ending(emulated)}), which is what KVM is compared with", 0.0
            )
        return _judge(_run(program, rom, ["-accel", "kvm", "-cpu", "host"], emulated.seconds), emulated)


def _judge(run: _Run, emulated: _Run) -> Trial:
    if any(sign in run.said for sign in _INTERNAL_ERROR):
        return Trial(FAILS, "KVM stopped the trial guest with an internal error", emulated.seconds)
    slow = f"KVM does not beat emulation: {_ratio(run, emulated)} the CPU time for the same work"
    if emulated.is_out_of_time and (run.code is None or (run.code == trial_guest.PASSED and run.seconds > emulated.seconds)):
        return Trial(UNSURE, f"the trial guest finished neither under emulation nor under KVM within {emulated.seconds:.0f} s of CPU", 0.0)
    if run.code == trial_guest.PASSED:
        if run.seconds > emulated.seconds:
            return Trial(FAILS, slow, emulated.seconds)
        text = f"a trial guest went through long mode, ring 3, system calls, page faults and timer interrupts in {run.seconds:.2f} s of CPU"
        return Trial(
            WORKS, f"{text}; emulation took {'more than ' if emulated.is_out_of_time else ''}{emulated.seconds:.2f} s", emulated.seconds
        )
    if run.code is None:
        certain = run.seconds > emulated.seconds
        return Trial(FAILS if certain else UNSURE, slow if certain else f"the trial guest under KVM: {_ending(run)}", emulated.seconds)
    if run.code in _REPORTS:
        return Trial(FAILS, _REPORTS[run.code], emulated.seconds)
    transient = run.code == -9 or any(sign in run.said for sign in _PASSING)
    return Trial(UNSURE if transient else FAILS, f"the trial guest did not get through KVM ({_ending(run)})", emulated.seconds)


def _run(program: str, rom: Path, accelerator: list[str], budget: float) -> _Run:
    """Run the guest until it ends, uses more CPU time than it may, or the patience ends."""
    command = [program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-m", "16M"]
    command += ["-machine", "q35,sata=off,smbus=off,usb=off", *accelerator, "-bios", str(rom)]
    command += ["-device", f"isa-debug-exit,iobase={trial_guest.PORT:#x},iosize=0x01"]
    # A paused guest would outlive a command that is killed meanwhile.
    guard = shutil.which("setpriv")
    log = rom.with_name("log")
    with log.open("wb") as said:
        try:
            process = subprocesses.start(
                [*([guard, "--pdeathsig", "KILL"] if guard else []), *command], stdout=subprocess.DEVNULL, stderr=said
            )
        except OSError as error:
            return _Run(None, 0.0, f"cannot be started: {error.strerror}")
    _limit(process.pid, budget)
    until = time.monotonic() + PATIENCE
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        text = log.read_text(errors="replace")
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return _Run(process.returncode, usage.ru_utime + usage.ru_stime, text)
        seconds = identity.cpu_seconds(process.pid)
        if seconds > budget or time.monotonic() > until or any(sign in text for sign in _INTERNAL_ERROR):
            process.kill()
            process.wait()
            return _Run(None, seconds, text)
        time.sleep(_STEP)


def _limit(pid: int, budget: float) -> None:
    """Bound the CPU time in the kernel too, for a process that nobody watches any more."""
    most = math.ceil(budget) + 1
    try:
        resource.prlimit(pid, resource.RLIMIT_CPU, (most, most))
    except (OSError, ValueError):
        return


def _ratio(run: _Run, emulated: _Run) -> str:
    return f"{run.seconds / emulated.seconds:.1f} times" if emulated.seconds else "more than"


def _ending(run: _Run) -> str:
    lines = [line for line in run.said.splitlines() if "error" in line.lower()] or run.said.splitlines()
    said = lines[0].rpartition("qemu-system-x86_64: ")[2].strip() if lines else ""
    if run.code is None:
        return said or f"no end after {PATIENCE:g} s"
    return said or _REPORTS.get(run.code) or f"QEMU ended with {run.code}"
