"""How much data a qcow2 holds: the entries of its tables, counted.

`qemu-img measure` gives the size of the whole disk for a raw target, and a plan could not call it at all: it would have to hand over a file
that is not ours. Nothing but numbers is read here, and only so many. Tables that lie are refused when the image is converted.
"""

import struct
import sys
from array import array
from pathlib import Path
from typing import BinaryIO

_HEADER = struct.Struct(">4sIQIIQIIQ")
"""Magic, version, backing file and the length of its name, bits of a cluster, size of the disk, encryption, the first table."""
_PLACE = 0x00FF_FFFF_FFFF_FE00
_EXTENDED = 1 << 4
"""A flag: entries of the second tables have 16 bytes."""
_MOST_TABLES = 512
"""Tables that are read: with clusters of the usual size they describe 256 GiB, in 32 MiB."""


def data_in(path: Path) -> int:
    """Add up the clusters of a qcow2 that hold data."""
    with path.open("rb") as stream:
        _, version, _, _, bits, size, _, length, place = _HEADER.unpack(stream.read(_HEADER.size))
        if version not in (2, 3) or not 9 <= bits <= 21 or length > _MOST_TABLES:
            return int(size)
        cluster = 1 << bits
        extended = version == 3 and any(flags & _EXTENDED for flags in _entries(stream, 72, 1))
        used = 0
        for entry in _entries(stream, place, length):
            if table := entry & _PLACE:
                inner = _entries(stream, table, cluster // 8)
                held = inner[::2] if extended else inner
                used += len(held) - held.count(0) - held.count(1)
        return min(int(size), int(used * cluster))


def _entries(stream: BinaryIO, place: int, count: int) -> "array[int]":
    stream.seek(place)
    entries = array("Q")
    found = stream.read(count * 8)
    entries.frombytes(found[: len(found) // 8 * 8])
    if sys.byteorder == "little":
        entries.byteswap()
    return entries
