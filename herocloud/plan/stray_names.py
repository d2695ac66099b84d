"""Things under a name that the state does not know, although it knows them: a rename was made and its answer got lost.

The apply that renamed them has ended, or was taken back in part, so their records still have the other name. What is there is then found by
what a rename does not touch: the sid of a machine, the file of a disk, the bridge of a network. Without this a `destroy` would remove the
record and leave the machine running, as an orphan that nobody asked for.
"""

from collections.abc import Collection, Iterator, Mapping

from herocloud.kits.jsons import Part
from herocloud.model.ids import Address, StackName
from herocloud.model.plans import Change, Drift, FieldDiff
from herocloud.model.words import Cause
from herocloud.model.worlds import Desired, Observed, Record, Recorded, Thing
from herocloud.plan.scope import Inputs

_KEPT = (("machine", "sid"), ("disk", "path"), ("seed", "path"), ("volume", "path"), ("network", "bridge"))
"""What a thing keeps when it gets another name, by part; no two things of a stack have the same."""


def find(inputs: Inputs, recorded: Recorded, observed: Observed | None) -> dict[Address, Address]:
    """Return the names under which recorded things are really there, by the names of their records.

    What the file asks for under such a name is left to adoption.
    """
    return _find(inputs.stack, inputs.records, inputs.resources.keys(), recorded, observed)


def find_recorded(stack: StackName, recorded: Recorded, observed: Observed | None) -> dict[Address, Address]:
    """Return the same where no file asks for anything."""
    return _find(stack, recorded.records.get(stack, {}), (), recorded, observed)


def find_named(desired: Desired, recorded: Recorded, observed: Observed | None) -> dict[Address, Address]:
    """Return what is there under a name that the file asks for, each with the name in its record, which nothing else asks for."""
    wanted = {resource.address for resource in desired.resources}
    records = {address: record for address, record in recorded.records.get(desired.stack, {}).items() if address not in wanted}
    things = observed.things.get(desired.stack, {}) if observed else {}
    free = wanted - recorded.records.get(desired.stack, {}).keys()
    ours = [address for address in free if address in things and things[address].lineage in (None, recorded.lineage)]
    return {name: address for address, name in match(records, things, ours).items()} if ours else {}


def _find(
    stack: StackName, records: Mapping[Address, Record], asked: Collection[Address], recorded: Recorded, observed: Observed | None
) -> dict[Address, Address]:
    things = observed.things.get(stack, {}) if observed else {}
    unknown = things.keys() - records.keys() - set(asked)
    ours = {address: things[address] for address in unknown if things[address].lineage in (None, recorded.lineage)}
    return match(records, things, ours) if ours else {}


def match(records: Mapping[Address, Record], things: Mapping[Address, Thing], unknown: Collection[Address]) -> dict[Address, Address]:
    """Return which of the `unknown` things belong to which records, of those of which nothing is there under their own name."""
    by_identity = {identity: address for address in sorted(unknown) for identity in _identities(address, things[address].parts)}
    addresses: dict[Address, Address] = {}
    for address, record in records.items():
        if address in things and things[address].parts:
            continue
        for identity in _identities(address, record.parts):
            if identity in by_identity:
                addresses[address] = by_identity[identity]
                break
    return addresses


def _identities(address: Address, parts: Mapping[str, Part]) -> Iterator[tuple[str, str, str]]:
    kind = address.partition(".")[0]
    for part, field in _KEPT:
        value = (parts.get(part) or {}).get(field)
        if value:
            yield kind, part, value


def under_their_names(observed: Observed, stack: StackName, strays: Mapping[Address, Address]) -> Observed:
    """Return what was seen, with strays under the names of their records."""
    seen = observed.things.get(stack, {})
    away = set(strays.values())
    things = {address: thing for address, thing in seen.items() if address not in away}
    things.update({address: seen[stray]._replace(address=address) for address, stray in strays.items()})
    return observed._replace(things={**observed.things, stack: things})


def drift(records: Mapping[Address, Record], strays: Mapping[Address, Address], cause: Cause) -> tuple[Drift, ...]:
    """Return which things have another name than their records."""
    return tuple(Drift(address, records[address].kind, "name", address, stray, cause) for address, stray in strays.items())


def fields(stray: Address | None, address: Address) -> list[FieldDiff]:
    """Return how the name of a thing on the host differs from that of its record."""
    why = "an apply that did not end well gave it this name"
    return [] if stray is None else [FieldDiff("name", stray, address, drift=True, why=why)]


def noted(change: Change, stray: Address | None) -> Change:
    """Return the removal of something with a word about its name on the host, where that is another."""
    if stray is None:
        return change
    return change._replace(note="; ".join(filter(None, (f"on the host it is called `{stray}`", change.note))))
