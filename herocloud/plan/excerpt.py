"""An excerpt of a stack: what a plan of single things touches, needs and is needed by; the rest is counted and not drafted.

To stop one VM of five hundred takes a look at that one VM, and the certainty that all the others keep what they have. So the others stand
among the records like another stack, which every plan counts in full: slices, MACs, addresses, memory and whatever else is proven. What
an excerpt could get wrong goes the long way over the whole stack: networks, volumes and the overlay, which tie VMs together without
either needing the other, what a failure left, applies of the whole stack, and every plan of which there is anything to say.
"""

from collections.abc import Callable, Iterable, Mapping

from herocloud.model.ids import Address, StackName
from herocloud.model.plans import Plan
from herocloud.model.worlds import Record, Thing
from herocloud.plan import reservations
from herocloud.plan.draft import World
from herocloud.providers import registry

ALONE = frozenset({"vm", "image"})
"""Kinds of which one has nothing to do with another that it does not need."""


def plan_within(
    world: World, stack: StackName, touched: Iterable[Address], needs: Iterable[Address], make: Callable[[World], Plan]
) -> Plan:
    """Return what `make` makes of a world: of the excerpt about these addresses and what they need, where that is as good."""
    part = cut(world, stack, frozenset(touched), needs)
    if part is not None:
        plan = make(part)
        # What is to be said may name any VM of the stack, by the stack's name.
        if not plan.diagnostics:
            return plan
    return make(world)


def cut(world: World, stack: StackName, touched: frozenset[Address], needs: Iterable[Address]) -> World | None:
    """Return a world in which the stack holds these addresses and what belongs to them; nothing where the whole could tell more."""
    recorded, observed, host = world
    records = recorded.records.get(stack, {})
    if observed is None or recorded.lost.get(stack) or not _are_alone(records, simulates=host.simulated):
        return None
    if any(apply.stack == stack and (apply.address is None or apply.address in touched) for apply in recorded.unfinished):
        return None
    # What others work on counts in full, and whatever else is not complete is what a failure left.
    beside = reservations.held_beside(recorded, stack, touched)
    if any(not record.complete and address not in beside for address, record in records.items()):
        return None
    names = _belonging(records, touched, needs)
    if not names.isdisjoint(beside):
        return None
    own = {address: record for address, record in records.items() if address in names}
    calm = {
        address: Thing(stack, address, record.provider, record.parts, recorded.lineage)
        for address, record in records.items()
        if address not in own
    }
    others = {**{address: records[address] for address in calm}, **beside}
    seen = observed.things.get(stack, {})
    things = {address: seen[address] for address in names if address in seen}
    aside = StackName(f"{stack}/others")
    reserved = {owner: held for owner, held in recorded.reserved.items() if owner != stack}
    return World(
        recorded._replace(records={**recorded.records, stack: own, aside: others}, reserved=reserved),
        observed._replace(things={**observed.things, stack: things, aside: calm}),
        host,
    )


def _are_alone(records: Mapping[Address, Record], *, simulates: bool) -> bool:
    """Return whether nothing ties these together but what they need; whether VMs are simulated is decided for a stack as a whole."""
    simulator = registry.simulation().name
    return all(
        record.kind in ALONE and not record.spec.get("mycelium") and (simulates or record.provider != simulator)
        for record in records.values()
    )


def _belonging(records: Mapping[Address, Record], touched: Iterable[Address], needs: Iterable[Address]) -> set[Address]:
    """Return the touched addresses with all that they need or that needs them; many need an image, which does not change with them."""
    names = {*touched, *needs}
    while True:
        needed = {need for name in names if name in records for need in records[name].needs}
        changing = {name for name in names if not name.startswith("image.")}
        users = {address for address, record in records.items() if not changing.isdisjoint(record.needs)}
        if names.issuperset(needed) and names.issuperset(users):
            return names
        names |= needed | users
