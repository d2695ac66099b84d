"""What a network in user mode is and is not, for plans. Pure.

Each VM stands behind a network of its own: it reaches the outside (with `nat`) and answers on forwarded ports, and no other VM. So such
networks are always what `isolated` says, rates have nothing to be set on, and neighbors that should reach each other need a bridge.
"""

from herocloud.kits.jsons import Spec
from herocloud.model.overlays import GUEST
from herocloud.providers.seam import Attachment, Card, Forward, Unsupported, UserNetwork

REACH = (
    "VMs on them are reached through forwarded ports, reach the outside where `nat` is true, and do not reach each other, "
    "whatever `isolated` says"
)
"""What the plan says about such networks."""


def unsupported(spec: Spec) -> list[Unsupported]:
    """Name the fields of a VM that cannot be honored on such networks."""
    rates = [
        Unsupported(
            "networks", f"a network in user mode has no `rate` (here on `{nic['network']}`); it needs a bridge, and so CAP_NET_ADMIN"
        )
        for nic in spec["networks"]
        if nic.get("rate")
    ]
    overlay = spec.get("mycelium")
    # A daemon inside of the guest needs no card on the overlay.
    if not overlay or overlay.get("mode") == GUEST:
        return rates
    why = "a network in user mode carries no overlay: a VM on the overlay needs a bridge, and so CAP_NET_ADMIN"
    return [Unsupported("mycelium", why), *rates]


def fixed_forwards(before: Spec, after: Spec) -> list[str]:
    """Name the VMs whose forwarded ports differ: the VMM opens them when it starts, so a running VM keeps the old ones."""
    sides = [{_key(rule) for rule in spec.get("forward", ())} for spec in (before, after)]
    return sorted({key[0] for key in sides[0] ^ sides[1]})


def fixed_at_boot(before: Spec, after: Spec) -> str:
    """Name what VMs on a network take over only when they start: the VMM is the network, and gets it on its command line."""
    return "nat" if (before.get("nat") is not False) != (after.get("nat") is not False) else ""


def attachment(card: Card) -> Attachment:
    """Say what a card hangs on: a network that its VMM brings about, in which the forwards that lead to its address are its own."""
    network, address = card.network, card.nic["address"]
    forwards = tuple(
        Forward(rule.get("protocol") or "tcp", rule.get("host_address") or "", rule["host_port"], rule["port"])
        for rule in network.get("forward") or ()
        if rule.get("address") == address
    )
    link = UserNetwork(network["cidr"], network["gateway"], network.get("nat") is not False, forwards)
    return Attachment(card.nic["mac"], card.owner, tuple(filter(None, [address])), link)


def _key(forward: Spec) -> tuple[str, int, int, str]:
    return forward["vm"], forward["host_port"], forward["port"], forward["protocol"]
