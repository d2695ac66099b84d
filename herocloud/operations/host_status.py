"""The machine of a data folder: shown, detected again, its slices with their holders, and what is missing on it."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from herocloud.host import slicing
from herocloud.kits import nearest, sizes
from herocloud.model import ids
from herocloud.model.applies import HOST
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import HerocloudError, Refused
from herocloud.model.hosts import SLICE_MEMORY, Slice
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.words import Severity
from herocloud.model.worlds import Recorded
from herocloud.operations import admission, inputs, lookups, stack_plans
from herocloud.operations.callers import How
from herocloud.operations.inputs import Hosting

if TYPE_CHECKING:
    from herocloud.providers.seam import ProviderContext


class Machine(NamedTuple):
    """The machine and who holds its slices."""

    hosting: Hosting
    owners: Mapping[Sid, tuple[StackName, Address]]

    @property
    def slices(self) -> tuple[Slice, ...]:
        """Return the slices of the machine, and those that VMs hold although it lost their memory: hiding them would hide the trouble."""
        there = self.hosting.host.slices
        known = {piece.sid for piece in there}
        share = there[0].disk if there else 0
        lost = [Slice(sid, SLICE_MEMORY, share) for sid in self.owners if sid not in known]
        return tuple(sorted((*there, *lost), key=lambda one: ids.sid_number(one.sid)))


class Refreshed(NamedTuple):
    """The machine after it was detected again."""

    hosting: Hosting
    before: int
    """How many slices were there before."""


def find(folder: Path) -> Machine:
    """Detect the machine; slices that VMs hold and that it lost are a warning here, where nothing is about to use them.

    What runs without a record holds its slices as well, so the host is looked at.
    """
    recorded = lookups.read_recorded(folder)
    hosting = inputs.find_host(folder, recorded)
    recorded = stack_plans.remember(recorded, stack_plans.look(hosting, None), hosting)
    lost = slicing.check_shrunk([record for records in recorded.records.values() for record in records.values()], hosting.host.slices)
    warnings = tuple(diagnostic._replace(severity=Severity.WARNING) for diagnostic in lost)
    return Machine(hosting._replace(diagnostics=(*hosting.diagnostics, *warnings)), inputs.slice_owners(recorded))


def find_slice(machine: Machine, sid: str) -> Slice:
    """Return one slice; raises Refused that names the nearest."""
    there = next((piece for piece in machine.hosting.host.slices if piece.sid == sid), None)
    if there is not None:
        return there
    known = {piece.sid: piece for piece in machine.slices}
    if Sid(sid) in known:
        return known[Sid(sid)]
    close = nearest.nearest(sid, known)
    hint = f"did you mean `{close}`?" if close else "`herocloud slice list` shows them all"
    raise Refused(
        [Diagnostic("unknown-slice", "No such slice", f"This host has {len(known)} slices, and `{sid}` is none of them.", hint=hint)]
    )


def refresh(folder: Path, how: How) -> Refreshed:
    """Detect the machine again and keep the slices that more memory brings; raises Refused when VMs hold slices that are gone."""
    before = lookups.read_recorded(folder)
    # Looked at before anything is written: a host file that is wrong must not leave a state behind.
    inputs.find_host(folder, before)
    with admission.working(folder, HOST, "host refresh", None, how) as store:
        recorded = store.recorded()
        hosting = inputs.find_host(folder, recorded)
        shrunk = slicing.check_shrunk([record for records in recorded.records.values() for record in records.values()], hosting.host.slices)
        if shrunk:
            raise Refused(shrunk)
        # Slices in use keep their number on a machine that shrank, so the number to settle on is the highest there is.
        highest = max((ids.sid_number(host_slice.sid) for host_slice in hosting.host.slices), default=0)
        if highest != recorded.slices:
            store.settle_slices(highest)
            hosting = inputs.find_host(folder, store.recorded())
    return Refreshed(hosting, recorded.slices)


_OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables are as old as this."""


class Check(NamedTuple):
    """One thing that was looked at."""

    provider: str
    check: str
    ok: bool | None
    """Nothing for what is not usable here and not needed either."""
    detail: str
    hint: str = ""
    needed: bool = True


