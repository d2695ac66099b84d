"""Disks and seeds that are made beside the ones whose place they will take: what can fail comes before a machine stops.

A root disk of a new image takes as long as copying takes, and a seed needs secrets that may be missing. Both are made while the old
machine runs, as parts of their own (`disk.new`, `seed.new`). After the stop they are only put in their place. What an earlier apply
prepared and did not place is used where it fits, and discarded otherwise.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from herocloud.kits.jsons import Part
from herocloud.model import steps
from herocloud.model.ids import StepId
from herocloud.model.steps import BESIDE, NOTHING, Claim
from herocloud.plan import half_made

if TYPE_CHECKING:
    from herocloud.plan.step_sequence import StepSequence

PREPARED = ("disk", "seed")
"""Parts that can lie beside themselves."""
NONE: Mapping[str, Part] = {}


def prepare(
    seq: "StepSequence",
    present: Mapping[str, Part],
    wanted: Mapping[str, Part],
    kept: Collection[str] = (),
    halves: Mapping[str, Part] = NONE,
) -> list[StepId]:
    """Make what is wanted beside what is there, and discard what lies there for nothing; returns the steps that a stop has to wait for.

    `kept` are the parts that this change has prepared already.
    """
    ready: list[StepId] = []
    for part in PREPARED:
        if part in kept:
            continue
        key = part + BESIDE
        there, goal = present.get(key), steps.beside(wanted[part]) if part in wanted else None
        dropped = half_made.discard(seq, halves, key)
        if there is not None and there != goal:
            dropped = seq.add(f"{part}.discard", key, there, None, gives=_room(part, there))
        if goal is not None and there != goal:
            ready.append(seq.add(f"{part}.prepare", key, None, goal, [dropped], takes=_room(part, goal)))
    return ready


def _room(part: str, body: Part) -> Claim:
    return Claim(disk=body["size"]) if part == "disk" else NOTHING
