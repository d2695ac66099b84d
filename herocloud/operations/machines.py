"""The machine of a data folder: shown, detected again, its slices and who holds them."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.host import slicing
from herocloud.kits import names
from herocloud.model import ids
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.model.hosts import Slice
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.words import Severity
from herocloud.operations import hosting, reading, running
from herocloud.operations.hosting import Hosting
from herocloud.operations.running import How


class Machine(NamedTuple):
    """The machine and who holds its slices."""

    hosting: Hosting
    owners: Mapping[Sid, tuple[StackName, Address]]

    @property
    def slices(self) -> tuple[Slice, ...]:
        """Return the slices of the machine, and those that VMs hold although it lost their memory: hiding them would hide the trouble."""
        there = self.hosting.host.slices
        known = {one.sid for one in there}
        share = there[0].disk if there else 0
        lost = [Slice(sid, slicing.SLICE_MEMORY, share) for sid in self.owners if sid not in known]
        return tuple(sorted((*there, *lost), key=lambda one: ids.sid_number(one.sid)))


class Refreshed(NamedTuple):
    """The machine after it was detected again."""

    hosting: Hosting
    before: int
    """How many slices were there before."""


def find(folder: Path) -> Machine:
    """Detect the machine; slices that VMs hold and that it lost are a warning here, where nothing is about to use them."""
    recorded = reading.read_recorded(folder)
    found = hosting.find_host(folder, recorded)
    lost = slicing.check_shrunk([one for records in recorded.records.values() for one in records.values()], found.host.slices)
    warnings = tuple(one._replace(severity=Severity.WARNING) for one in lost)
    return Machine(found._replace(diagnostics=(*found.diagnostics, *warnings)), hosting.slice_owners(recorded))


def find_slice(machine: Machine, sid: str) -> Slice:
    """Return one slice; raises Refused that names the nearest."""
    known = {one.sid: one for one in machine.slices}
    if Sid(sid) in known:
        return known[Sid(sid)]
    close = names.nearest(sid, known)
    hint = f"did you mean `{close}`?" if close else "`herocloud slice list` shows them all"
    raise Refused(
        [Diagnostic("unknown-slice", "No such slice", f"This host has {len(known)} slices, and `{sid}` is none of them.", hint=hint)]
    )


def refresh(folder: Path, how: How) -> Refreshed:
    """Detect the machine again and keep the slices that more memory brings; raises Refused when VMs hold slices that are gone."""
    before = reading.read_recorded(folder)
    # Looked at before anything is written: a host file that is wrong must not leave a state behind.
    hosting.find_host(folder, before)
    with running.writing(folder, "host refresh", None, how) as store:
        recorded = store.recorded()
        found = hosting.find_host(folder, recorded)
        shrunk = slicing.check_shrunk([one for records in recorded.records.values() for one in records.values()], found.host.slices)
        if shrunk:
            raise Refused(shrunk)
        # Slices in use keep their number on a machine that shrank, so the number to settle on is the highest there is.
        highest = max((ids.sid_number(one.sid) for one in found.host.slices), default=0)
        if highest != recorded.slices:
            store.settle_slices(highest)
            found = hosting.find_host(folder, store.recorded())
    return Refreshed(found, recorded.slices)
