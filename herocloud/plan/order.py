"""The order among changes: what comes first in creation goes last in deletion.

Steps wait for steps, not changes for changes, so that a disk is copied while the VM it depends on still boots. Inside a change the
compiler has set the order already.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from herocloud.model import ids
from herocloud.model.ids import Address, StepId
from herocloud.model.plans import Change
from herocloud.model.steps import BESIDE, KINDS, READY, RECORD_WRITE, Step
from herocloud.model.words import Action
from herocloud.plan.changes import Decision


def order(decisions: Mapping[Address, Decision], needed_before: Mapping[Address, Iterable[Address]]) -> dict[StepId, set[StepId]]:
    """Return what each step has to wait for in other changes; `needed_before` tells what recorded resources relied on."""
    waits: dict[StepId, set[StepId]] = {}
    ready = {address: _ready(decision.steps) for address, decision in decisions.items()}
    for decision in decisions.values():
        needs = [need for need in decision.change.needs if need in decisions]
        if needs:
            _wait_for_needs(decision.steps, needs, ready, waits)
    for address, holder in decisions.items():
        for need in {*needed_before.get(address, ()), *_holds(holder.change)}:
            removed = decisions.get(need)
            if removed is None:
                continue
            # What stays waits for what it needs to be ready again; only one that goes as well can be waited for here.
            both = removed.change.action is Action.REPLACE and holder.change.action in {Action.DELETE, Action.REPLACE}
            if removed.change.action is Action.DELETE or both:
                # A VM that stays may be waiting itself for what comes after a network that it leaves.
                left = _cards_that_leave([holder], need.partition(".")[2]) if _is_left(removed.change, holder.change) else set()
                _wait_for_letting_go(removed.steps, holder.steps, waits, left)
    holders = _volume_holders(decisions)
    if holders:
        _hand_over_volumes(decisions, holders, waits)
        _grow_while_stopped(decisions, holders, waits)
    return waits


def wait_for_names(decisions: Mapping[Address, Decision], waits: dict[StepId, set[StepId]]) -> None:
    """Make steps that take the name of something that is renamed in the same plan wait until that has its new name."""
    for decision in decisions.values():
        origin = decision.change.previous_address
        taker = decisions.get(origin) if origin is not None else None
        moves = {step.id for step in decision.steps if KINDS[step.kind].moves_mark} or {step.id for step in decision.steps[-1:]}
        if taker is None or taker is decision:
            continue
        if decision.change.kind == "network":
            moves |= _cards_that_leave(decisions.values(), str(origin).partition(".")[2])
        for step in taker.steps:
            waits.setdefault(step.id, set()).update(moves)


def _cards_that_leave(decisions: Iterable[Decision], network: str) -> set[StepId]:
    """Return the steps after which cards no longer bear the name of a network that another is about to get."""
    return {
        step.id
        for decision in decisions
        for step in decision.steps
        if step.part.startswith("nic.") and step.before is not None and step.before["network"] == network
        if step.after is None or step.after["network"] != network
    }


def _volume_holders(decisions: Mapping[Address, Decision]) -> dict[str, list[Address]]:
    """Return which of these VMs have a volume now, by its name."""
    holders: dict[str, list[Address]] = {}
    for address, decision in decisions.items():
        for use in ((decision.change.parts_before or {}).get("machine") or {}).get("volumes", ()):
            holders.setdefault(use["volume"], []).append(address)
    return holders


def _grow_while_stopped(
    decisions: Mapping[Address, Decision], holders: Mapping[str, list[Address]], waits: dict[StepId, set[StepId]]
) -> None:
    """Let a volume grow after those of its VMs have stopped that stop anyway.

    Forwards it would make no difference. Backwards the volume is then small again before they boot: a machine that booted with the larger
    one would believe in a size that the volume no longer has.
    """
    for name, addresses in holders.items():
        volume = decisions.get(ids.make_address("volume", name))
        grown = [step.id for step in volume.steps if step.kind == "volume.grow"] if volume else []
        stops = [step.id for address in addresses for step in decisions[address].steps if step.kind == "vm.stop"] if grown else []
        for step in grown if stops else ():
            waits.setdefault(step, set()).update(stops)


def _hand_over_volumes(
    decisions: Mapping[Address, Decision], holders: Mapping[str, list[Address]], waits: dict[StepId, set[StepId]]
) -> None:
    """Make a VM that takes a volume wait until the one that has it lets go: two machines writing to one disk destroy it."""
    for address, decision in decisions.items():
        for use in (decision.change.after or {}).get("volumes", ()):
            for other in holders.get(use["volume"], ()):
                kept = {kept["volume"] for kept in (decisions[other].change.after or {}).get("volumes", ())}
                if other == address or use["volume"] in kept:
                    continue
                given = [step.id for step in decisions[other].steps if KINDS[step.kind].gives_volumes]
                for step in decision.steps:
                    if KINDS[step.kind].takes_volumes and given:
                        waits.setdefault(step.id, set()).update(given)


def _holds(change: Change) -> Iterator[Address]:
    """Name what the parts of a resource really hang on: after a cut-off apply that may be more than its record says."""
    for key, part in (change.parts_before or {}).items():
        if key.startswith("nic."):
            yield ids.make_address("network", part["network"])
        elif key == "machine":
            for use in part["volumes"]:
                yield ids.make_address("volume", use["volume"])


def _ready(steps: Sequence[Step]) -> tuple[StepId, ...]:
    """Find the steps after which the resource can be relied on: the last one that does not remove."""
    for step in reversed(steps):
        if not KINDS[step.kind].removes and step.kind not in (RECORD_WRITE, READY):
            return (step.id,)
    return ()


def _wait_for_needs(
    steps: Sequence[Step], needs: Sequence[Address], ready: Mapping[Address, tuple[StepId, ...]], waits: dict[StepId, set[StepId]]
) -> None:
    for step in steps:
        kinds = KINDS[step.kind].waits_for
        if not kinds:
            continue
        step_ids = [step_id for need in needs if need.partition(".")[0] in kinds for step_id in ready[need]]
        if step_ids:
            waits.setdefault(step.id, set()).update(step_ids)


def _is_left(removed: Change, holder: Change) -> bool:
    return removed.kind == "network" and holder.kind == "vm" and holder.action not in {Action.DELETE, Action.REPLACE}


def _wait_for_letting_go(
    removed: Sequence[Step], holder: Sequence[Step], waits: dict[StepId, set[StepId]], left: Collection[StepId] = ()
) -> None:
    """Make the first removing steps of one resource wait until another has let go of it; by the steps `left` where those are known."""
    removing = {step.id for step in removed if KINDS[step.kind].removes}
    firsts = [step for step in removed if step.id in removing and removing.isdisjoint(step.needs) and BESIDE not in step.part]
    if not firsts:
        return
    # A card has nothing to do with the other VM, and its rate may be one that this gives back.
    cards = _after_cards(removed, holder) if firsts[0].address.startswith("vm.") else frozenset()
    letting = list(left) or [step.id for step in holder if KINDS[step.kind].lets_go and step.id not in cards]
    letting = letting or [step.id for step in holder if KINDS[step.kind].removes][-1:]
    for step in firsts:
        waits.setdefault(step.id, set()).update(letting)


def _after_cards(removed: Sequence[Step], holder: Sequence[Step]) -> frozenset[StepId]:
    """Return the steps of a VM's cards, with those that come after one that may live on the bandwidth that the other VM gives back."""
    cards = {step.id for step in holder if step.part.startswith("nic.")}
    if any(step.gives.network for step in removed):
        later = {step.id for step in holder if step.id in cards and step.takes.network > step.gives.network}
        for step in holder:
            if not later.isdisjoint(step.needs):
                later.add(step.id)
        cards |= later
    return frozenset(cards)


def sort_steps(steps: Sequence[Step], waits: Mapping[StepId, Iterable[StepId]]) -> list[Step]:
    """Put steps into an order in which each comes after what it needs; ties keep the order of the stack file.

    Raises graphlib's CycleError. Written out because graphlib's own walk takes four times as long for fifty thousand steps, and plans
    are sorted before and after the proof; graphlib still names the circle when there is one.
    """
    position = {step.id: number for number, step in enumerate(steps)}
    left = [0] * len(steps)
    then: list[list[int]] = [[] for _ in steps]
    for number, step in enumerate(steps):
        more = waits.get(step.id)
        for need in {*step.needs, *more} if more else step.needs:
            then[position[need]].append(number)
            left[number] += 1
    result: list[Step] = []
    ready = [number for number, count in enumerate(left) if count == 0]
    while ready:
        following: list[int] = []
        for number in ready:
            result.append(steps[number])
            for after in then[number]:
                left[after] -= 1
                if left[after] == 0:
                    following.append(after)
        following.sort()
        ready = following
    if len(result) < len(steps):
        import graphlib

        graphlib.TopologicalSorter({step.id: {*step.needs, *waits.get(step.id, ())} for step in steps}).prepare()
    return result
