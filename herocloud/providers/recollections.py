"""What the state knows of VMs and of what lies on the host, for looks at those whose own files were lost or changed."""

from collections.abc import Collection

from herocloud.kits.jsons import Part
from herocloud.kits.named_tuples import NamedTuple


class Remembered(NamedTuple):
    """What the state knows of a VM."""

    stack: str
    address: str
    lineage: str
    provider: str
    machine: Part
    """The part as it was recorded last; nothing while none was made."""


class RememberedPart(NamedTuple):
    """What the state knows of a disk, a volume, a seed, a snapshot, an image, a network or a card."""

    stack: str
    address: str
    lineage: str
    part: str
    body: Part
    """The part as it was recorded last."""
    sids: tuple[str, ...] = ()
    """The VMs that have it open while they run."""


class Memory:
    """What the state knows of VMs; this one knows none."""

    def parts(self) -> Collection[RememberedPart]:
        """Return all that is recorded and has a mark beside it."""
        return ()

    def of_interface(self, name: str) -> RememberedPart | None:  # noqa: ARG002  (the name is part of the contract)
        """Return what is recorded of the network or card that has an interface with this name."""
        return None

    def of_sid(self, sid: str) -> Remembered | None:  # noqa: ARG002  (the name is part of the contract)
        """Return what is recorded of the VM with a sid."""
        return None

    def sid_of(self, stack: str, address: str) -> str | None:  # noqa: ARG002  (as above)
        """Return the sid of the VM that is recorded under a name."""
        return None

    def is_foreign(self, lineage: str) -> bool:  # noqa: ARG002  (as above)
        """Return whether the mark of a VM that is not recorded names another state, from which it would have to be taken over."""
        return False


NOTHING = Memory()
