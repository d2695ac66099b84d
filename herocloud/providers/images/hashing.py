"""Checksums of large files."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from herocloud.model.errors import Temporary
from herocloud.providers.images.sparse import BLOCK

_READ = 1024**2


def sha256_of(path: Path, cancelled: Callable[[], bool] = lambda: False) -> str:
    """Return the SHA-256 of a file, as `sha256sum` prints it."""
    state = hashlib.sha256()
    buffer = bytearray(_READ)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as stream:
        while length := stream.readinto(buffer):
            if cancelled():
                raise Temporary("the check of an image was cancelled")
            state.update(view[:length])
    return state.hexdigest()


def fingerprint_of(path: Path, cancelled: Callable[[], bool] = lambda: False) -> str:
    """Return a checksum over the blocks of a file that are not all zero, each with its place.

    The same content has the same fingerprint whether zeros are stored or left out, and a disk of ten gigabytes that holds one costs one.
    """
    state = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        state.update(size.to_bytes(8, "big"))
        offset = 0
        while offset < size:
            try:
                data = os.lseek(descriptor, offset, os.SEEK_DATA)
            except OSError:
                # Nothing but a hole is left.
                break
            # A file system leaves out smaller blocks than ours, so both ends are widened to ours.
            end = -(-os.lseek(descriptor, data, os.SEEK_HOLE) // BLOCK) * BLOCK
            offset = data // BLOCK * BLOCK
            while offset < end and (content := os.pread(descriptor, min(_READ, end - offset), offset)):
                if cancelled():
                    raise Temporary("the check of an image was cancelled")
                _add_blocks(state, content, offset)
                offset += len(content)
            offset = end
    finally:
        os.close(descriptor)
    return state.hexdigest()


def _add_blocks(state: "hashlib._Hash", content: bytes, offset: int) -> None:
    zeros = bytes(BLOCK)
    for begin in range(0, len(content), BLOCK):
        block = content[begin : begin + BLOCK]
        if block != zeros[: len(block)]:
            state.update((offset + begin).to_bytes(8, "big"))
            state.update(block)
