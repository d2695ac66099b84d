"""Overlay addresses that change hands in one plan: the new holder waits until the old one has given the address up.

An address follows from a key and a seed, so a seed that goes from one VM to another takes its address along. Two taps with one address
would both be answered for, and whichever goes last takes the answer away. Where VMs swap their addresses, one of them gives its own up
before it takes the other's: its tap has none in between, and both are down meanwhile.
"""

from collections.abc import Iterator, Mapping

from herocloud.kits.jsons import Part
from herocloud.model.ids import Address, StepId
from herocloud.model.overlays import CARD
from herocloud.model.steps import NOTHING, Step
from herocloud.plan.changes import Decision

_INBOUND = ("open", "inbound", "proxy")
"""What the part of a card says only where it has an address on the overlay."""


def break_circles(decisions: Mapping[Address, Decision]) -> None:
    """Split one change of a tap in each circle of VMs that pass their addresses on into a release and a taking."""
    passing = {step.id: step for _, step in _cards(decisions) if _gives(step) and _takes(step)}
    holders = {given: step for step in passing.values() if (given := _gives(step))}
    done: set[StepId] = set()
    for first in passing.values():
        path: list[StepId] = []
        step: Step | None = first
        while step is not None and step.id not in done:
            done.add(step.id)
            path.append(step.id)
            step = holders.get(_takes(step) or "")
        if step is not None and step.id in path:
            _split(decisions[step.address].steps, step)


def wait_for_release(decisions: Mapping[Address, Decision], waits: dict[StepId, set[StepId]]) -> None:
    """Make each step that takes an address wait for the one by which another VM gives it up."""
    givers = {given: step for _, step in _cards(decisions) if (given := _gives(step))}
    for address, step in _cards(decisions):
        giver = givers.get(_takes(step) or "")
        if giver is not None and giver.address != address:
            waits.setdefault(step.id, set()).add(giver.id)


def _cards(decisions: Mapping[Address, Decision]) -> Iterator[tuple[Address, Step]]:
    for address, decision in decisions.items():
        for step in decision.steps:
            if step.part.startswith("nic."):
                yield address, step


def _address(part: Part) -> str | None:
    return part.get("address") if part and part.get("network") == CARD else None


def _gives(step: Step) -> str | None:
    before = _address(step.before)
    return before if before != _address(step.after) else None


def _takes(step: Step) -> str | None:
    after = _address(step.after)
    return after if after != _address(step.before) else None


def _split(steps: list[Step], step: Step) -> None:
    """Replace a change of a tap by two, with no address in between; the other steps wait for the second."""
    bare = {key: value for key, value in step.before.items() if key not in _INBOUND} | {"address": None}
    release = step._replace(id=_release_name(steps, step), after=bare, takes=NOTHING, gives=NOTHING, last=False)
    position = steps.index(step)
    steps[position : position + 1] = [release, step._replace(before=bare, needs=(release.id,))]


def _release_name(steps: list[Step], step: Step) -> StepId:
    taken, number = {step.id for step in steps}, 2
    while f"{step.address}/{step.kind}#{number}" in taken:
        number += 1
    return StepId(f"{step.address}/{step.kind}#{number}")
