"""What a plan has to know of the overlay. Pure: every address follows from a key and a seed, before anything runs."""

from herocloud.providers.mycelium import arithmetic
from herocloud.providers.mycelium.arithmetic import PublicKey, vm_address

__all__ = ["node", "vm_address"]


def node(public: PublicKey, /) -> tuple[str, str]:
    """Return the address of the node with this public key, and its /64."""
    address = arithmetic.node_address(public)
    return address, arithmetic.subnet_around(address)
