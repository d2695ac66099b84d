"""The inverse of the steps of one change; which kind takes back which is in the table of `model/steps`.

A disk that grew has no inverse: by now its file system may use the new room, and cutting it off would destroy data. Everything else
has one, and a rename goes first instead of last, so that all other inverse steps find the thing under one name.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.ids import Address, StepId
from herocloud.model.parts import without_mark
from herocloud.model.plans import Change
from herocloud.model.steps import BESIDE, FETCH, KINDS, Step, discard_kind, moves_node


class Inverted(NamedTuple):
    """The inverse steps of one change."""

    address: Address
    """Where the thing is once it has its old name again."""
    steps: tuple[Step, ...]
    firsts: Mapping[StepId, StepId]
    """By step that is taken back: the first step that does so."""
    lasts: Mapping[StepId, StepId]
    found: tuple[Diagnostic, ...]

    @property
    def last(self) -> StepId:
        """Return the step that completes the change."""
        return self.steps[-1].id


def invert(change: Change, done: Sequence[Step], halves: Mapping[StepId, Part], *, named_back: bool = False) -> Inverted:
    """Return what takes back the steps of a change that were done, in the order of the plan.

    Among them are those that left something half made: `halves` tells what, and that is discarded. With `named_back` the thing has its old
    name again.
    """
    address = change.previous_address or change.address
    done = _whole_snapshots(_without_pauses(done))
    steps: list[Step] = []
    firsts: dict[StepId, StepId] = {}
    lasts: dict[StepId, StepId] = {}
    found = [_grown(step) for step in done if KINDS[step.kind].grows and not _shrinks(step)]
    placed = {f"{step.part}{BESIDE}" for step in done if KINDS[step.kind].places}
    # What was placed goes from its place; what was discarded was of no use, and waiting has changed nothing.
    backwards = [step for step in done[::-1] if step.part not in placed and not KINDS[step.kind].passes]
    if (change.after is None and any(step.last for step in done)) or change.previous_address is None:
        # What is gone comes back under the name that it had first; what got the name of its record back keeps that.
        backwards = [step for step in backwards if not KINDS[step.kind].moves_mark]
    if not named_back:
        backwards = [*_follow_record(change, done), *backwards]
    for step in (
        *(step for step in backwards if KINDS[step.kind].moves_mark),
        *(step for step in backwards if not KINDS[step.kind].moves_mark),
    ):
        previous: StepId | None = None
        for kind, before, after in _discard(step, halves) or _inverse_of(step):
            number = sum(1 for step in steps if step.kind == kind) + 1
            name = StepId(f"{address}/{kind}" if number == 1 else f"{address}/{kind}#{number}")
            needs = () if previous is None else (previous,)
            made = Step(name, address, kind, step.provider, step.part, before, after, needs, origin=step.origin, tombstone=step.tombstone)
            steps.append(made if previous else made._replace(takes=step.gives, gives=step.takes))
            firsts.setdefault(step.id, name)
            lasts[step.id] = name
            previous = name
    if steps:
        steps[-1] = steps[-1]._replace(last=True)
    return Inverted(address, tuple(steps), firsts, lasts, tuple(found))


def _follow_record(change: Change, done: Sequence[Step]) -> list[Step]:
    """Return the rename that an earlier apply made for a record which followed in this one: the record does not go back alone."""
    renamed = change.previous_address is not None and change.after is not None and any(step.last for step in done)
    if not renamed or not change.parts_before or any(KINDS[step.kind].moves_mark for step in done):
        return []
    kind = f"{change.kind}.move"
    ends = {"address": change.previous_address}, {"address": change.address}
    return [Step(StepId(f"{change.address}/{kind}"), change.address, kind, change.provider, "mark", *ends)]


def reverse_needs(done: Iterable[Step], inverted: Iterable[Inverted]) -> dict[StepId, set[StepId]]:
    """Turn the arrows of the steps that were done around, and make each change end with its last step."""
    needs: dict[StepId, set[StepId]] = {}
    everything = list(inverted)
    firsts = {step: first for one in everything for step, first in one.firsts.items()}
    lasts = {step: last for one in everything for step, last in one.lasts.items()}
    done = list(done)
    moved = {step.id for step in done if KINDS[step.kind].moves_mark}
    passed = {step.id: step.needs for step in done if KINDS[step.kind].passes}
    ready_first = _ready_first(done, passed)
    for step in done:
        for need in _seen_through(step.needs, passed):
            if need in ready_first:
                _keep_order(step, lasts[need], everything, needs)
            elif need in firsts and step.id in lasts and need not in moved and step.id not in moved:
                needs.setdefault(firsts[need], set()).add(lasts[step.id])
            elif need in moved and need in lasts and step.id in firsts and step.id not in moved:
                # What got a new name gets the old one back once there is something of that name.
                needs.setdefault(firsts[step.id], set()).add(lasts[need])
    for one in everything:
        moves = [step.id for step in one.steps if KINDS[step.kind].moves_mark]
        for step in one.steps:
            if moves and step.id not in moves:
                needs.setdefault(step.id, set()).update(moves)
        if one.steps:
            needs.setdefault(one.last, set()).update(step.id for step in one.steps[:-1])
    return needs


def _ready_first(done: Sequence[Step], passed: Mapping[StepId, Sequence[StepId]]) -> set[StepId]:
    """Return what is got ready first on the way back as well: images and nodes of the overlay that VMs were stopped for.

    They changed in place under what runs, and do so again; turned around, they would come after the VMs have booted without them.
    """
    stopped = {step.address for step in done if KINDS[step.kind].stops}
    wanted = {need for step in done if step.address in stopped for need in _seen_through(step.needs, passed)}
    changed = (step for step in done if step.before is not None and step.after is not None)
    return {step.id for step in changed if step.id in wanted and (step.kind == FETCH or moves_node(step))}


def _keep_order(step: Step, ready: StepId, everything: Iterable[Inverted], needs: dict[StepId, set[StepId]]) -> None:
    """Make what takes the change of a step back wait for `ready`, but for what interrupts, which waits for everything that prepares."""
    for inverted in everything:
        if step.id not in inverted.firsts or ready in inverted.lasts.values():
            continue
        for inverse in inverted.steps if any(KINDS[other.kind].boots for other in inverted.steps) else ():
            if not KINDS[inverse.kind].interrupts:
                needs.setdefault(inverse.id, set()).add(ready)


def _seen_through(needs: Iterable[StepId], passed: Mapping[StepId, Sequence[StepId]]) -> Iterable[StepId]:
    """Return what steps need when those that have no inverse stand for what they needed: the turns of a roll hang on them."""
    for need in needs:
        if need in passed:
            yield from _seen_through(passed[need], passed)
        else:
            yield need


def _without_pauses(done: Sequence[Step]) -> Sequence[Step]:
    """Leave out that a machine was held and let go again: that is over, and there is nothing to take back."""
    if not any(KINDS[step.kind].heals for step in done):
        return done
    passing = {kind for kind, info in KINDS.items() if info.heals} | {info.inverse for info in KINDS.values() if info.heals}
    return [step for step in done if step.kind not in passing]


def _whole_snapshots(done: Sequence[Step]) -> Sequence[Step]:
    """Take a snapshot and the memory that was added to it as one thing: it goes to a tombstone as a whole, and comes back from there."""
    saves = {step.part: step for step in done if step.kind == "snapshot.save"}
    whole: list[Step] = []
    for step in done:
        save = saves.get(step.part)
        if step.kind == "snapshot.create" and save is not None:
            whole.append(step._replace(after=save.after, takes=step.takes._replace(disk=step.takes.disk + save.takes.disk)))
        elif step is not save or not any(other.kind == "snapshot.create" and other.part == step.part for other in done):
            whole.append(step)
    return whole


def _discard(step: Step, halves: Mapping[StepId, Part]) -> list[tuple[str, Part, Part]]:
    kind = discard_kind(step.part)
    return [(kind, halves[step.id], None)] if kind is not None and step.id in halves else []


def _inverse_of(step: Step) -> list[tuple[str, Part, Part]]:
    kind, before, after = step.kind, step.before, step.after
    if before is not None and after is not None:
        # Nobody wants back what was wrong about it.
        before, after = (_sound(part) if step.part == "machine" else without_mark(part) for part in (before, after))
        if before == after and step.before != step.after:
            return []
    if kind == "vm.stop" and before == "paused":
        return [("vm.boot", "stopped", "running"), ("vm.pause", "running", "paused")]
    if KINDS[kind].places and before is not None:
        return [("seed.write", after, before)]
    changed_in_place = before is not None and after is not None and step.part not in ("machine", "power")
    return [(kind if changed_in_place else KINDS[kind].inverse, after, before)]


def _sound(machine: Part) -> Part:
    return {field: value for field, value in machine.items() if field not in powers.ONLY_SEEN}


def _shrinks(step: Step) -> bool:
    """Return whether a step that is called growing did not change the size: then there is nothing to lose."""
    return bool(step.before and step.after and step.before.get("size") == step.after.get("size"))


def _grown(step: Step) -> Diagnostic:
    detail = f"`{step.id}` made a disk larger, and its file system may use the new room by now. Make a smaller disk beside it and copy."
    return Diagnostic("undo-grown", "A disk does not shrink", detail, address=step.address)
