"""Which of several tombstones of one path holds the data that a step brings back."""

from collections.abc import Sequence

from herocloud.model import makers
from herocloud.model.makers import Maker
from herocloud.providers.seam import Work


def choose_tombstone(found: Sequence[Maker], work: Work, *, unmarked: Sequence[bool]) -> int | None:
    """Choose which of the tombstones of one path a step brings back; `found` names the maker of each, youngest first.

    It is the one that this step made, or the step that it takes back. Another step's holds other data, however young it is. Those from
    before makers were written down tell no more than their address: `unmarked` says for each whether that fits.
    """
    own = next((number for number, maker in enumerate(found) if makers.is_same(maker, work.maker)), None)
    if own is not None:
        return own
    return next((number for number, (maker, fits) in enumerate(zip(found, unmarked, strict=True)) if fits and not maker), None)
