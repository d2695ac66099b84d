"""What becomes of data that a step takes away, and whether it can come back.

The plan of an undo asks, what is shown before a rollback, and the rollback. One answer for the three, because a preview that promises what
the work then refuses costs somebody the decision.
"""

from collections.abc import Collection, Iterable

from herocloud.kits import sizes
from herocloud.model.ids import Address
from herocloud.model.steps import KINDS, Step

KEEP_SECONDS = 7 * 86400.0
"""How long deleted data is kept, unless it is purged."""


def say_fate(*, purge: bool) -> str:
    """Say in words what becomes of data that is deleted."""
    return "is destroyed at once" if purge else f"is kept for {sizes.show_duration(KEEP_SECONDS)}"


def is_lost(step: Step, *, purged: bool, kept: Collection[Address] | None = None) -> bool:
    """Return whether the data that this step took away is gone for good.

    `purged` says that it was destroyed at once. `kept` are the addresses whose deleted data is still there; nothing leaves that open.
    """
    return KINDS[step.kind].destroys_data and (purged or (kept is not None and step.address not in kept))


def lost_addresses(steps: Iterable[Step], *, purged: bool, kept: Collection[Address]) -> list[Address]:
    """Return whose data cannot come back when these steps are taken back, in their order."""
    return list(dict.fromkeys(step.address for step in steps if is_lost(step, purged=purged, kept=kept)))
