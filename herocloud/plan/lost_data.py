"""What becomes of data that a step takes away, and whether it can come back.

The plan of an undo asks, what is shown before a rollback, and the rollback. One answer for the three, because a preview that promises what
the work then refuses costs somebody the decision.
"""

from collections.abc import Collection, Iterable

from herocloud.kits import sizes
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model import makers
from herocloud.model.ids import Address
from herocloud.model.makers import Maker
from herocloud.model.steps import KINDS, Step

KEEP_SECONDS = 7 * 86400.0
"""How long deleted data is kept, unless it is purged."""


def say_fate(*, purge: bool) -> str:
    """Say in words what becomes of data that is deleted."""
    return "is destroyed at once" if purge else f"is kept for {sizes.show_duration(KEEP_SECONDS)}"


class Kept(NamedTuple):
    """Deleted data of a stack that is still there."""

    address: Address
    by: Maker = ()
    """The step that took it away; nothing where that was not written down."""


def is_lost(step: Step, *, purged: bool) -> bool:
    """Return whether the data that this step took away was destroyed at once."""
    return KINDS[step.kind].destroys_data and purged


def lost_addresses(steps: Iterable[tuple[Step, Maker]], *, purged: bool, kept: Collection[Kept]) -> list[Address]:
    """Return whose data cannot come back when these steps, each with its maker, are taken back, in their order."""
    return list(dict.fromkeys(step.address for step in lost_steps(steps, purged=purged, kept=kept)))


def lost_steps(steps: Iterable[tuple[Step, Maker]], *, purged: bool, kept: Collection[Kept]) -> list[Step]:
    """Return which of these steps, each with its maker, took away data that cannot come back."""
    unmarked = {stone.address for stone in kept if not stone.by}

    def is_gone(step: Step, maker: Maker) -> bool:
        # Data that another step took away is other data, although it may have the same address.
        return purged or not (step.address in unmarked or any(makers.is_same(stone.by, maker) for stone in kept))

    return [step for step, maker in steps if KINDS[step.kind].destroys_data and is_gone(step, maker)]
