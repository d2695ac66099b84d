"""What a plan has to know of the overlay. Pure: every address follows from a key and a seed, before anything runs."""

from herocloud.providers.mycelium.arithmetic import node_address, node_subnet, vm_address

__all__ = ["node_address", "node_subnet", "vm_address"]
