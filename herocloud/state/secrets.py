"""The key with which secrets are digested: state and plans hold a name and a keyed digest, so a change is seen and nothing leaks.

Without a key of its own, a digest of a weak password could be guessed from a plan file. The key never leaves the data folder.
"""

import os
from pathlib import Path

from herocloud.kits import faults, files
from herocloud.model.diagnostics import Diagnostic
from herocloud.model.errors import Refused
from herocloud.state import excluding, failing, layout

_LENGTH = 32


def load_key(folder: Path, *, create: bool) -> bytes | None:
    """Return the key; where there is none, make it, or return nothing when `create` is false."""
    path = folder / layout.KEY
    with failing.Guarded(path):
        key = _read(path)
        if key is None and create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with excluding.alone(folder):
                key = _read(path) or _make(path)
    return key


def _read(path: Path) -> bytes | None:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    if len(key) != _LENGTH:
        detail = (
            f"`{path}` holds {len(key)} bytes and not {_LENGTH}. Put it back from a backup; or remove it, and every secret will be taken "
            "for changed once."
        )
        raise Refused([Diagnostic("key-damaged", "The key for secrets is damaged", detail)])
    return key


def _make(path: Path) -> bytes:
    """Write a new key under another name first: half a key would be a damaged one."""
    key = os.urandom(_LENGTH)
    draft = path.with_name(path.name + ".new")
    faults.reached("state.key.before")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(key)
        stream.flush()
        os.fsync(stream.fileno())
    faults.reached("state.key.written")
    draft.rename(path)
    files.sync_folder(path.parent)
    return key
