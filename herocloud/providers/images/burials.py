"""An object on its way into a tombstone or out of one, as its mark says: a try that follows a crash goes on with the same tombstone."""

from pathlib import Path

from herocloud.model.makers import Maker
from herocloud.providers.images import tombstones
from herocloud.providers.images.marks import Mark
from herocloud.providers.images.tombstones import Buried
from herocloud.providers.seam import Work

BURYING, RESTORING = "burying", "restoring"
"""What the mark of an object says on either way (`Mark.half`)."""


def describe(mark: Mark, work: Work, new_key: str) -> tuple[str, float, Maker]:
    """Return the key of the tombstone that an object goes into, when it was deleted, and by which step."""
    resumed = mark.half == BURYING
    # On its way back, it may still lie in the old tombstone, and another one would be empty.
    stays = mark.half == RESTORING and mark.more["key"] is not None
    key = mark.more["key"] if resumed or stays else new_key
    deleted = mark.more["deleted"] if resumed else tombstones.now()
    by = tuple(mark.more.get("by", ())) if resumed and work.step.after is not None else work.maker
    return key, deleted, by


def find_return(folder: Path, work: Work, mark: Mark | None) -> tuple[str | None, Buried | None]:
    """Return the key of the tombstone that an object comes back from, and what that says; nothing where it is purged."""
    if mark is not None and mark.half in (BURYING, RESTORING):
        key: str | None = mark.more["key"]
    else:
        youngest = tombstones.find(folder, work, work.step.before["path"])
        key = youngest.key if youngest else None
    return key, tombstones.read(folder, key) if key else None
