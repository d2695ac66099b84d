"""The words of the overlay that several parts of herocloud share: its node, its modes, the key of the host, its range of addresses."""

from collections.abc import Mapping

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
