"""Digests of whole files, and a memory of those that were read already.

A file whose inode, size and times are what they were has not been written to, whatever name it goes by, so it is read once.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from herocloud.kits import jsons
from herocloud.kits.jsons import Json

_PIECE = 1024**2


def of_file(path: Path, size: int | None = None) -> str:
    """Return the digest of what is in a file."""
    with path.open("rb", buffering=0) as stream:
        digest = _begin(os.fstat(stream.fileno()).st_size if size is None else size)
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def copy(source: Path, target: int) -> str:
    """Copy a file into an open one, and return the digest of what was copied."""
    with source.open("rb", buffering=0) as stream:
        digest = _begin(os.fstat(stream.fileno()).st_size)
        while piece := stream.read(_PIECE):
            digest.update(piece)
            view = memoryview(piece)
            while view:
                view = view[os.write(target, view) :]
    return digest.hexdigest()


class KnownDigests:
    """Digests of files that were read before, kept in a small file beside them."""

    def __init__(self, place: Path, digest: Callable[[Path, int], str] = of_file) -> None:
        """Keep them at a place; nothing is opened before it is needed."""
        self._place, self._digest = place, digest
        self._known: dict[str, list[Json]] | None = None
        self._by_file: dict[tuple[Json, ...], str] = {}
        self._new: dict[str, list[Json]] = {}

    def of(self, path: Path, status: os.stat_result) -> str:
        """Return the digest of a file; `status` is what the file system says of it."""
        if self._known is None:
            self._known = self._load()
            self._by_file = {tuple(said[:-1]): str(said[-1]) for said in self._known.values()}
        key = [status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size]
        digest = self._by_file.get(tuple(key))
        if digest is None:
            digest = self._by_file[tuple(key)] = self._digest(path, status.st_size)
        if self._known.get(str(path)) != [*key, digest]:
            self._known[str(path)] = self._new[str(path)] = [*key, digest]
        return digest

    def keep(self) -> None:
        """Write down what was read; a user who may not only pays again."""
        if not self._new:
            return
        draft = self._place.with_name(f".{self._place.stem}.{os.getpid()}.new")
        with contextlib.suppress(OSError):
            self._place.parent.mkdir(mode=0o711, exist_ok=True)
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(jsons.dumps(self._known).encode())
            draft.replace(self._place)
        self._new = {}

    def _load(self) -> dict[str, list[Json]]:
        try:
            kept = jsons.loads(self._place.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict):
            return {}
        # What is gone is forgotten, or the file would grow for ever.
        return {path: said for path, said in kept.items() if isinstance(said, list) and said and Path(path).exists()}


def _begin(size: int) -> hashlib.blake2b:
    return hashlib.blake2b(str(size).encode(), digest_size=16)
