"""What a part occupies, holds on to and weighs: pure, from its JSON.

Claims are things that exist only once on a host; uses are ties to things that must not be taken away under their user. Keeping both
as plain texts lets one table and one look-up answer for paths, taps, MAC addresses and networks alike.
"""

from collections.abc import Iterator

from herocloud.kits.jsons import Json, Part
from herocloud.kits.named_tuples import NamedTuple
from herocloud.model.overlays import CARD
from herocloud.model.parts import SNAPSHOT
from herocloud.model.specs import plugged


class Use(NamedTuple):
    """A tie to a claim of somebody else."""

    target: str
    mode: str
    """`rw`, `ro`, or empty where writing is no question."""


class Wiring(NamedTuple):
    """Everything that a part means to the rest of the world."""

    claims: tuple[str, ...] = ()
    uses: tuple[Use, ...] = ()
    memory: int = 0
    disk: int = 0


NOTHING = Wiring()

IMAGE_SIZE = 64 * 1024**2
"""The virtual size of every simulated image: small, so that a disk made from one has any size a stack asks for."""


def wire(stack: str, address: str, part: str, body: Part) -> Wiring:
    """Read the wiring out of a part."""
    if body is None or part == "power":
        return NOTHING
    name = address.partition(".")[2]
    match part:
        case "image":
            return Wiring(claims=(f"image {stack}/{name}",))
        case "network":
            return Wiring(claims=(f"network {stack}/{name}", *_claim("bridge", body.get("bridge"))))
        case "overlay":
            return Wiring(claims=(f"overlay {stack}",))
        case "peer":
            return Wiring(claims=(f"peer {stack}/{body['endpoint']}",), uses=(Use(f"overlay {stack}", ""),))
        case "volume":
            # What holds on to a volume does so whatever it is called now: its file keeps the name that it was made under.
            made_as = str(body.get("path") or name).rpartition("/")[2].removesuffix(".raw")
            return Wiring(claims=(f"volume {stack}/{made_as}", *_claim("path", body.get("path"))), disk=int(body["size"]))
        case "disk" | "seed" | "disk.new" | "seed.new":
            own = claim_of_part(stack, address, part)
            return Wiring(claims=(own, *_claim("path", body.get("path"))), disk=int(body.get("size") or 0))
        case _ if part.startswith(SNAPSHOT):
            return Wiring(claims=_claim("path", body.get("path")), disk=int(body["size"]))
        case "machine":
            return Wiring(uses=tuple(_machine_uses(stack, address, body)), memory=int(body.get("memory") or 0))
        case _:
            return _wire_nic(stack, address, part, body)


def claim_of_part(stack: str, address: str, part: str) -> str:
    """Name the claim that stands for a part of this very address, which its own machine holds on to."""
    return f"{part} of {stack}/{address}"


def network_of(stack: str, nic: Part) -> str:
    """Name the claim that a network card hangs on: a network of its stack, or the overlay."""
    return f"overlay {stack}" if is_overlay(nic) else f"network {stack}/{nic['network']}"


def is_overlay(nic: Part) -> bool:
    """Return whether a network card belongs to the overlay and not to a network of the stack."""
    return nic.get("network") in (None, CARD)


def _wire_nic(stack: str, address: str, part: str, nic: Part) -> Wiring:
    network = network_of(stack, nic)
    claims = (claim_of_part(stack, address, part), *_claim("tap", nic.get("tap")), *_claim("MAC address", nic.get("mac")))
    if nic.get("address"):
        claims = (*claims, f"address {nic['address']} in {network}")
    return Wiring(claims=claims, uses=(Use(network, ""),))


def _machine_uses(stack: str, address: str, machine: Part) -> Iterator[Use]:
    if machine.get("root"):
        yield Use(claim_of_part(stack, address, "disk"), "rw")
    if machine.get("seed"):
        yield Use(claim_of_part(stack, address, "seed"), "ro")
    for nic in machine.get("nics") or ():
        yield Use(claim_of_part(stack, address, nic), "")
    for volume in machine.get("volumes") or ():
        yield Use(f"volume {stack}/{plugged(volume)}", "ro" if volume.get("readonly") else "rw")


def _claim(word: str, value: Json) -> tuple[str, ...]:
    return (f"{word} {value}",) if value else ()
