"""One look at one machine, for all who only look: quick to load, bounded in time, changing nothing."""

from pathlib import Path

from herocloud.providers.cloud_hypervisor import file_layout, readings
from herocloud.providers.cloud_hypervisor.client import Client, Lost, Refusal, Silent
from herocloud.providers.cloud_hypervisor.readings import Reading
from herocloud.providers.vmm import identity

_PATIENCE = 3.0


def look(data: Path, sid: str, patience: float = _PATIENCE) -> Reading | None:
    """Look at a machine; nothing when it does not answer in time."""
    process = identity.running(data, sid) or identity.find(data, sid)
    try:
        with Client(file_layout.api_socket(data, sid), timeout=patience) as client:
            return readings.read(client.info(), process.pid if process else 0, file_layout.event_file(data, sid))
    except (Lost, Silent, Refusal):
        return None


def count(data: Path, sid: str, patience: float = _PATIENCE) -> dict[str, dict[str, int]]:
    """Return what each device of a machine counted; nothing when it does not run or does not answer in time."""
    try:
        with Client(file_layout.api_socket(data, sid), timeout=patience) as client:
            counters = client.counters()
            seen = readings.read(client.info(), 0)
            if seen.balloon or seen.given_back:
                counters["balloon"] = {"asked_bytes": seen.balloon, "given_bytes": seen.given_back}
            return {device: counted for device, counted in sorted(counters.items()) if counted}
    except (Lost, Silent, Refusal):
        return {}
