"""Whether a file that nobody is to write (a kernel, an initramfs, a seed, a stored image) still holds what it held.

A stamp is what the file system says of a file, which a look compares in a microsecond, and a digest of what is in it, which is made only
where the file system says something else: a VM that starts changes the owner of its seed, and a copy that was put back has another inode.
What was read is kept beside the images, so that the next look does not read it again. Small files are read whole. Of large ones samples are
read, and so a new time of change counts there; `image verify` reads everything.
"""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import jsons
from herocloud.kits.jsons import Json

_WHOLE = 64 * 1024**2
"""Bytes up to which a file is read whole: kernels are smaller, and this takes a tenth of a second."""
_SAMPLES, _SAMPLE = 512, 8192
CACHE = "images/digests.json"


class Stamp(NamedTuple):
    """What a file was when it was stamped."""

    inode: int
    size: int
    modified: int
    changed: int
    digest: str

    def is_of(self, findings: os.stat_result) -> bool:
        """Return whether nothing at all happened to the file."""
        return self[:4] == (findings.st_ino, findings.st_size, findings.st_mtime_ns, findings.st_ctime_ns)


def stamp(path: Path) -> Stamp:
    """Stamp a file as it is now."""
    status = path.stat()
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, _digest(path, status.st_size))


def read(known: Json) -> Stamp | None:
    """Return a stamp out of a mark; marks of earlier versions have none."""
    return Stamp(*known) if known else None


class Stamps:
    """Compares files with their stamps, and remembers what it had to read."""

    def __init__(self, folder: Path) -> None:
        """Keep what is read below a data folder; nothing is opened before it is needed."""
        self._place = folder / CACHE
        self._known: dict[str, list[Json]] | None = None
        self._new: dict[str, list[Json]] = {}

    def judge(self, path: Path, known: Stamp | None) -> str:
        """Say what became of a file: `changed`, `gone`, or nothing."""
        try:
            status = path.stat()
        except OSError:
            return "gone"
        if known is None or known.is_of(status):
            return ""
        if status.st_size != known.size or (status.st_size > _WHOLE and status.st_mtime_ns != known.modified):
            return "changed"
        try:
            return "" if self._digest_of(path, status) == known.digest else "changed"
        except OSError:
            return "changed"

    def keep(self) -> None:
        """Write down what was read; a user who may not only pays again."""
        if not self._new:
            return
        draft = self._place.with_name(f".digests.{os.getpid()}.new")
        with contextlib.suppress(OSError):
            self._place.parent.mkdir(mode=0o711, exist_ok=True)
            draft.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(jsons.dumps({**(self._known or {}), **self._new}).encode())
            draft.replace(self._place)

    def _digest_of(self, path: Path, found: os.stat_result) -> str:
        if self._known is None:
            self._known = self._load()
        key = [found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size]
        said = self._new.get(str(path)) or self._known.get(str(path)) or []
        if said[:-1] == key:
            return str(said[-1])
        digest = _digest(path, found.st_size)
        self._new[str(path)] = [*key, digest]
        return digest

    def _load(self) -> dict[str, list[Json]]:
        try:
            kept = jsons.loads(self._place.read_bytes())
        except (OSError, ValueError):
            return {}
        # What is gone is forgotten, or the file would grow for ever.
        return (
            {path: said for path, said in kept.items() if isinstance(said, list) and Path(path).exists()} if isinstance(kept, dict) else {}
        )


def _digest(path: Path, size: int) -> str:
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb", buffering=0) as stream:
        if size <= _WHOLE:
            while piece := stream.read(1024**2):
                digest.update(piece)
        else:
            for number in range(_SAMPLES):
                stream.seek((size - _SAMPLE) * number // (_SAMPLES - 1))
                digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()
