"""The seeds of VMs on the overlay: six bytes that a file gives, or that follow from the name a VM was made with.

A renamed VM keeps the address of its old name, as its guest keeps the host name. A seed that the file gave and gives no more is not kept:
the address goes back to the one that follows from the name, or the file would not say what it is.
"""

import re
from collections.abc import Mapping

from herocloud.kits import jsons
from herocloud.kits.jsons import Json

BYTES = 6
_HEX = r"[0-9a-fA-F]{12}"
_BASE64 = r"[A-Za-z0-9+/_-]{8}"
_COUNTED = r"(.+)-(\d+)"


def parse(text: str) -> str:
    """Return a seed, written in hexadecimal or base64, as 12 lower-case hexadecimal digits. All zeros and all ones are not seeds."""
    if re.fullmatch(_HEX, text):
        raw = bytes.fromhex(text)
    elif re.fullmatch(_BASE64, text):
        # Few seeds are written like this, and only they pay for it.
        import base64
        import binascii

        try:
            raw = base64.b64decode(text.translate({ord("-"): "+", ord("_"): "/"}), validate=True)
        except binascii.Error as error:
            raise ValueError(f"`{text}` is not base64") from error
    else:
        raise ValueError(f"`{text}` is not a seed: write six bytes as 12 hexadecimal digits or as 8 characters of base64")
    if raw in (bytes(BYTES), b"\xff" * BYTES):
        raise ValueError("a seed of only zeros or only ones is not allowed")
    return raw.hex()


def of_address(address: str) -> str:
    """Read the seed back out of a VM's address."""
    import ipaddress

    return f"{int(ipaddress.IPv6Address(address)) % 2 ** (8 * BYTES):0{2 * BYTES}x}"


def derived(stack: str, address: str) -> str:
    """Return the seed that follows from the name of a VM."""
    return jsons.blake2b(f"overlay/{stack}/{address}".encode(), digest_size=16).digest()[:BYTES].hex()


def default(stack: str, address: str, old: Mapping[str, Json]) -> str:
    """Return the seed of a VM whose file gives none; `old` is what is recorded of it, or what is there."""
    seed: str | None = (old.get("mycelium") or {}).get("seed")
    hostname = old.get("hostname")
    if hostname is None:
        # What is adopted without a record is taken as it is.
        return seed or derived(stack, address)
    named = [derived(stack, name) for name in _first_names(address, hostname)]
    return seed if seed in named else named[0]


def _first_names(address: str, hostname: str) -> list[str]:
    """Return the names that a VM can have been made with, the likely one first: its guest goes by that name forever."""
    names = [f"vm.{hostname}"]
    counted = re.fullmatch(_COUNTED, hostname)
    if counted:
        names.append(f"vm.{counted[1]}[{counted[2]}]")
    return sorted(names, key=lambda name: name != address)
