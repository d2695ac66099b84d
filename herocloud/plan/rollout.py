"""Rolling changes: of the instances of one block only so many are down at once.

The first step that interrupts an instance waits for the last step of the one whose turn was before it, so a failure ends the roll and
the instances behind it keep running. `update: {max_unavailable: N}` on the block says how many may be down together; one by default.
"""

import math
from collections.abc import Iterable, Mapping

from herocloud.model.ids import Address, StepId
from herocloud.model.steps import Step
from herocloud.model.words import Action
from herocloud.model.worlds import Resource
from herocloud.plan.changes import Decision

ONE = "1"
"""How many instances may be down at once where the file does not say."""
_INTERRUPTED = (Action.REBOOT, Action.REPLACE)


def wait_for_turns(decisions: Mapping[Address, Decision], resources: Iterable[Resource], waits: dict[StepId, set[StepId]]) -> None:
    """Add to `waits` what instances of one block have to wait for."""
    blocks: dict[str, list[tuple[int, Decision]]] = {}
    sizes: dict[str, tuple[int, str]] = {}
    for resource in resources:
        if resource.kind != "vm" or resource.number is None:
            continue
        count, _ = sizes.get(resource.name, (0, ONE))
        sizes[resource.name] = (count + 1, resource.max_unavailable)
        decision = decisions.get(resource.address)
        if decision is not None and decision.change.action in _INTERRUPTED:
            blocks.setdefault(resource.name, []).append((resource.number, decision))
    for name, members in blocks.items():
        together = how_many(sizes[name][1], sizes[name][0])
        members.sort(key=lambda member: member[0])
        for (_, before), (_, after) in zip(members, members[together:], strict=False):
            _wait(before.steps, after.steps, waits)


def how_many(max_unavailable: str, count: int) -> int:
    """Return how many of `count` instances may be down at once: a number, or a share that is rounded down but never to none."""
    if max_unavailable.endswith("%"):
        return max(1, math.floor(count * int(max_unavailable[:-1]) / 100))
    return max(1, int(max_unavailable))


def _wait(before: list[Step], after: list[Step], waits: dict[StepId, set[StepId]]) -> None:
    lasts = {step.id for step in before if step.last}
    for step in after:
        if not step.needs:
            waits.setdefault(step.id, set()).update(lasts)
