"""The words of the overlay that several parts of herocloud share: its node, its modes, the key of the host, its range of addresses."""

from collections.abc import Mapping

from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.ids import Address

NODE = Address("mycelium.node")
"""The address of the node of a stack."""
CARD = "mycelium"
"""What the part of a card on the overlay names as its network."""
HOST, NETWORK, GUEST = "host", "network", "guest"
"""The modes: whose /64 the VMs of a stack are in."""
ADOPT, MANAGE, AUTO = "adopt", "manage", "auto"
"""Who runs the daemon of the host."""
HOST_KEY: Mapping[str, str] = {"name": "host"}
"""The key of the host's node where no stack names another one."""
RANGE = "400::/7"
"""Every address of every overlay node is in here."""


class NodeUse(NamedTuple):
    """How a stack relies on the one node of the host."""

    mode: str
    key: Mapping[str, str] | None
    """In mode `host` the key that it has the node run with; networks want the key `host`, whatever their own is."""
    subnet: str | None
    """The /64 that follows from this key, or that was applied with it."""


def can_share(node_use: NodeUse, other: NodeUse, host_subnet: str | None) -> bool:
    """Return whether two stacks can rely on the node of the host at the same time; `host_subnet` is what the key `host` gives.

    The node has one key. With two of them each apply would start it again with its own, and cut the other stack off.
    """
    if node_use.mode == other.mode == NETWORK:
        return True
    if node_use.mode == other.mode:
        # With the same key, replaced meanwhile, the other stack follows when it is applied.
        return node_use.key == other.key or (node_use.subnet is not None and node_use.subnet == other.subnet)
    owner = other if node_use.mode == NETWORK else node_use
    if host_subnet is None or owner.subnet is None:
        # A key that cannot be had is a finding of its own; on a simulated host it follows from the name of the host.
        return owner.key == HOST_KEY
    return owner.subnet == host_subnet
