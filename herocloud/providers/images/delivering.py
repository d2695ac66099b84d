"""Secrets on their way into a seed: read when it is written, held against the digest in the plan, and kept nowhere else.

The plan knows a secret by name and keyed digest only. A value that is no longer the one that was planned is refused: a guest would get a
password that nobody has approved, and the next plan would not see it.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits.jsons import Json, Spec
from herocloud.model.errors import Conflict, Permanent

KEY = "secret.key"
"""In the data folder: what digests of secrets are keyed with."""
LARGEST = 64 * 1024


def read_secrets(folder: Path, address: str, spec: Spec, environment: Mapping[str, str]) -> dict[str, bytes]:
    """Return the value of every secret of a VM, by name; Conflict when one is not what was planned."""
    values: dict[str, bytes] = {}
    key: bytes | None = None
    for name, secret in sorted(spec["secrets"].items()):
        value = _read(address, name, secret, environment)
        if secret["digest"] is not None:
            key = key or _read_key(folder, address)
            if digest(value, key) != secret["digest"]:
                raise Conflict(
                    f"the secret `{name}` of `{address}` is not the one that was planned: {_origin(secret)} has another value by now. "
                    "Plan again.",
                    fact=f"secret:{name}",
                )
        values[name] = value
    return values


def digest(value: bytes, key: bytes) -> str:
    """Return the keyed digest by which plans and state know a secret."""
    return hashlib.blake2b(value, key=key, digest_size=16).hexdigest()


def _read(address: str, name: str, secret: Json, environment: Mapping[str, str]) -> bytes:
    if "env" in secret:
        text = environment.get(secret["env"])
        if text is None:
            raise Permanent(f"the secret `{name}` of `{address}` is missing: {_origin(secret)} is not set; set it, and resume")
        return text.encode("utf-8", "surrogateescape")
    try:
        # Only a plain file: a pipe may never end.
        if not stat.S_ISREG(os.stat(secret["file"]).st_mode):  # noqa: PTH116  (text in, as in the plan)
            raise Permanent(f"the secret `{name}` of `{address}` is missing: {_origin(secret)} is no plain file")
        value = Path(secret["file"]).read_bytes()
    except OSError as error:
        raise Permanent(f"the secret `{name}` of `{address}` is missing: {_origin(secret)}: {error.strerror}") from error
    if len(value) > LARGEST:
        raise Permanent(f"the secret `{name}` of `{address}` is larger than {LARGEST // 1024} KiB")
    return value


def _read_key(folder: Path, address: str) -> bytes:
    try:
        return (folder / KEY).read_bytes()
    except OSError as error:
        raise Permanent(
            f"the secrets of `{address}` cannot be held against the plan: `{folder / KEY}`: {error.strerror}; plan again"
        ) from error


def _origin(secret: Json) -> str:
    return f"the environment variable `{secret['env']}`" if "env" in secret else f"the file `{secret['file']}`"
