"""The mark of a VM that somebody removed or changed, put together again: the machine from its record, the rest from its process.

The file that says which process that is may be lost as well; it is written again from the process itself, which holds the lock of its VM.

What a process was started with does not follow from the machine. It stands in the orders of its keeper too, which lie in the runtime folder
and live as long as the process can.
"""

from pathlib import Path

from herocloud.model import powers
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers import ownership
from herocloud.providers.seam import Work
from herocloud.providers.vmm import folders, identity, marks, orders, probes
from herocloud.providers.vmm.marks import Mark


def claim(data: Path, sid: str, provider: str, work: Work) -> Mark | None:
    """Claim the folder of a VM and return its mark; one that was lost as the step says is put together again."""
    owner, lost = probes.owner_of(work), probes.lost_of(work)
    if powers.OWNER in lost:
        ownership.write_owner(data / "vms" / sid, owner)
    elif not lost:
        marks.claim(data, sid, owner)
    # A machine that is made is made over a mark that cannot be read.
    read = marks.read_sound if lost or work.step.kind == "vm.create" else marks.read
    mark = read(data, sid)
    if mark is None and powers.MARK in lost:
        mark = _restore(data, sid, provider, work)
    if mark is not None:
        # Before anything goes by it, or by the user of the process that it names.
        orders.write_record_again(data, sid)
    return mark


def require_none(data: Path, sid: str, address: str, *, thorough: bool = False) -> None:
    """Require that no process of a VM without a mark runs: nothing may be made, started or removed over one.

    A `thorough` look finds one whose own record is lost too, and reads a file of every process of the host.
    """
    process = identity.find_unmarked(data, sid) if thorough else identity.running(data, sid)
    if process is not None:
        raise Conflict(
            f"`{address}` has lost its mark, and its process {process.pid} still runs; put the mark back, "
            f"or shut its guest down and `kill {process.pid}`"
        )


def _restore(data: Path, sid: str, provider: str, work: Work) -> Mark:
    process, record = identity.find_unmarked(data, sid), identity.record_path(data, sid)
    whole = {field: value for field, value in work.step.before.items() if field not in powers.ONLY_SEEN}
    mark = marks.remember(data, sid, Mark(provider, whole), process)
    if process is not None and not mark.launched:
        raise Permanent(
            f"`{work.step.address}` has lost its mark, and `{folders.orders_path(record)}` too, which tells of its process {process.pid}; "
            f"shut its guest down, `kill {process.pid}`, and apply again: it keeps its disks"
        )
    return mark
