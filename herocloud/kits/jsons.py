"""Canonical JSON and digests over it.

One spelling of a value everywhere (sorted keys, no spaces) makes digests comparable between a plan file, the state and a fresh
observation, whichever process wrote them.
"""

import json
from collections.abc import Mapping
from typing import Any

try:
    # `hashlib` loads OpenSSL before it hands out what does not come from there; that takes a tenth of a small plan.
    from _blake2 import blake2b
except ImportError:  # pragma: no cover  (another Python)
    from hashlib import blake2b

__all__ = ["Json", "Part", "Spec", "blake2b", "digest", "digest_text", "dumps", "loads"]

# A recursive alias would be exact, but mypy then asks for a narrowing at every `spec["a"]["b"]`, which tells a reader nothing.
Json = Any
Spec = Mapping[str, Json]
Part = Json

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
"""Made once: `json.dumps` with these settings makes an encoder for every call."""


def dumps(value: Json) -> str:
    """Write `value` the one canonical way."""
    return _CANONICAL.encode(value)


def digest(value: Json) -> str:
    """Return a short fingerprint of `value`: 64 bits are plenty against accidents, and these digests guard against nothing else."""
    return digest_text(dumps(value))


def digest_text(text: str) -> str:
    """Return the same kind of fingerprint of a text."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


def loads(text: str | bytes) -> Json:
    """Read JSON; raises ValueError for what is not, and for what is nested deeper than Python can follow."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
