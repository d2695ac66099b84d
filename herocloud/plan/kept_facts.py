"""Facts about deleted data: a plan that brings data back relies on the tombstone that keeps it, until an apply of it has begun.

From then on nothing destroys that tombstone before the apply has ended (`operations/held_data`).
"""

from collections.abc import Collection, Iterable

from herocloud.model import makers
from herocloud.model.ids import Address, StackName
from herocloud.model.makers import Maker
from herocloud.model.plans import Fact
from herocloud.model.steps import Step, exchanges_data, restores_data
from herocloud.plan.lost_data import Kept

PREFIX = "kept:"
_GONE = "gone"


def facts_of(stack: StackName, wanted: Iterable[Maker], kept: Collection[Kept]) -> list[Fact]:
    """Return the facts about the tombstones that are there of these makers."""
    found = (_fact(f"{PREFIX}{stack}/{plan}/{apply}/{step}", (plan, step, apply), kept) for plan, step, apply in wanted)
    return [fact for fact in found if fact.digest != _GONE]


def brings_back(step: Step) -> bool:
    """Return whether a step takes data back out of the tombstone that another step made."""
    return bool(step.tombstone) and (exchanges_data(step.kind) or (restores_data(step.kind) and step.before is None))


def look_again(key: str, kept: Collection[Kept]) -> Fact:
    """Return the same fact as it is now; `kept` is the deleted data of its stack."""
    _, plan, apply, step = key.removeprefix(PREFIX).split("/", 3)
    return _fact(key, (plan, step, apply), kept)


def address_of(key: str) -> Address:
    """Return whose data a fact is about."""
    return _address(key.split("/", 3)[3])


def _address(step: str) -> Address:
    return Address(step.rpartition("/")[0])


def _fact(key: str, maker: Maker, kept: Collection[Kept]) -> Fact:
    address = _address(maker[1])
    if any(makers.is_same(stone.by, maker) or (stone.address == address and not stone.by) for stone in kept):
        return Fact(key, "kept", f"the deleted data of `{address}` is kept")
    return Fact(key, _GONE, f"the deleted data of `{address}` is gone for good")
