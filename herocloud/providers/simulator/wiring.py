"""What a part occupies, holds on to and weighs: pure, from its JSON.

Claims are things that exist only once on a host; uses are ties to things that must not be taken away under their user. Keeping both
as plain texts lets one table and one look-up answer for paths, taps, MAC addresses and networks alike.
"""

from collections.abc import Iterator
from typing import NamedTuple

from herocloud.kits.jsons import Json, Part


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
            return Wiring(claims=(f"volume {stack}/{name}", *_claim("path", body.get("path"))), disk=int(body["size"]))
        case "disk":
            return Wiring(claims=_claim("path", body.get("path")), disk=int(body["size"]))
        case "seed":
            return Wiring(claims=_claim("path", body.get("path")))
        case "machine":
            return Wiring(uses=tuple(_machine_uses(stack, body)), memory=int(body.get("memory") or 0))
        case _:
            return _wire_nic(stack, body)


def network_of(stack: str, nic: Part) -> str:
    """Name the claim that a network card hangs on: a network of its stack, or the overlay."""
    return f"overlay {stack}" if is_overlay(nic) else f"network {stack}/{nic['network']}"


def is_overlay(nic: Part) -> bool:
    """Tell whether a network card belongs to the overlay and not to a network of the stack."""
    return nic.get("network") in (None, "mycelium")


def _wire_nic(stack: str, nic: Part) -> Wiring:
    network = network_of(stack, nic)
    claims = (*_claim("tap", nic.get("tap")), *_claim("MAC address", nic.get("mac")))
    if nic.get("address"):
        claims = (*claims, f"address {nic['address']} in {network}")
    return Wiring(claims=claims, uses=(Use(network, ""),))


def _machine_uses(stack: str, machine: Part) -> Iterator[Use]:
    seen = set()
    for target, mode in _machine_targets(stack, machine):
        # A seed may be listed among the disks and on its own: one tie is enough.
        if target not in seen:
            seen.add(target)
            yield Use(target, mode)


def _machine_targets(stack: str, machine: Part) -> Iterator[tuple[str, str]]:
    for disk in machine.get("disks") or ():
        mode = "ro" if isinstance(disk, dict) and disk.get("readonly") else "rw"
        path = disk.get("path") if isinstance(disk, dict) else disk
        if path:
            yield f"path {path}", mode
        elif disk.get("volume"):
            yield f"volume {stack}/{disk['volume']}", mode
    for nic in machine.get("nics") or ():
        tap = nic.get("tap") if isinstance(nic, dict) else nic
        if tap:
            yield f"tap {tap}", ""
    seed = machine.get("seed")
    path = seed.get("path") if isinstance(seed, dict) else seed
    if isinstance(path, str):
        yield f"path {path}", "ro"


def _claim(word: str, value: Json) -> tuple[str, ...]:
    return (f"{word} {value}",) if value else ()
