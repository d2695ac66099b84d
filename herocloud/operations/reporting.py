"""Everything that a report of the host shows, gathered in one look."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.model.hosts import Host
from herocloud.model.ids import Address
from herocloud.model.plans import Drift
from herocloud.model.worlds import Record, Thing
from herocloud.operations import hosting, planning, reading
from herocloud.state.entries import Version


class Gathered(NamedTuple):
    """What is recorded, what was seen, and what happened."""

    host: Host
    records: tuple[Record, ...]
    things: Mapping[tuple[str, Address], Thing]
    drift: Mapping[str, tuple[Drift, ...]]
    history: tuple[Version, ...]


def gather(folder: Path, stack: str | None) -> Gathered:
    """Look at one stack, or at all."""
    from herocloud.plan import drifting

    recorded = reading.read_recorded(folder)
    host = hosting.find_host(folder, recorded)
    records = reading.records_of(recorded, stack)
    stacks = tuple(dict.fromkeys(record.stack for record in records))
    observed = planning.look(host, stacks)
    return Gathered(
        host.host,
        records,
        reading.things_by_key(observed),
        {name: drifting.find_drift(recorded.records[name], observed) for name in stacks},
        tuple(reading.history(folder, stack)),
    )
