"""VMs whose host goes down: all guests are asked at once to switch themselves off, and have the same time for it.

Nothing of this is recorded. What should run still should, so the next boot of the host brings it back (`host_boot`).
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from herocloud.model.errors import HerocloudError
from herocloud.model.worlds import Record
from herocloud.operations import lookups
from herocloud.providers import registry

SECONDS = 60.0
"""As long as a guest has that is stopped. What still runs then is ended with the host's other processes."""


class Guests(NamedTuple):
    """The addresses of VMs that ran, by what came of it."""

    off: tuple[str, ...]
    left: tuple[str, ...]
    """Those whose guest did not switch itself off in time, or could not hear that it should."""


def shut_down(folder: Path, seconds: float) -> Guests:
    """Have every guest of this data folder switch itself off, and wait for all of them together."""
    recorded = lookups.read_recorded(folder)
    vms = [record for records in recorded.records.values() for record in records.values() if record.kind == "vm" and record.spec.get("sid")]
    running = [record for record in vms if registry.hypervisor(record.provider).runs(folder, record.spec["sid"])]
    if not running:
        return Guests((), ())
    with ThreadPoolExecutor(len(running)) as pool:
        ended = list(pool.map(lambda record: _ask(folder, record, seconds), running))
    names = [f"{record.stack}/{record.address}" for record in running]
    return Guests(
        tuple(name for name, is_off in zip(names, ended, strict=True) if is_off),
        tuple(name for name, is_off in zip(names, ended, strict=True) if not is_off),
    )


def _ask(folder: Path, record: Record, seconds: float) -> bool:
    try:
        return registry.hypervisor(record.provider).shut_down(folder, record.spec["sid"], seconds)
    except (HerocloudError, OSError):
        # One that cannot be spoken to keeps no other guest from its end.
        return False
