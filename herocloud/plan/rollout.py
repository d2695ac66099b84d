"""Rolling changes: of the instances of one block only so many are down at once.

The first step that interrupts an instance waits for the last step of the one whose turn was before it, and that last step waits until
its guest is ready. So a failure ends the roll, as does a guest that does not come back, and
the instances behind it keep running. `update: {max_unavailable: N}` on the block says how many may be down together; one by default.
"""

import graphlib
import math
from collections.abc import Iterable, Mapping, Sequence

from herocloud.kits import edges
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.diagnostics import Diagnostic, Finding
from herocloud.model.ids import Address, StepId
from herocloud.model.steps import BESIDE, READY, Step
from herocloud.model.words import Action, Reason, Severity
from herocloud.model.worlds import Resource
from herocloud.plan import order
from herocloud.plan.changes import Decision

ONE = "1"
"""How many instances may be down at once where the file does not say."""
_INTERRUPTED = (Action.REBOOT, Action.REPLACE)


_DOES_NOT_ROLL = Finding("does-not-roll", "All instances of a block are down together", Severity.WARNING)


def wait_for_turns(
    decisions: Mapping[Address, Decision], resources: Iterable[Resource], waits: Mapping[StepId, set[StepId]], found: list[Diagnostic]
) -> Mapping[StepId, set[StepId]]:
    """Return `waits` with what instances of one block have to wait for; `found` gets a warning for each block that does not roll.

    A block does not roll where that would be a circle: when a VM that its instances depend on is replaced too, they all have to
    let go of it before it goes, and none can come back before it does.
    """
    blocks = [block for block in _blocks(decisions, resources) if block.turns]
    if not blocks:
        return waits
    steps = [step for decision in decisions.values() for step in decision.steps]
    whole = _together(waits, blocks)
    if _works(steps, whole):
        return whole
    kept: Mapping[StepId, set[StepId]] = waits
    for block in blocks:
        more = _together(kept, [block])
        if _works(steps, more):
            kept = more
        else:
            found.append(_does_not_roll(block, decisions))
    return kept


class _Block(NamedTuple):
    """The instances of one block that are interrupted."""

    instances: Sequence[Decision]
    turns: Sequence[tuple[StepId, set[StepId]]]
    """Steps, each with what it has to wait for."""


def _does_not_roll(block: _Block, decisions: Mapping[Address, Decision]) -> Diagnostic:
    """Name what keeps a block from rolling: what its instances need, and what is interrupted in the same apply."""
    first = block.instances[0].change
    needed = edges.follow(first.needs, {address: decision.change.needs for address, decision in decisions.items()})
    causes = [address for address in decisions if address in needed and decisions[address].change.action in _INTERRUPTED]
    named = ", ".join(f"`{address}`" for address in causes) or "what they depend on"
    block_name = first.address.partition("[")[0]
    detail = (
        f"The {len(block.instances)} instances of `{block_name}` do not take turns: they depend on {named}, which is interrupted in "
        "the same apply, so all of them stop before it goes and none comes back before it does."
    )
    hint = f"`herocloud apply --exclude '{block_name}[*]'` first, and then `herocloud apply`, lets them take turns"
    return _DOES_NOT_ROLL.at(detail, first.address, hint=hint)


def _blocks(decisions: Mapping[Address, Decision], resources: Iterable[Resource]) -> Iterable[_Block]:
    blocks: dict[str, list[tuple[int, Decision]]] = {}
    settling: dict[str, list[Decision]] = {}
    sizes: dict[str, tuple[int, str]] = {}
    for resource in resources:
        if resource.kind != "vm" or resource.number is None:
            continue
        count, _ = sizes.get(resource.name, (0, ONE))
        sizes[resource.name] = (count + 1, resource.max_unavailable)
        decision = decisions.get(resource.address)
        if decision is not None and decision.change.action in _INTERRUPTED:
            blocks.setdefault(resource.name, []).append((resource.number, decision))
        elif decision is not None and _is_settling(decision):
            settling.setdefault(resource.name, []).append(decision)
    for name, members in blocks.items():
        count, most = sizes[name]
        members.sort(key=lambda member: member[0])
        pairs = [(before, after) for (_, before), (_, after) in zip(members, members[how_many(most, count) :], strict=False)]
        # What an earlier apply did not see through is not there yet either.
        pairs += [(before, after) for before in settling.get(name, ()) for _, after in members]
        for before in {id(before): before for before, _ in pairs}.values():
            _wait_until_ready(before)
        turns = [turn for before, after in pairs for turn in _turn(before.steps, after.steps)]
        yield _Block([member for _, member in members], turns)


def _is_settling(decision: Decision) -> bool:
    """Return whether a VM runs that an earlier apply booted, and did not see getting ready."""
    change = decision.change
    return change.reason is Reason.UNFINISHED and (change.parts_before or {}).get("power") == "running"


def _wait_until_ready(decision: Decision) -> None:
    """Let the change of a VM that runs afterwards end with waiting until its guest is ready."""
    change, steps = decision.change, decision.steps
    if not steps or steps[-1].kind == READY or (change.after or {}).get("state") != "running":
        return
    name = StepId(f"{change.address}/{READY}")
    ready = Step(name, change.address, READY, change.provider, "power", "running", "running", (steps[-1].id,), last=True)
    steps[-1] = steps[-1]._replace(last=False)
    steps.append(ready)


def _turn(before: list[Step], after: list[Step]) -> list[tuple[StepId, set[StepId]]]:
    lasts = {step.id for step in before if step.last}
    # What is made beside a machine may be made at any time; its turn is to be interrupted.
    beside = {step.id for step in after if BESIDE in step.part}
    return [(step.id, lasts) for step in after if step.id not in beside and beside.issuperset(step.needs)]


def _together(waits: Mapping[StepId, set[StepId]], blocks: Iterable[_Block]) -> Mapping[StepId, set[StepId]]:
    result = dict(waits)
    for block in blocks:
        for step, lasts in block.turns:
            result[step] = result.get(step, set()) | lasts
    return result


def _works(steps: list[Step], waits: Mapping[StepId, set[StepId]]) -> bool:
    try:
        order.sort_steps(steps, waits)
    except graphlib.CycleError:
        return False
    return True


def how_many(max_unavailable: str, count: int) -> int:
    """Return how many of `count` instances may be down at once: a number, or a share that is rounded down but never to none."""
    if max_unavailable.endswith("%"):
        return max(1, math.floor(count * int(max_unavailable[:-1]) / 100))
    return max(1, int(max_unavailable))
