"""What a rollback takes back, in which order, and what it cannot.

The preview and the work follow this walk, so what is shown before somebody approves is what happens then. A step whose data is gone for
good cannot be taken back, and what would stand on that data cannot either: a machine on a disk that was purged, the plug of a volume.
Everything else is taken back all the same. The arrows between steps are mostly about order, so they lead through what stays as it is.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from herocloud.apply.entries import IN_FLIGHT
from herocloud.model import makers
from herocloud.model.ids import Address, StepId
from herocloud.model.parts import SNAPSHOT
from herocloud.model.plans import Plan
from herocloud.model.steps import KINDS, Step
from herocloud.model.worlds import Recorded
from herocloud.plan import lost_data
from herocloud.plan.lost_data import Kept
from herocloud.providers.seam import Found


class Rollback(NamedTuple):
    """Every step of an apply that was begun, newest first, and what becomes of it on the way back."""

    steps: tuple[Step, ...]
    """All of them, with those that stay as they are."""
    needs: Mapping[StepId, tuple[StepId, ...]]
    """By step: what has to be taken back before it. What stays because of another waits for that one alone, and in vain."""
    broken: Mapping[StepId, str]
    """Steps that cannot be taken back, each with the reason."""
    lost: frozenset[StepId]
    """Those of them whose data is gone for good."""
    stays: Mapping[StepId, StepId]
    """Steps that are not taken back because another cannot be: which one."""
    unknown: frozenset[StepId]
    """Steps of which only the world knows how far they came."""
    grown: frozenset[StepId]
    """Those that cannot be taken back because a disk stays as large as they made it; nothing else stays for that."""

    def taken_back(self) -> list[Step]:
        """Return the steps that are taken back."""
        return [step for step in self.steps if step.id not in self.broken and step.id not in self.stays]


ListKept = Callable[[], Collection[Kept]]
"""Lists the deleted data of the stack that is still there."""


class Look(NamedTuple):
    """How far a step came of which the journal knows only that it was begun."""

    found: Found | None
    """Nothing where nobody could be asked."""
    detail: str = ""
    lost: bool = False
    """It has destroyed the data already, although it is not done."""
    stays: str = ""
    """Why taking it back would leave what is there as it is."""


def begun_steps(plan: Plan, states: Mapping[StepId, str]) -> list[Step]:
    """Return the steps that were begun and not taken back yet, newest first."""
    return [step for step in reversed(plan.steps) if states.get(step.id) == "done" or states.get(step.id) in IN_FLIGHT]


def without_relied_on(plan: Plan, states: Mapping[StepId, str], recorded: Recorded) -> Mapping[StepId, str]:
    """Return the states without those of what the apply has made and others have come to need since, like an image: that stays made.

    What is not whole yet is taken back: others that need it make it as well.
    """
    made = {change.address for change in plan.changing if change.before is None and change.after is not None}
    own = {change.address for change in plan.changing}
    others = {**recorded.reserved.get(plan.stack, {}), **recorded.records.get(plan.stack, {})}
    needed = {need for address, record in others.items() if address not in own for need in record.needs}
    unfinished = {step.address for step in plan.steps if states.get(step.id) != "done"}
    kept = (made & needed) - unfinished
    return {step.id: states[step.id] for step in plan.steps if step.id in states and step.address not in kept} if kept else states


def grown_steps(plan: Plan, states: Mapping[StepId, str]) -> list[Step]:
    """Return the steps that made a disk larger: whether it gets its earlier size back, only the world knows."""
    return [
        step
        for step in begun_steps(plan, states)
        if KINDS[step.kind].grows and states[step.id] == "done" and step.before is not None and step.before["size"] < step.after["size"]
    ]


def find_lost(
    plan: Plan, apply: str, states: Mapping[StepId, str], looks: Mapping[StepId, Look], *, purged: bool, kept: ListKept | None
) -> frozenset[StepId]:
    """Return the steps that took data away, by the journal or by what the world shows, which is gone for good.

    `kept` lists the deleted data that is still there; without it what was not purged counts as kept.
    """
    destroying = (step for step in begun_steps(plan, states) if KINDS[step.kind].destroys_data)
    followed = {need for step in plan.steps if states.get(step.id) in (*IN_FLIGHT, "done", "undone") for need in step.needs}

    def is_done(step: Step) -> bool:
        # Where something else is in its place by now, what came after it tells.
        found = _found(step, looks)
        if step.id in looks and looks[step.id].lost:
            return True
        return states[step.id] == "done" or found is Found.DONE or (found is Found.CONTRADICTED and step.id in followed)

    gone = [step for step in destroying if is_done(step)]
    if not gone or not (purged or kept):
        return frozenset()
    found = [] if purged or kept is None else list(kept())
    # Something may have got another name since, and lies in its tombstone under the one that it had.
    moved = [(change.address, change.previous_address) for change in plan.changing]
    found += [one._replace(address=new) for one in found for new, old in moved if one.address == old]
    made = ((step, makers.maker_of(step, plan.id, apply)) for step in gone)
    return frozenset(step.id for step in lost_data.lost_steps(made, purged=purged, kept=found))


def walk(plan: Plan, states: Mapping[StepId, str], looks: Mapping[StepId, Look], lost: Collection[StepId]) -> Rollback:
    """Return the way back; `looks` are about steps under way, `lost` the steps whose data is gone for good."""
    steps = begun_steps(plan, states)
    dependants: dict[StepId, list[StepId]] = {}
    for step in steps:
        for need in step.needs:
            dependants.setdefault(need, []).append(step.id)
    broken = {step.id: f"the data that `{step.id}` destroyed is gone for good" for step in steps if step.id in lost}
    for step in steps:
        if step.id not in broken and _found(step, looks) is Found.CONTRADICTED:
            detail = looks[step.id].detail or "no details"
            broken[step.id] = f"the host matches neither the state before nor after this step: {detail}. Nothing was touched"
    grown = {step.id: looks[step.id].stays for step in steps if step.id in looks and looks[step.id].stays and step.id not in broken}
    broken |= grown
    snapshots = {change.address for change in plan.changing if any(part.startswith(SNAPSHOT) for part in change.parts_before or ())}
    stays = _without_their_data(steps, lost, snapshots)
    _wait_for_the_unclear(steps, dependants, set(broken) - set(lost) - set(grown), stays)
    needs = {step.id: _seen_through(step.id, dependants, {*broken, *stays}) for step in steps}
    needs.update(dict.fromkeys(broken, ()))
    needs.update({step: (because,) for step, because in stays.items()})
    unknown = frozenset(step.id for step in steps if states[step.id] in IN_FLIGHT)
    return Rollback(tuple(steps), needs, broken, frozenset(lost) & broken.keys(), stays, unknown, frozenset(grown))


def _found(step: Step, looks: Mapping[StepId, Look]) -> Found | None:
    look = looks.get(step.id)
    return look.found if look is not None else None


def _without_their_data(steps: Sequence[Step], lost: Collection[StepId], snapshots: Collection[Address]) -> dict[StepId, StepId]:
    """Return the steps that cannot be taken back because the data is gone that they would bring something back for.

    What has `snapshots` is not gone altogether without its disk.
    """
    stays: dict[StepId, StepId] = {}
    gone: dict[Address, StepId] = {}
    machines: dict[Address, StepId] = {}
    """VMs whose machine stays as the apply left it."""
    removed: dict[Address, StepId] = {}
    """Those of them that the apply left without one."""
    for step in steps:
        if step.id in lost:
            if step.after is None and carries(step):
                gone[step.address] = step.id
            continue
        because = _missing(step, gone, machines, removed)
        if because is not None:
            stays[step.id] = because
            if step.part == "machine":
                machines[step.address] = because
                if step.after is None:
                    removed[step.address] = because
    for step in steps:
        if KINDS[step.kind].moves_mark and step.address in gone and step.address not in snapshots:
            # Nothing is left that could get its old name.
            stays[step.id] = gone[step.address]
    return stays


def carries(step: Step) -> bool:
    """Return whether something stands on the data of this step: a machine on its disk, a plug on its volume; nothing on a snapshot."""
    return not step.part.startswith(SNAPSHOT)


def _missing(
    step: Step, gone: Mapping[Address, StepId], machines: Mapping[Address, StepId], removed: Mapping[Address, StepId]
) -> StepId | None:
    """Return the step whose loss keeps this one from being taken back."""
    if step.before is None or KINDS[step.kind].destroys_data or KINDS[step.kind].moves_mark:
        return None
    if step.part == "power" and step.address in removed:
        return removed[step.address]
    if step.part == "machine":
        if step.address in machines:
            return machines[step.address]
        held = {use["volume"] for use in (step.after or {}).get("volumes") or ()}
        wanted = [use["volume"] for use in step.before.get("volumes") or () if use["volume"] not in held]
        lacking = (gone.get(Address(f"volume.{name}")) for name in wanted)
        return gone.get(step.address) or next((lost for lost in lacking if lost), None)
    # What belonged to a VM that does not come back is of no use to anybody.
    return gone.get(step.address) if step.after is None else None


def _wait_for_the_unclear(
    steps: Iterable[Step], dependants: Mapping[StepId, list[StepId]], unclear: Collection[StepId], stays: dict[StepId, StepId]
) -> None:
    """Leave everything that waits for a step which the host contradicts: what that has become is not known, so nothing is built on it."""
    if not unclear:
        return
    behind: dict[StepId, StepId] = {step: step for step in unclear}
    for step in steps:
        because = next((behind[one] for one in dependants.get(step.id, ()) if one in behind), None)
        if because is not None and step.id not in behind:
            behind[step.id] = because
            if not KINDS[KINDS[step.kind].inverse].heals:
                stays.setdefault(step.id, because)


def _seen_through(step: StepId, dependants: Mapping[StepId, list[StepId]], passed: Collection[StepId]) -> tuple[StepId, ...]:
    """Return what has to be taken back before a step, with what stays replaced by what that would have waited for."""
    needs: dict[StepId, None] = {}
    seen = set()
    frontier = list(dependants.get(step, ()))
    while frontier:
        need = frontier.pop()
        if need in seen:
            continue
        seen.add(need)
        if need in passed:
            frontier += dependants.get(need, ())
        else:
            needs[need] = None
    return tuple(needs)
