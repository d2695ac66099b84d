"""The key of a data folder, for callers that turn secrets into digests."""

from pathlib import Path


def secret_key(folder: Path) -> bytes:
    """Return the key; made at the first question."""
    from herocloud.state import creation

    key = creation.load_key(folder, create=True)
    assert key is not None  # noqa: S101  (asking for it makes it)
    return key
