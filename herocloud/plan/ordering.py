"""The order among changes: what comes first in creation goes last in deletion.

Steps wait for steps, not changes for changes, so that a disk is copied while the VM it depends on still boots. Inside a change the
compiler has set the order already.
"""

from collections.abc import Iterable, Mapping, Sequence

from herocloud.model.ids import Address, StepId
from herocloud.model.steps import Step
from herocloud.plan.deciding import Decision

_WAITS: dict[str, tuple[str, ...]] = {
    "disk.create": ("image",),
    "seed.write": ("image",),
    "tap.create": ("network", "mycelium"),
    "tap.update": ("network", "mycelium"),
    "vm.create": ("image", "volume", "network", "mycelium", "vm"),
    "vm.configure": ("image", "volume", "vm"),
    "vm.attach": ("volume", "network", "mycelium"),
    "vm.boot": ("vm", "volume", "network", "mycelium"),
    "vm.resume": ("vm",),
    "peer.add": ("mycelium",),
}
"""Which kinds of dependencies a step has to find ready."""

_LETS_GO = frozenset({"vm.delete", "vm.detach", "vm.configure", "tap.delete", "tap.update", "vm.update"})
"""Steps after which a VM no longer holds what it used to need."""

_REMOVES = frozenset(
    {
        "image.delete",
        "network.delete",
        "volume.delete",
        "overlay.disable",
        "peer.remove",
        "vm.stop",
        "vm.delete",
        "tap.delete",
        "seed.delete",
        "disk.delete",
    }
)


def order(decisions: Mapping[Address, Decision], needed_before: Mapping[Address, Iterable[Address]]) -> dict[StepId, set[StepId]]:
    """Return what each step has to wait for in other changes; `needed_before` tells what recorded resources relied on."""
    waits: dict[StepId, set[StepId]] = {}
    ready = {address: _ready(decision.steps) for address, decision in decisions.items()}
    for address, decision in decisions.items():
        needs = [need for need in decision.change.needs if need in decisions]
        if needs:
            _wait_for_needs(decision.steps, needs, ready, waits)
    for address, needs_of in needed_before.items():
        holder = decisions.get(address)
        if holder is None:
            continue
        for need in needs_of:
            removed = decisions.get(need)
            if removed is not None:
                _wait_for_letting_go(removed.steps, holder.steps, waits)
    return waits


def _ready(steps: Sequence[Step]) -> tuple[StepId, ...]:
    """Find the steps after which the resource can be relied on: the last one that does not remove."""
    for step in reversed(steps):
        if step.kind not in _REMOVES and step.kind != "record.write":
            return (step.id,)
    return ()


def _wait_for_needs(
    steps: Sequence[Step], needs: Sequence[Address], ready: Mapping[Address, tuple[StepId, ...]], waits: dict[StepId, set[StepId]]
) -> None:
    for step in steps:
        kinds = _WAITS.get(step.kind)
        if kinds is None:
            continue
        found = [one for need in needs if need.partition(".")[0] in kinds for one in ready[need]]
        if found:
            waits.setdefault(step.id, set()).update(found)


def _wait_for_letting_go(removed: Sequence[Step], holder: Sequence[Step], waits: dict[StepId, set[StepId]]) -> None:
    """Make the first removing steps of one resource wait until another has let go of it."""
    firsts = [step for step in removed if step.kind in _REMOVES and not step.needs]
    if not firsts:
        return
    letting = [step.id for step in holder if step.kind in _LETS_GO] or [step.id for step in holder if step.kind in _REMOVES][-1:]
    for step in firsts:
        waits.setdefault(step.id, set()).update(letting)


def add_waits(steps: Iterable[Step], waits: Mapping[StepId, Iterable[StepId]]) -> list[Step]:
    """Write what was found into the steps, sorted, because a set has no order of its own."""
    return [
        step._replace(needs=(*step.needs, *sorted(set(waits[step.id]) - set(step.needs)))) if waits.get(step.id) else step for step in steps
    ]


def sort_steps(steps: Sequence[Step]) -> list[Step]:
    """Put steps into an order in which each comes after what it needs; ties keep the order of the stack file."""
    import graphlib

    position = {step.id: number for number, step in enumerate(steps)}
    sorter: graphlib.TopologicalSorter[StepId] = graphlib.TopologicalSorter({step.id: step.needs for step in steps})
    sorter.prepare()
    result: list[Step] = []
    while sorter.is_active():
        batch = sorted(sorter.get_ready(), key=position.__getitem__)
        result.extend(steps[position[one]] for one in batch)
        sorter.done(*batch)
    return result


def critical_seconds(steps: Sequence[Step], seconds: Mapping[str, float]) -> float:
    """Return the length of the longest chain; `steps` are in an order that respects their needs."""
    ends: dict[StepId, float] = {}
    longest = 0.0
    for step in steps:
        begin = max((ends[need] for need in step.needs), default=0.0)
        ends[step.id] = begin + seconds[step.kind]
        longest = max(longest, ends[step.id])
    return longest
