"""The giver lets go first: what takes room or a volume from another resource is not interrupted before that is free.

A machine that was stopped for a change which then waits in vain, because the other one could not let go, would stay down for nothing. So
what interrupts it waits for the giver as well, unless the giver itself waits for that interruption: two that exchange something have to.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from herocloud.model.ids import StepId
from herocloud.model.steps import KINDS, Step

_MOST = 200_000
"""After looking at so many steps the rest is left as it is: in a plan of thousands that all live on each other, looking takes too long."""


def wait_for_givers(
    steps: Sequence[Step], waits: Mapping[StepId, set[StepId]], drawn: Mapping[StepId, set[StepId]]
) -> dict[StepId, set[StepId]]:
    """Return `waits` with what the interruptions of takers have to wait for; `drawn` are the givers on whose room each step lives."""
    result = dict(waits)
    by_id = {step.id: step for step in steps}
    dependants: dict[StepId, list[StepId]] = {}
    looked = 0
    for taker, givers in _pairs(steps, waits, drawn):
        for interruption in _interruptions(taker, by_id):
            if looked > _MOST:
                return result
            dependants = dependants or _dependants(steps, waits)
            behind = _behind(interruption, dependants)
            looked += len(behind)
            more = [giver for giver in givers if giver not in behind]
            result[interruption] = result.get(interruption, set()).union(more)
            for giver in more:
                dependants.setdefault(giver, []).append(interruption)
    return result


def _pairs(
    steps: Sequence[Step], waits: Mapping[StepId, set[StepId]], drawn: Mapping[StepId, set[StepId]]
) -> Iterator[tuple[Step, list[StepId]]]:
    """Yield each step that takes something from other changes, with the steps that give it."""
    givers_of_volumes = {step.id for step in steps if KINDS[step.kind].gives_volumes}
    if not drawn and not givers_of_volumes:
        return
    owners = {step.id: step.address for step in steps}
    for step in steps:
        givers = set(drawn.get(step.id, ()))
        if KINDS[step.kind].takes_volumes and step.id in waits:
            givers |= waits[step.id] & givers_of_volumes
        others = sorted(giver for giver in givers if owners[giver] != step.address)
        if others:
            yield step, others


def _interruptions(taker: Step, by_id: Mapping[StepId, Step]) -> Iterable[StepId]:
    """Return the steps of the same change before this one that take something away from what runs."""
    found: dict[StepId, None] = {}
    seen: set[StepId] = set()
    frontier = list(taker.needs)
    while frontier:
        step = by_id.get(frontier.pop())
        if step is None or step.id in seen or step.address != taker.address:
            continue
        seen.add(step.id)
        frontier += step.needs
        if KINDS[step.kind].interrupts:
            found[step.id] = None
    return found


def _dependants(steps: Sequence[Step], waits: Mapping[StepId, set[StepId]]) -> dict[StepId, list[StepId]]:
    """Return by step what waits for it."""
    dependants: dict[StepId, list[StepId]] = {}
    for step in steps:
        for need in (*step.needs, *waits.get(step.id, ())):
            dependants.setdefault(need, []).append(step.id)
    return dependants


def _behind(first: StepId, dependants: Mapping[StepId, list[StepId]]) -> set[StepId]:
    """Return a step and everything that waits for it, directly or not."""
    behind: set[StepId] = {first}
    frontier = [first]
    while frontier:
        more = [step for step in dependants.get(frontier.pop(), ()) if step not in behind]
        behind.update(more)
        frontier += more
    return behind
