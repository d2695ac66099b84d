"""How much of the host is promised, and how much may be: counted as a plan counts it."""

from collections.abc import Iterable
from typing import NamedTuple

from herocloud.model.steps import Claim
from herocloud.model.worlds import Recorded, Thing
from herocloud.operations import kept_data
from herocloud.operations.inputs import Hosting
from herocloud.plan import capacity, overpromised, reservations


class HostLevel(NamedTuple):
    """One resource of the host."""

    promised: int
    """To VMs, volumes, snapshots, images, deleted data that is kept, and what is here without a record."""
    limit: int
    ratio: float
    """How often what the host has may be promised."""

    @property
    def free(self) -> int:
        """Return how much may still be promised."""
        return max(0, self.limit - self.promised)


def find(hosting: Hosting, recorded: Recorded, orphans: Iterable[Thing]) -> dict[str, HostLevel]:
    """Return the level of each resource that has a limit. `orphans` are here without a record, as they were last seen."""
    counted = overpromised.as_counted(reservations.occupied(recorded, None), None, hosting.host, None)
    claims = [
        capacity.used(counted, None),
        *(capacity.claim_of_orphan(thing, recorded) for thing in orphans if thing.address not in recorded.records.get(thing.stack, {})),
    ]
    held = capacity.with_stored(Claim._make(map(sum, zip(*claims, strict=True))), hosting.host)
    held = held._replace(disk=held.disk + sum(tombstone.bytes for tombstone in kept_data.list_tombstones(hosting)))
    return {
        resource: HostLevel(capacity.amount_of(held, resource), limit, capacity.ratio_of(hosting.host, resource))
        for resource, limit in capacity.limits(hosting.host).items()
        if limit is not None
    }
