"""What a provider can do on one host, and what it lacks there. Part of the contract in `seam`, from where providers import all of it."""

from herocloud.kits.named_tuples import NamedTuple


class Lacking(NamedTuple):
    """Something that a provider could do, and not on this host."""

    field: str
    """The field of a VM that cannot be honored, or a few words where it is not one field."""
    why: str
    """What is missing, and how to get it."""


FIRMWARE = "firmware"
"""The field of a `Lacking` that says that no disk can boot by itself; VMs whose image has a kernel do not need it."""


class Standing(NamedTuple):
    """What a provider can do on this host."""

    usable: bool
    why: str
    """What it works with; or what is missing, and how to get it. For a person, without a full stop."""
    accelerated: bool = False
    """Guests run on the processor itself, and are not emulated."""
    lacking: tuple[Lacking, ...] = ()
