"""How a process ended is told from what it left; test_attendance.py shows it with processes that really end."""

import pytest

from herocloud.providers.cloud_hypervisor import endings
from herocloud.providers.cloud_hypervisor.endings import End
from herocloud.providers.cloud_hypervisor.event_file import Event

_SIGNALED, _OFF, _ASKED = "-- VM exit event", "-- VM guest exit event", "-- API request event: VmmShutdown"
_DOWN = ["vmm/starting", "vm/booted", "vm/shutdown", "vm/deleted", "vmm/shutdown"]


@pytest.mark.parametrize(
    ("keys", "log", "end"),
    [
        (_DOWN, _OFF, End.GUEST_OFF),
        (_DOWN, "", End.GUEST_OFF),
        (_DOWN, _SIGNALED, End.SIGNALED),
        (_DOWN, f"ERROR VCPU generated error: VcpuRun\n{_SIGNALED}", End.CRASHED),
        (_DOWN, f"ERROR vmm http-server thread panicked\n{_SIGNALED}", End.CRASHED),
        (_DOWN, f"{_SIGNALED}\nERROR VCPU generated error: VcpuRun", End.SIGNALED),
        (_DOWN, f"{_SIGNALED}\nERROR vmm http-server thread panicked", End.SIGNALED),
        (_DOWN, f"ERROR vCPU thread panicked\n{_SIGNALED}\nERROR VCPU generated error: VcpuRun", End.CRASHED),
        (_DOWN, _ASKED, End.STOPPED),
        (["vmm/starting", "guest/panic", *_DOWN[2:]], _OFF, End.PANIC),
        (["vmm/starting", "vm/booted"], "", End.CRASHED),
        (["vmm/starting", "vm/booted", "guest/panic"], "", End.PANIC),
        (["vmm/starting", "vm/rebooting"], "", End.CRASHED),
        ([], "", End.CRASHED),
    ],
)
def test_the_end_of_a_process_is_told_from_its_events_and_its_log(keys: list[str], log: str, end: End) -> None:
    events = [Event(0.0, *key.split("/"), {}) for key in keys]
    assert endings.how_it_ended(events, log) is end
