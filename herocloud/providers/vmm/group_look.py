"""Whether the process of a VM is in its control groups still, and whether these set the limits that they were made with.

Which groups it was put into stands in its orders; one that a unit of systemd holds, or that has none, has nothing here to compare. Weights
are left alone: they share out what nobody else wants, and say nothing about what a VMM may take.
"""

from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.errors import Permanent
from herocloud.providers.vmm import cages, control_groups, identity, orders, responsiveness


def flaw(data: Path, sid: str, machine: Part) -> str:
    """Say what is wrong with the control groups of a VM that runs; nothing while all is well."""
    process, groups = identity.running(data, sid), _groups(data, sid)
    if machine is None or process is None or not groups:
        return ""
    limits = cages.limits_of(machine)
    if not all(control_groups.holds(group, process.pid) for group in groups) and not responsiveness.is_starting(process):
        return powers.LIMITS_LEFT
    return powers.LIMITS_CHANGED if any(control_groups.differs(group, limits) for group in groups) else ""


def give_back(data: Path, sid: str, machine: Part) -> None:
    """Put the process of a VM that runs back into its groups, with their limits."""
    process = identity.running(data, sid)
    if process is None or not flaw(data, sid, machine):
        return
    limits = cages.limits_of(machine)
    for group in _groups(data, sid):
        try:
            control_groups.put_back(group, limits, process.pid)
        except OSError as error:
            raise Permanent(f"the limits of VM {sid} cannot be set again in `{group.parent}` ({error.strerror})") from error


def _groups(data: Path, sid: str) -> list[Path]:
    return orders.groups(identity.record_path(data, sid))
