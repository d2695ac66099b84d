"""How a process that is gone came to its end, by the events and the log that it left.

Its events are the same whether its guest switched itself off, somebody asked it over its API, or a signal ended it; its log, of which the
end is read, tells these apart. A process that crashed writes nothing at its end.
"""

from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from herocloud.providers.cloud_hypervisor import file_layout, releases
from herocloud.providers.cloud_hypervisor.event_file import Event, EventFile
from herocloud.providers.vmm import files, marks

SIGNALED, GUEST_OFF, API_OFF = "VM exit event", "VM guest exit event", "API request event: VmmShutdown"
"""What the log says before a process ends in good order."""
_FAULTS = ("panicked", "VCPU generated error")


class End(Enum):
    """How a process that is gone came to its end."""

    STOPPED = "it was stopped over its API"
    GUEST_OFF = "the guest switched itself off"
    PANIC = "the guest panicked"
    SIGNALED = "a signal from outside ended it"
    CRASHED = "it crashed or was killed"


def how_it_ended(events: Iterable[Event], log: str) -> End:
    """Tell from its events, and from the end of its log, how a process ended that nobody here stopped."""
    keys = [event.key for event in events]
    if "vmm/shutdown" not in keys[-3:]:
        return End.PANIC if "guest/panic" in keys[-3:] else End.CRASHED
    if "guest/panic" in keys:
        return End.PANIC
    if API_OFF in log and GUEST_OFF not in log:
        return End.STOPPED
    before, signaled, _ = log.partition(SIGNALED)
    if signaled:
        # It ends itself in the same way when one of its threads does, which says so first. What fails on the way down ended nothing.
        return End.CRASHED if any(word in before for word in _FAULTS) else End.SIGNALED
    return End.GUEST_OFF


def say_how_it_ended(data: Path, sid: str) -> str | None:
    """Say how a process that is gone, and that nobody here stopped, came to its end; nothing where it wrote nothing."""
    mark = marks.read_sound(data, sid)
    events = EventFile(file_layout.event_file(data, sid)).read()
    if mark is None or mark.booted is None or not events:
        return None
    tells = int(mark.launched.get("release") or 0) >= releases.TELLS_SIGNALS
    return how_it_ended(events, files.end_of(file_layout.log_file(data, sid)) if tells else "").value
