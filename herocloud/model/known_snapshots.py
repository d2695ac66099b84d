"""A snapshot as people ask for it."""

from typing import NamedTuple

from herocloud.model.parts import SnapshotPart
from herocloud.model.worlds import Record


class Snapshot(NamedTuple):
    """A snapshot that is recorded or seen."""

    record: Record
    """Its VM."""
    name: str
    part: SnapshotPart
    there: bool
    """Whether it is on the host."""
    taken: int
    """When its disks were as it holds them, in seconds since 1970; of one that nobody sees, when it was planned."""
