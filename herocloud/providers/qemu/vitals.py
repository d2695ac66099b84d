"""What a running VM shows from the outside: CPU time used, bytes on its serial line; and what that says of KVM.

Where KVM lies, a guest burns CPU time and never writes a first byte, and minutes later QEMU stops it with an internal error. Both are
evidence against KVM, and whatever looks at VMs keeps it. The time that a guest has for its first byte is counted in CPU time, and measured
against what emulation needs here, so that a busy host or a slow one accuses nobody. Only guests that are sure to write are judged: those
whose kernel was given a serial console, and cloud images.
"""

from pathlib import Path
from typing import NamedTuple

from herocloud.kits.jsons import Part
from herocloud.model.guest_access import Signs
from herocloud.providers.qemu import command_inputs, kvm_memory, kvm_probe, qmp, queries
from herocloud.providers.vmm import files, identity, marks
from herocloud.providers.vmm.marks import Mark

_TRIALS = 60.0
"""A kernel writes its first byte under emulation in a small part of the CPU time that so many trial guests take."""
_UNTRIED = 30.0
"""Seconds of CPU time for a first byte on a host that was never tried."""
_LEAST, _MOST = 2.0, 1800.0
"""The most is for a host that is emulated itself, where a boot takes minutes."""
_ASKED = 1.0
"""Seconds that the agent of a guest has for saying that it is there after all."""
INTERNAL_ERROR = "was stopped by KVM with an internal error"


class Vitals(NamedTuple):
    """What one VM shows."""

    accelerator: str
    cpu_seconds: float
    serial_bytes: int
    """Written since it was booted."""
    silent: bool
    """It had more CPU time than emulation takes for a first byte, and wrote none."""


def read(data: Path, sid: str, mark: Mark) -> Vitals | None:
    """Look at a VM without talking to it; nothing when its process is not there."""
    process = identity.running(data, sid)
    if process is None:
        return None
    written = files.written_since(data, sid, int(mark.launched.get("said") or 0))
    accelerator = str(mark.launched.get("accelerator") or "")
    seconds = identity.cpu_seconds(process.pid)
    silent = accelerator == "kvm" and written == 0 and _must_write(mark.machine) and seconds > _patience()
    return Vitals(accelerator, seconds, written, silent)


def power_of(data: Path, sid: str, mark: Mark, seen: queries.Look | None) -> str:
    """Return the power of a VM as its part is; `silent` where its guest has used the processor under KVM and done nothing else.

    A guest whose agent answers is not silent, whatever it writes; it is asked only where everything else speaks against it.
    """
    power = seen.power if seen is not None else "running"
    if power != "running" or mark.launched.get("accelerator") != "kvm":
        return power
    vitals = read(data, sid, mark)
    return "silent" if vitals is not None and vitals.silent and not _answers(data, sid) else power


def _answers(data: Path, sid: str) -> bool:
    from herocloud.providers.guests.agents import Agent
    from herocloud.providers.guests.channels import Endpoint

    return Agent(Endpoint(command_inputs.sockets_of(data, sid).agent)).wait(_ASKED)


def note(data: Path, sid: str, address: str, mark: Mark, seen: queries.Look | None) -> None:
    """Keep what a VM under KVM shows of KVM."""
    if mark.launched.get("accelerator") != "kvm":
        return
    program = kvm_probe.find_program()
    if program is None:
        return
    if seen is not None and seen.status == queries.INTERNAL_ERROR:
        kvm_memory.note_failure(program, address, INTERNAL_ERROR)
        return
    vitals = read(data, sid, mark)
    if vitals is not None and vitals.silent:
        kvm_memory.note_failure(
            program, address, f"used {vitals.cpu_seconds:.0f} s of CPU time under KVM without a byte on its serial line"
        )


def note_answer(data: Path, sid: str) -> None:
    """Keep that the agent of a VM answered, which speaks for KVM when it runs on it."""
    mark, program = marks.read_sound(data, sid), kvm_probe.find_program()
    if mark is not None and mark.launched.get("accelerator") == "kvm" and program is not None:
        kvm_memory.note_success(program)


def look(data: Path, sid: str, address: str, wanted: str) -> Signs | None:
    """Look at a VM whose guest is waited for, and say whether waiting is in vain; `wanted` is the accelerator that people ask for."""
    mark = marks.read_sound(data, sid)
    vitals = read(data, sid, mark) if mark is not None else None
    if mark is None or vitals is None:
        return None
    socket = command_inputs.sockets_of(data, sid).looking
    seen = queries.read(qmp.ask_many([socket], queries.QUESTIONS[:1])[socket])
    note(data, sid, address, mark, seen)
    power = seen.power if seen is not None else "running"
    hopeless = ""
    if power == "crashed":
        hopeless = f"its hypervisor stopped it with an internal error after {vitals.cpu_seconds:.0f} s of CPU time"
    elif vitals.silent:
        hopeless = (
            f"it used {vitals.cpu_seconds:.0f} s of CPU time under KVM without a byte on its serial line, longer than emulation would take"
        )
    signs = Signs(power, vitals.cpu_seconds, vitals.serial_bytes, hopeless)
    program = kvm_probe.find_program()
    if not hopeless or program is None:
        return signs
    following = kvm_probe.accelerate(program, wanted)
    return signs._replace(way_out=f"with {following.name.upper()}: {following.why}")


def _must_write(machine: Part) -> bool:
    payload = machine["payload"]
    return bool(machine["seed"]) if payload is None else "console=ttyS" in str(payload["cmdline"])


def _patience() -> float:
    program = kvm_probe.find_program()
    known = kvm_memory.recall(program) if program is not None else None
    return min(_MOST, max(_LEAST, _TRIALS * known.seconds)) if known is not None and known.seconds else _UNTRIED