def check(folder: Path) -> list[Check]:
    """Look at everything; a finding never keeps the next check from being made."""
    return [*_check_programs(), *_check_folder(folder), *_check_state(folder), *_check_providers(folder), *_check_cage(folder)]


def _check_programs() -> Iterator[Check]:
    import sqlite3

    version = ".".join(str(number) for number in sys.version_info[:3])
    yield Check(
        "herocloud", "Python", ok=sys.version_info >= (3, 11), detail=version, hint="" if sys.version_info >= (3, 11) else "3.11 or newer"
    )
    new = sqlite3.sqlite_version_info >= _OLDEST_SQLITE
    yield Check("herocloud", "SQLite", ok=new, detail=sqlite3.sqlite_version, hint="" if new else "3.37 or newer")


def _check_folder(folder: Path) -> Iterator[Check]:
    if not folder.exists():
        parent = next(parent for parent in folder.absolute().parents if parent.exists())
        writable = os.access(parent, os.W_OK | os.X_OK)
        hint = "" if writable else f"make it as root, or name another with --data-dir: {parent} is not writable"
        yield Check("herocloud", "data folder", ok=writable, detail=f"{folder} is not there yet", hint=hint)
        return
    writable = folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    yield Check("herocloud", "data folder", ok=writable, detail=str(folder), hint="" if writable else _way_to_write(folder))
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    yield Check(
        "herocloud",
        "free disk",
        ok=free > sizes.GIB,
        detail=sizes.show_size(free),
        hint="" if free > sizes.GIB else "less than 1 GiB is left",
    )


def _way_to_write(folder: Path) -> str:
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "its file system is mounted read-only: mount it writable, or name another folder with --data-dir"
    return "its owner can write to it, you cannot"


def _check_state(folder: Path) -> Iterator[Check]:
    recorded = Recorded()
    try:
        recorded = lookups.read_recorded(folder)
    except HerocloudError as error:
        yield Check("herocloud", "state", ok=False, detail=_say(error))
    else:
        says = "none yet" if recorded.lineage is None else f"serial {recorded.serial}, {sum(map(len, recorded.records.values()))} records"
        unfinished = any(not pending.alive for pending in recorded.unfinished)
        yield Check(
            "herocloud",
            "state",
            ok=not unfinished,
            detail=f"{says}{', an apply is not finished' if unfinished else ''}",
            hint="herocloud resume" if unfinished else "",
        )
    try:
        host = inputs.find_host(folder, recorded)
    except HerocloudError as error:
        yield Check("herocloud", "host", ok=False, detail=_say(error))
        return
    warnings = "; ".join(diagnostic.summary for diagnostic in host.diagnostics)
    says = f"{host.host.name}, {len(host.host.slices)} slices{', simulated' if host.host.simulated else ''}"
    yield Check("herocloud", "host", ok=not warnings, detail=says, hint=warnings, needed=False)


def _check_providers(folder: Path) -> Iterator[Check]:
    from herocloud.providers import survey

    for name, standing in survey.standings(_context(folder)).items():
        yield Check(name, "usable", ok=True if standing.usable else None, detail=standing.why or "yes", needed=False)
        yield from (Check(name, missing.field, ok=None, detail=missing.why, needed=False) for missing in standing.lacking)


def _check_cage(folder: Path) -> Iterator[Check]:
    """Say how far a VMM is kept in its place here. Less than everything is not a failure: it is what such a host offers."""
    from herocloud.providers.vmm import offers, users

    for offer in offers.offers(folder, users.range_of(_context(folder).settings_of("vmm"))):
        yield Check("herocloud", offer.name, ok=True if offer.ok else None, detail=offer.says, hint=offer.way_out, needed=False)


def _context(folder: Path) -> "ProviderContext":
    """Tell providers what the host file wants of them; one that is wrong was reported above."""
    from herocloud.providers.seam import ProviderContext

    try:
        return inputs.find_host(folder, lookups.read_recorded(folder)).context
    except HerocloudError:
        return ProviderContext(folder)


def _say(error: HerocloudError) -> str:
    if isinstance(error, Refused):
        return "; ".join(f"{diagnostic.summary}: {diagnostic.detail}" for diagnostic in error.diagnostics)
    return str(error)
