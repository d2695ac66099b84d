"""The end of everything that works for a VM of a test, also after a test that failed and left some of it."""

import signal
from pathlib import Path

from herocloud.providers.vmm import folders, identity, launch, log_bounds, orders


def end(data: Path, sid: str) -> None:
    """Kill the processes of a VM, beginning with the shells that would start them again, and remove their orders and control groups."""
    records = [lock.with_suffix("") for lock in folders.machine_folder(data, sid).glob(f"{identity.RECORD}*.lock")]
    for record in records:
        launch.keep(record, kept=False)
    for ending in (".keeper", f".{log_bounds.RECORD}", ""):
        for record in records:
            known = identity.read(record.with_name(f"{record.name}{ending}"))
            if known is not None:
                identity.send(known, signal.SIGKILL)
                identity.wait_for_death(known, 5)
    while (lost := identity.find(data, sid)) is not None:
        identity.send(lost, signal.SIGKILL)
        identity.wait_for_death(lost, 5)
    for record in records:
        orders.forget(record)
