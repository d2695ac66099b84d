"""Which of several tombstones of one path holds the data that a step brings back."""

from collections.abc import Sequence

from herocloud.providers.seam import Work


def choose_tombstone(makers: Sequence[Sequence[str]], work: Work) -> int | None:
    """Choose which of the tombstones of one path a step brings back; `makers` names the plan and step of each, youngest first.

    It is the one that this step made; else the youngest that no step of this plan made. An undo keeps what was written since under the
    same path as the older data that it brings back, so the youngest alone would be the wrong disk.
    """
    own = next((number for number, maker in enumerate(makers) if tuple(maker) == (work.plan, work.step.id)), None)
    if own is not None:
        return own
    return next((number for number, maker in enumerate(makers) if not maker or maker[0] != work.plan), None)
