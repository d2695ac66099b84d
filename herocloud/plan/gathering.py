"""What a plan is about: renames followed, and what `--target` and `--exclude` leave alone set aside."""

from collections.abc import Iterable
from typing import NamedTuple

from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Desired, Observed, Record, Recorded, Resource
from herocloud.plan import renaming, targeting
from herocloud.plan.options import PlanOptions


class Inputs(NamedTuple):
    """One stack, desired and recorded, under the addresses that things have after their renames."""

    stack: StackName
    resources: dict[Address, Resource]
    records: dict[Address, Record]
    moves: dict[Address, Address]
    """Old address by new one."""
    allowed: set[Address]
    """The addresses that the plan may touch."""


def gather(desired: Desired, recorded: Recorded, options: PlanOptions, found: list[Diagnostic]) -> Inputs:
    """Follow renames and flags; wrong ones are put into `found`."""
    stack = desired.stack
    resources = {} if options.destroy else {one.address: one for one in desired.resources}
    before = recorded.records.get(stack, {})
    moves = {} if options.destroy else renaming.follow(desired, before, found)
    origins = set(moves.values())
    records = {address: record for address, record in before.items() if address not in origins}
    for target, origin in moves.items():
        records[target] = before[origin]._replace(address=target)
    known = [*resources, *(address for address in records if address not in resources)]
    needs: dict[Address, Iterable[Address]] = {address: record.needs for address, record in records.items()}
    needs.update({address: resource.depends_on for address, resource in resources.items()})
    targets = targeting.select("--target", options.target, known, found) if options.target else None
    excluded = targeting.select("--exclude", options.exclude, known, found) if options.exclude else set()
    if options.destroy:
        # Destroying runs against the order of creation: whoever needs a target has to go before it.
        reverse: dict[Address, list[Address]] = {}
        for address, others in needs.items():
            for other in others:
                reverse.setdefault(other, []).append(address)
        needs = dict(reverse)
    return Inputs(
        stack,
        resources,
        records,
        moves,
        targeting.narrow(known, targets, excluded, needs) if options.target or options.exclude else set(known),
    )


def renamed(observed: Observed | None, inputs: Inputs) -> Observed | None:
    """Return what was seen, under the addresses that things have after their renames."""
    if observed is None or not inputs.moves:
        return observed
    things = dict(observed.things.get(inputs.stack, {}))
    for target, origin in inputs.moves.items():
        if origin in things:
            things.setdefault(target, things.pop(origin)._replace(address=target))
    return observed._replace(things={**observed.things, inputs.stack: things})


def unmoved(recorded: Recorded, inputs: Inputs) -> Recorded:
    """Take renames back for facts, which are about the state as it is."""
    records = dict(inputs.records)
    for target, origin in inputs.moves.items():
        records[origin] = records.pop(target)._replace(address=origin)
    return recorded._replace(records={**recorded.records, inputs.stack: records})
