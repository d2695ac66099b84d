"""The archive that a kernel unpacks as its first file system: cpio in the `newc` form, written without a program.

Everything that could differ between two runs is fixed (times, owners, numbers of files), so that the same packages give the same bytes.
"""

import gzip
import io
from collections.abc import Iterable
from typing import NamedTuple

_FILE, _FOLDER, _LINK, _DEVICE = 0o100000, 0o040000, 0o120000, 0o020000


class Member(NamedTuple):
    """One thing in an archive."""

    name: str
    mode: int
    """Kind and permissions, as the file system has them."""
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


def file(name: str, content: bytes, mode: int = 0o644) -> Member:
    """Return a plain file."""
    return Member(name, _FILE | mode, content)


def folder(name: str, mode: int = 0o755) -> Member:
    """Return a folder."""
    return Member(name, _FOLDER | mode)


def link(name: str, target: str) -> Member:
    """Return a symbolic link."""
    return Member(name, _LINK | 0o777, target.encode())


def device(name: str, major: int, minor: int, mode: int = 0o600) -> Member:
    """Return a character device."""
    return Member(name, _DEVICE | mode, device=(major, minor))


def pack(members: Iterable[Member]) -> bytes:
    """Return the archive, compressed; folders have to come before what is in them."""
    out = io.BytesIO()
    # No file name and no time in the header, so that equal contents make equal archives.
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9, mtime=0, filename="") as stream:
        for number, member in enumerate([*members, Member("TRAILER!!!", 0)], start=1):
            stream.write(_entry(number, member))
    return out.getvalue()


def _entry(number: int, member: Member) -> bytes:
    name = member.name.encode() + b"\0"
    links = 2 if member.mode & _FOLDER == _FOLDER and not member.mode & _FILE & ~_FOLDER else 1
    fields = (number, member.mode, 0, 0, links, 0, len(member.content), 0, 0, *member.device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _filled(header) + _filled(member.content)


def _filled(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
