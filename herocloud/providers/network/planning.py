"""What bridged networks mean for plans: no limits. Pure."""

from herocloud.kits.jsons import Spec
from herocloud.providers.seam import Attachment, Card, Tap, Unsupported

MOST_QUEUES = 256
"""What the kernel lets programs open of one tap that is made for several queues."""
REACH = ""
"""Nothing has to be said of networks that do what the stack file says."""


def unsupported(spec: Spec) -> list[Unsupported]:  # noqa: ARG001  (the names of the seam)
    """Name the fields of a VM that cannot be honored; bridges honor all of them."""
    return []


def fixed_at_boot(before: Spec, after: Spec) -> str:  # noqa: ARG001  (the names of the seam)
    """Name what VMs on a network take over only when they start: nothing, a bridge is there for all at once."""
    return ""


def fixed_forwards(before: Spec, after: Spec) -> list[str]:  # noqa: ARG001  (the names of the seam)
    """Name the VMs whose published ports cannot change while they run; here the host forwards, and all of them can."""
    return []


def attachment(card: Card) -> Attachment:
    """Say what a card hangs on: its tap."""
    tap = Tap(card.nic["tap"], MOST_QUEUES if card.nic.get("multi_queue") else 1)
    return Attachment(card.nic["mac"], card.owner, tuple(filter(None, [card.nic["address"]])), tap)
