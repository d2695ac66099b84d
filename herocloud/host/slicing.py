"""Slices: how many a machine has, how much disk each brings, and what happens when the machine shrinks.

The formula is a contract with everybody who plans a machine on paper: `floor((RAM in GiB - 1) / 4)` slices of 4 GiB, and an equal share of
the disk for each. The 1 GiB is the default of a setting. Everything here is arithmetic on numbers that others have read.
"""

from collections.abc import Collection, Iterable, Sequence

from herocloud.kits.sizes import GIB, show_size
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.hosts import SLICE_MEMORY, Slice
from herocloud.model.ids import Sid
from herocloud.model.words import Severity
from herocloud.model.worlds import Record

RESERVE_MEMORY = 1 * GIB


def slice_count(memory: int, reserve: int = RESERVE_MEMORY) -> int:
    """Return how many slices the memory makes; none when it is less than one slice and the reserve."""
    return max(0, memory - reserve) // SLICE_MEMORY


def disk_per_slice(disk: int, slices: int, reserve: int = 0) -> int:
    """Return the disk of each slice, in whole GiB so that people can add it up; none where there are no slices."""
    return max(0, disk - reserve) // slices // GIB * GIB if slices else 0


def make_slices(
    memory: int,
    disk: int,
    *,
    reserve_memory: int = RESERVE_MEMORY,
    reserve_disk: int = 0,
    in_use: Collection[Sid] = (),
) -> tuple[Slice, ...]:
    """Return the slices of the machine: `s1` and up.

    On a machine that shrank, the slices in use stay, and the lowest free ones fill up what is left: a VM on `s6` keeps running when two
    of seven are lost, as long as there are five.
    """
    count = slice_count(memory, reserve_memory)
    share = disk_per_slice(disk, count, reserve_disk)
    return tuple([Slice(ids.slice_sid(number), SLICE_MEMORY, share) for number in _choose(count, in_use)])


def check_shrunk(records: Iterable[Record], slices: Sequence[Slice]) -> tuple[Diagnostic, ...]:
    """Return an error that names the VMs whose slices the machine does not have any more; nothing when there are none."""
    there = {host_slice.sid for host_slice in slices}
    lost: list[str] = []
    for record in records:
        gone = [sid for sid in (record.spec.get("slices") or () if record.kind == "vm" else ()) if sid not in there]
        if gone:
            lost.append(f"`{record.address}` of stack `{record.stack}` ({', '.join(gone)})")
    if not lost:
        return ()
    verb = "holds" if len(lost) == 1 else "hold"
    detail = (
        f"The host has memory for {len(slices)} slices, and {', '.join(lost)} {verb} slices beyond that. Put the memory back, lower "
        "`reserve.memory` in host.yaml, or remove VMs until the rest fits."
    )
    return (Diagnostic("host-shrank", "The host has less memory than its VMs hold", detail),)


def check_size(memory: int, slices: int, reserve: int = RESERVE_MEMORY) -> tuple[Diagnostic, ...]:
    """Return a warning when the machine is too small for a single slice. An error would forbid networks and images as well."""
    if slices:
        return ()
    detail = (
        f"One slice takes {show_size(SLICE_MEMORY)} beside the {show_size(reserve)} that the host keeps, and there are "
        f"{show_size(memory)}: no VM fits here. With `simulated: {{memory: 32 GiB}}` in host.yaml any machine can be planned."
    )
    return (Diagnostic("host-too-small", "The host is too small for a slice", detail, Severity.WARNING),)


def check_fewer(before: int, slices: int) -> tuple[Diagnostic, ...]:
    """Return a warning when there were more slices: memory that disappears is worth a word even while all VMs still fit."""
    if before <= slices:
        return ()
    detail = (
        f"This host had {before} slices and now has memory for {slices}. Memory that fails looks like this. When it was taken out on "
        "purpose, `herocloud host refresh` settles on the new number."
    )
    return (Diagnostic("host-fewer-slices", "The host has fewer slices than before", detail, Severity.WARNING),)


def _choose(count: int, in_use: Collection[Sid]) -> Sequence[int]:
    beyond = sorted(number for number in (ids.sid_number(sid) for sid in in_use) if number > count)
    if not beyond:
        return range(1, count + 1)
    inside = sorted({ids.sid_number(sid) for sid in in_use} - set(beyond))
    kept = (inside + beyond)[:count]
    taken = set(kept)
    free = [number for number in range(1, count + 1) if number not in taken]
    return sorted(kept + free[: count - len(kept)])
