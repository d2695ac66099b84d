"""Whether a file that nobody is to write (a kernel, an initramfs, a seed, a stored image) still holds what it held.

A stamp is what the file system says of a file, which a look compares in a microsecond, and a digest of what is in it, which is made only
where the file system says something else: a VM that starts changes the owner of its seed, and a copy that was put back has another inode.
What was read is kept beside the images, so that the next look does not read it again. Small files are read whole. Of large ones samples are
read, and so a new time of change counts there; `image verify` reads everything.
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import file_digests
from herocloud.kits.file_digests import KnownDigests
from herocloud.kits.jsons import Json
from herocloud.model.errors import Temporary

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
        self._digests = KnownDigests(folder / CACHE, _digest)

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
            return "" if self._digests.of(path, status) == known.digest else "changed"
        except OSError:
            return "changed"

    def keep(self) -> None:
        """Write down what was read."""
        self._digests.keep()


def whole(path: Path, stamped: Stamp) -> str:
    """Return the digest of all that was in a file when it was stamped."""
    if stamped.size <= _WHOLE:
        return stamped.digest
    digest = file_digests.of_file(path)
    if not stamped.is_of(path.stat()):
        raise Temporary(f"`{path}` changes while it is read")
    return digest


def _digest(path: Path, size: int) -> str:
    if size <= _WHOLE:
        return file_digests.of_file(path, size)
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb", buffering=0) as stream:
        for number in range(_SAMPLES):
            stream.seek((size - _SAMPLE) * number // (_SAMPLES - 1))
            digest.update(stream.read(_SAMPLE))
    return digest.hexdigest()
