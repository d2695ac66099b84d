"""What records count for when more is promised than the host has.

An incomplete record counts in full, so nobody else gets the room before its change completes. In an apply that moves room from one resource
to another, the taker may be recorded while the giver still has it. After a failure there, both records promise the same room, and a step
cannot use room that is not there. The next plan of that stack then counts what is there and takes the rest like anything new: from what is
free, or from what others give back.

That is about what a failure left. What an apply of another address works on at this moment is incomplete too, and everything that it was
admitted with is promised to it (`Recorded.beside`).
"""

from collections.abc import Collection, Mapping

from herocloud.kits.jsons import Part, Spec
from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StackName
from herocloud.model.steps import NOTHING, Claim
from herocloud.model.worlds import Observed, Record, Recorded, Thing
from herocloud.plan import capacity, claims, half_made
from herocloud.plan.capacity import Counted

_Records = Mapping[Address, Record]


def as_counted(recorded: Recorded, observed: Observed | None, host: Host, stack: StackName | None) -> Counted:
    """Return the records as they count for a plan of `stack`: as they are while everything that is promised fits the host.

    Every kind of plan counts them so, or a snapshot would be refused room that the plan of a stack file is given.
    """
    if stack is None:
        return Counted(recorded)
    own, beside = recorded.records.get(stack, {}), recorded.beside
    if beside:
        recorded = recorded._replace(records={**recorded.records, stack: {**own, **beside}})
    if not (_incomplete(own, beside) or _incomplete(recorded.lost.get(stack, {}))):
        return Counted(recorded)
    # Another stack that no apply works on stays as it is until its next plan, which counts what this one is promised.
    busy = {stack, *recorded.reserved, *(pending.stack for pending in recorded.unfinished)}
    resting = [other for other in recorded.records if other not in busy]
    if _fits(_as_there(recorded, observed, resting), observed, host):
        return Counted(recorded)
    return _as_there(recorded, observed, [stack], beside)


def claim_of(record: Record | None, counted: Counted, observed: Observed | None) -> Claim:
    """Return what a record counts for among those that are `counted`."""
    if record is None:
        return NOTHING
    held = counted.records.get(record.stack, {}).get(record.address, record)
    if held.spec == record.spec or observed is None:
        return claims.claim_of(held)
    thing = observed.things.get(record.stack, {}).get(record.address)
    return claims.claim_of(held, thing.parts if thing is not None else {})


def claim_as_there(record: Record, parts: Mapping[str, Part]) -> Claim:
    """Return what a record that is not complete counts for where these parts are there, and nothing is promised beyond them."""
    return claims.claim_of(record._replace(spec=_promising_nothing(record, None)), parts)


def _incomplete(records: _Records, spared: Collection[Address] = ()) -> bool:
    return any(not record.complete and address not in spared for address, record in records.items())


def _fits(recorded: Counted, observed: Observed | None, host: Host) -> bool:
    """Return whether all that is counted is there to be promised; slices have names, and nobody can hold one twice."""
    held = capacity.with_stored(capacity.used(recorded, observed), host)
    bound = {name: limit for name, limit in capacity.limits(host).items() if name != "slices"}
    return all(limit is None or capacity.amount_of(held, name) <= limit for name, limit in bound.items())


def _as_there(recorded: Recorded, observed: Observed | None, stacks: Collection[StackName], spared: Collection[Address] = ()) -> Counted:
    """Return the records with the incomplete ones of these stacks, except at the spared addresses, promising only what is there."""
    records, lost = dict(recorded.records), dict(recorded.lost)
    for stack in stacks:
        things = observed.things.get(stack, {}) if observed is not None else {}
        for held in (records, lost):
            of_stack = held.get(stack, {})
            if _incomplete(of_stack, spared):
                held[stack] = {
                    address: record
                    if record.complete or address in spared
                    else record._replace(spec=_promising_nothing(record, things.get(address)))
                    for address, record in of_stack.items()
                }
    return Counted(recorded._replace(records=records, lost=lost))


def _promising_nothing(record: Record, thing: Thing | None) -> Spec:
    """Return a target that asks for nothing but the slices that it holds and the bytes that are filled half-way."""
    size = half_made.bytes_in_place(half_made.parts_of(thing))
    if record.kind == "volume":
        return {**record.spec, "size": size}
    if record.kind != "vm":
        return record.spec
    disk = {**(record.spec["root_disk"] or {}), "size": size, "rate": None} if size else None
    return {**record.spec, "memory": 0, "vcpus": 0, "networks": [], "root_disk": disk, "snapshots": None}
