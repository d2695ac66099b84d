"""From key to address, as the daemon computes it since 0.5.0. Pure: a plan knows every address before anything runs.

Public key = X25519 of the private key; address = the first 16 bytes of BLAKE3 of the public key, its first byte replaced by 4 or 5 (the
parity of the ones in it), which puts it into 400::/7. The node announces the /64 around it, so any host in there can belong to a VM.
Daemons before 0.5.0 used BLAKE2b, and the upstream README still shows such pairs; no daemon of today understands them.

A VM's address is the prefix, the word ff0f and six bytes of seed, as ThreeFold's zos has it: the same seed gives the same address there.
"""

import ipaddress
import re
from typing import NewType

from herocloud.model import overlay_seeds

PublicKey = NewType("PublicKey", str)
"""A public key as 64 lower-case hexadecimal digits."""
Subnet = NewType("Subnet", str)
"""The /64 of a node: `430:9364:d8d8:84a9::/64`."""

KEY_BYTES = 32
_VM_WORD = 0xFF0F
_HEX_KEY = re.compile(r"[0-9a-f]{64}")


def public_key(private: bytes) -> PublicKey:
    """Return the public key of a private one. Any 32 bytes are a private key."""
    # Loads OpenSSL; only who has a key pays for it.
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    if len(private) != KEY_BYTES:
        raise ValueError(f"a private key has {KEY_BYTES} bytes, and not {len(private)}")
    return PublicKey(X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw().hex())


def node_address(public: PublicKey) -> str:
    """Return the address of the node with this public key."""
    import blake3

    if not _HEX_KEY.fullmatch(public):
        raise ValueError("a public key has 64 lower-case hexadecimal digits")
    digest = bytearray(blake3.blake3(bytes.fromhex(public)).digest(16))
    digest[0] = 0x04 | digest[0].bit_count() % 2
    return str(ipaddress.IPv6Address(bytes(digest)))


def node_subnet(public: PublicKey) -> Subnet:
    """Return the /64 that the node with this public key announces."""
    return subnet_around(node_address(public))


def subnet_around(address: str) -> Subnet:
    """Return the /64 that an address lies in."""
    return Subnet(f"{ipaddress.IPv6Address(int(ipaddress.IPv6Address(address)) >> 64 << 64)}/64")


def gateway(subnet: str) -> str:
    """Return the address of the host's side in a /64."""
    return str(_prefix(subnet)[1])


def vm_address(subnet: str, seed: str) -> str:
    """Return the address of the VM with this seed (12 hexadecimal digits) in a /64."""
    return str(_prefix(subnet)[_VM_WORD << 48 | int(overlay_seeds.parse(seed), 16)])


def is_vm_address(address: str, subnet: str) -> bool:
    """Return whether an address is one that a VM in this /64 can have."""
    return int(ipaddress.IPv6Address(address)) >> 48 == int(_prefix(subnet).network_address) >> 48 | _VM_WORD


def _prefix(subnet: str) -> ipaddress.IPv6Network:
    network = ipaddress.IPv6Network(subnet)
    if network.prefixlen != 64:
        raise ValueError(f"`{subnet}` is not a /64")
    return network
