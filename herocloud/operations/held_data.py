"""Deleted data that an apply which has not ended may still need: it brings that back, or would where it is taken back.

Such data is destroyed by nobody, however old it is. To know which it is and to destroy the rest happens under the lock of the host, under
which applies begin: so none can begin in between that relies on what goes.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from herocloud.model import makers
from herocloud.model.makers import Maker
from herocloud.model.steps import KINDS
from herocloud.providers.seam import Tombstone


class Held(NamedTuple):
    """A tombstone that stays."""

    tombstone: Tombstone
    apply: str
    """The name of the apply that may need it."""


class Sorted(NamedTuple):
    """Tombstones that were meant to go."""

    going: tuple[Tombstone, ...]
    held: tuple[Held, ...]


def sort_out(folder: Path, tombstones: Iterable[Tombstone]) -> Sorted:
    """Tell what may go from what an apply that runs, or that did not end, may need."""
    found = tuple(tombstones)
    needed = _needed(folder) if found else []
    held = {stone.key: Held(stone, apply) for stone in found for apply, stack, makers_of_it in needed if _is_in(stone, stack, makers_of_it)}
    return Sorted(tuple(stone for stone in found if stone.key not in held), tuple(held.values()))


def _needed(folder: Path) -> list[tuple[str, str, list[Maker]]]:
    """Return the unfinished applies with the makers of the tombstones that they make or bring back."""
    from herocloud.state import store

    opened = store.open_state(folder, write=False)
    if opened is None:
        return []
    found: list[tuple[str, str, list[Maker]]] = []
    with opened:
        for pending in opened.pending():
            unfinished = opened.unfinished(pending.number)
            if unfinished is not None:
                plan = unfinished.plan
                steps = [step for step in plan.steps if step.tombstone or KINDS[step.kind].destroys_data]
                found.append((pending.id, plan.stack, [makers.maker_of(step, plan.id, pending.id) for step in steps]))
    return found


def _is_in(stone: Tombstone, stack: str, needed: Iterable[Maker]) -> bool:
    if stone.stack != stack:
        return False
    # What does not say who made it is known by its address alone.
    return any(makers.is_same(stone.by, maker) or (not stone.by and maker[1].rpartition("/")[0] == stone.address) for maker in needed)
