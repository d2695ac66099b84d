"""Whether data that a step took away can come back: asked by the plan of an undo, by what is shown before a rollback, and by the rollback.

One answer for the three, because a preview that promises what the work then refuses costs somebody the decision.
"""

from collections.abc import Collection, Iterable

from herocloud.model.ids import Address
from herocloud.model.steps import KINDS, Step


def is_lost(step: Step, *, purged: bool, kept: Collection[Address] | None = None) -> bool:
    """Return whether the data that this step took away is gone for good.

    `purged` says that it was destroyed at once. `kept` are the addresses whose deleted data is still there; nothing leaves that open.
    """
    return KINDS[step.kind].destroys_data and (purged or (kept is not None and step.address not in kept))


def lost_addresses(steps: Iterable[Step], *, purged: bool, kept: Collection[Address]) -> list[Address]:
    """Return whose data cannot come back when these steps are taken back, in their order."""
    return list(dict.fromkeys(step.address for step in steps if is_lost(step, purged=purged, kept=kept)))
