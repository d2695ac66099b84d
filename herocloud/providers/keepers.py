"""Keepers: what a provider that keeps deleted data for a while shows of it."""

from typing import Protocol

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.ids import Address, StackName
from herocloud.model.makers import Maker


class Tombstone(NamedTuple):
    """Deleted data that is still there."""

    key: str
    stack: StackName
    address: Address
    bytes: int
    deleted: float
    by: Maker = ()
    """The step that made it; nothing in those from before that was written down."""


class Keeper(Protocol):
    """Keeps deleted data for a while."""

    def tombstones(self) -> list[Tombstone]:
        """List the data that was deleted and is still there, oldest first."""
        ...

    def drop_tombstone(self, key: str) -> bool:
        """Destroy what a tombstone keeps; tells whether there was anything under this key."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...
