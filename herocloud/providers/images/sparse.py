"""Writing images so that what is only zeros takes no room.

Images of ten gigabytes mostly hold nothing. A block of zeros is skipped instead of written, so that the stored content, and every disk
copied from it, takes what it holds. Blocks are 64 KiB: smaller ones would find a little more, and cost Python a call for each.
"""

import os

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
        del self._buffer[:length]
        self._offset += length
        # A hole at the end has to be told, so that whoever goes on after a crash knows how far this came.
        os.ftruncate(self._file, self._offset)

    def _is_zero(self, begin: int, end: int) -> bool:
        # This compares memory in one go, where comparing views walks byte by byte.
        return self._buffer.startswith(_BLOCK if end - begin == BLOCK else bytes(end - begin), begin)


def _write_all(descriptor: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written
