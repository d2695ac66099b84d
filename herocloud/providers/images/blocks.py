"""Large files by blocks: written so that zeros take no room, and checksums that do not care about them.

Images of ten gigabytes mostly hold nothing. A block of zeros is skipped instead of written, so that the stored content, and every disk
copied from it, takes what it holds. Blocks are 64 KiB: smaller ones would find a little more, and cost Python a call for each.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from herocloud.model.errors import Temporary

BLOCK = 64 * 1024
_GATHER = 16 * BLOCK
_BLOCK = bytes(BLOCK)


class SparseWriter:
    """Appends bytes to an open file, leaving holes for blocks of zeros."""

    def __init__(self, descriptor: int, offset: int = 0) -> None:
        """Go on at `offset`; whatever the file holds behind it is cut off."""
        os.ftruncate(descriptor, offset)
        self._file = descriptor
        self._buffer = bytearray()
        self._offset = offset
        """Where the buffer begins in the file."""

    @property
    def position(self) -> int:
        """Return how many bytes were given, those before the start included."""
        return self._offset + len(self._buffer)

    def write(self, data: bytes) -> None:
        """Append; it reaches the file by whole blocks."""
        self._buffer += data
        if len(self._buffer) >= _GATHER:
            self._flush(len(self._buffer) - (self._offset + len(self._buffer)) % BLOCK)

    def finish(self) -> int:
        """Write what is left, and give the file its length; returns it. Making it durable is the caller's."""
        self._flush(len(self._buffer))
        return self._offset

    def _flush(self, length: int) -> None:
        """Write the first bytes of the buffer, in runs of blocks that are not all zero."""
        with memoryview(self._buffer) as view:
            begin = 0
            while begin < length:
                end = min(length, begin + BLOCK - (self._offset + begin) % BLOCK)
                if self._is_zero(begin, end):
                    begin = end
                    continue
                run = end
                while run < length:
                    after = min(length, run + BLOCK)
                    if self._is_zero(run, after):
                        break
                    run = after
                _write_all(self._file, view[begin:run], self._offset + begin)
                begin = run
        # Another buffer instead of a shorter one: an interrupt that is on its way out still holds views of this. And both at once, so that
        # the process that finishes after an interrupt writes the rest to its place.
        rest = self._buffer[length:]
        self._buffer, self._offset = rest, self._offset + length
        # A hole at the end has to be recorded, so that a resume after a crash knows how far this came.
        os.ftruncate(self._file, self._offset)

    def _is_zero(self, begin: int, end: int) -> bool:
        # This compares memory in one go, where comparing views walks byte by byte.
        return self._buffer.startswith(_BLOCK if end - begin == BLOCK else bytes(end - begin), begin)


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


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
