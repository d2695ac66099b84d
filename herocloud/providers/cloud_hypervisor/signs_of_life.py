"""What a VM shows while its guest is waited for: CPU time, bytes on its serial line, a panic; and when waiting is in vain."""

from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model.guest_access import Signs
from herocloud.providers.cloud_hypervisor import live_view
from herocloud.providers.vmm import files, identity, marks

_FIRST_BYTE = 120.0
"""Seconds of CPU time in which every kernel that was given a serial console has written to it, also where KVM is slow."""
_NEXT_BYTE = 600.0
"""The same for a VM that has written in an earlier boot: KVM runs it, and where KVM itself is emulated a busy hour makes it slow."""


def look(data: Path, sid: str) -> Signs | None:
    """Look at a VM; nothing when its process is not there."""
    mark, process = marks.read_sound(data, sid), identity.running(data, sid)
    if mark is None or process is None:
        return None
    seen = live_view.look(data, sid)
    power = seen.power if seen is not None else "running"
    before = int(mark.launched.get("said") or 0)
    seconds, said = identity.cpu_seconds(process.pid), files.written_since(data, sid, before)
    hopeless = ""
    if power == "crashed":
        hopeless = "its kernel panicked"
    elif not said and seconds > (_NEXT_BYTE if before else _FIRST_BYTE) and _must_write(mark.machine):
        hopeless = f"it used {seconds:.0f} s of CPU time without a byte on its serial line; KVM of this host does not run it"
    return Signs(power, seconds, said, hopeless, "`hypervisor: qemu`, where KVM is at fault" if hopeless else "")


def _must_write(machine: Part) -> bool:
    payload = machine["payload"]
    return payload is not None and "console=ttyS" in str(payload["cmdline"])
