"""The stack files of a command, loaded for a data folder."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import caches
from herocloud.model.hosts import Host
from herocloud.stack.loading import Loaded


class Sources(NamedTuple):
    """What a stack is read from."""

    files: tuple[str, ...]
    variables: tuple[str, ...] = ()
    """`K=V` each."""
    var_files: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    stdin: str | None = None
    """What was read for the file `-`; nothing when none is named so."""


def read_stdin(files: tuple[str, ...]) -> str | None:
    """Read the standard input when a file is named `-`; bytes that are no text are left for the loader to point at."""
    if "-" not in files:
        return None
    # A process may be started without any standard input at all.
    return "" if sys.stdin is None else sys.stdin.buffer.read().decode("utf-8", "surrogateescape")


def load(folder: Path, sources: Sources, host: Host | None, *, make_key: bool = False) -> Loaded:
    """Load the stack; `make_key` makes the key for digests of secrets when the stack has some and there is none yet."""
    from herocloud.stack import loading
    from herocloud.state import secrets

    def load_with(key: bytes | None) -> Loaded:
        return loading.load(
            sources.files,
            host=host,
            variables=sources.variables,
            var_files=sources.var_files,
            environment=sources.environment,
            stdin=sources.stdin,
            secret_key=key,
            cache=caches.cache_folder(sources.environment),
        )

    key = secrets.load_key(folder, create=False)
    loaded = load_with(key)
    if make_key and key is None and loaded.uses_secrets and loaded.desired is not None:
        loaded = load_with(secrets.load_key(folder, create=True))
    return loaded


def has_key(folder: Path) -> bool:
    """Tell whether there is a key for digests of secrets."""
    from herocloud.state import secrets

    return secrets.load_key(folder, create=False) is not None
