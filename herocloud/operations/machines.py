"""The machine of a data folder: shown, detected again, its slices and who holds them."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import names
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


class Refreshed(NamedTuple):
    """The machine after it was detected again."""

    hosting: Hosting
    before: int
    """How many slices were there before."""


def find(folder: Path) -> Machine:
    """Detect the machine; slices that VMs hold and that it lost are a warning here, where nothing is about to use them."""
    from herocloud.host import slicing

    recorded = reading.read_recorded(folder)
    found = hosting.find_host(folder, recorded)
    lost = slicing.check_shrunk([one for records in recorded.records.values() for one in records.values()], found.host.slices)
    warnings = tuple(one._replace(severity=Severity.WARNING) for one in lost)
    return Machine(found._replace(diagnostics=(*found.diagnostics, *warnings)), hosting.slice_owners(recorded))


def find_slice(machine: Machine, sid: str) -> Slice:
    """Return one slice; raises Refused that names the nearest."""
    known = {one.sid: one for one in machine.hosting.host.slices}
    if Sid(sid) in known:
        return known[Sid(sid)]
    close = names.nearest(sid, known)
    hint = f"did you mean `{close}`?" if close else "`herocloud slice list` shows them all"
    raise Refused(
        [Diagnostic("unknown-slice", "No such slice", f"This host has {len(known)} slices, and `{sid}` is none of them.", hint=hint)]
    )


def refresh(folder: Path, how: How) -> Refreshed:
    """Detect the machine again and keep the slices that more memory brings; raises Refused when VMs hold slices that are gone."""
    from herocloud.host import slicing

    before = reading.read_recorded(folder)
    # Looked at before anything is written: a host file that is wrong must not leave a state behind.
    hosting.find_host(folder, before)
    with running.writing(folder, "host refresh", None, how) as store:
        recorded = store.recorded()
        found = hosting.find_host(folder, recorded)
        shrunk = slicing.check_shrunk([one for records in recorded.records.values() for one in records.values()], found.host.slices)
        if shrunk:
            raise Refused(shrunk)
        if len(found.host.slices) > recorded.slices:
            store.grow_slices(len(found.host.slices))
    return Refreshed(found, recorded.slices)
