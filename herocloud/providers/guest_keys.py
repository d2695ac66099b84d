"""The key of an overlay daemon inside a guest, for the provider that writes the guest's seed.

It lies where the provider of the overlay keeps all keys. Plans and records hold its public half only, which the key is held against here: a
guest must not get an address that nobody has planned.
"""

from pathlib import Path

from herocloud.kits import path_trust, plain_files
from herocloud.kits.jsons import Json
from herocloud.model.errors import Conflict, Permanent

_FOLDER = "mycelium/keys"
_BYTES = 32


def read(data: Path, address: str, key: Json) -> bytes:
    """Return the private key of a VM; `key` is what its plan says of it."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    path = data / _FOLDER / f"{key['name']}.key"
    try:
        private = plain_files.read(path, 4096)
    except OSError as error:
        raise Permanent(f"the overlay key `{key['name']}` of `{address}` cannot be read: {error.strerror}") from error
    for flaw in path_trust.find_flaws_of_file(path):
        raise Permanent(f"the overlay key `{key['name']}` of `{address}` can be replaced by others: {flaw.text}; take `{flaw.path}` back")
    if len(private) != _BYTES or X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw().hex() != key["public"]:
        raise Conflict(f"the overlay key `{key['name']}` of `{address}` is not the one that the plan was made with; plan again")
    return private
