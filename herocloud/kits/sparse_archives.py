"""One file that holds others, holes left out, with checksums: a tar archive that GNU tar unpacks too.

Members are written as sparse files in the pax format 1.0. The last member lists a SHA-256 for each, over its map and its data, so checking
costs what is stored and not what the holes span. The reader takes exactly what the writer makes and refuses everything else: an archive
may come from anywhere, and a link, a path that leads out or a disk of eight exabytes is an attack, not a feature that is missing.
"""

import errno
import hashlib
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from herocloud.kits import durable_files, jsons, plain_files

BLOCK = 512
_CHUNK = 4 * 1024**2
_SUMS = "checksums.json"
_MOST_SEGMENTS = 4_000_000
_MOST_MEMBERS = 256
_LARGEST_HEADER = 64 * 1024
_LARGEST_TEXT = 16 * 1024**2


class BadArchive(ValueError):
    """The file is not an archive of ours, is damaged, or holds what it may not."""


class Limits(NamedTuple):
    """What an archive may unpack to."""

    size: int
    """Bytes of all members, holes counted."""
    ratio: float
    """How many times larger than what is stored, beyond one GiB, a member may be."""


class Stored(NamedTuple):
    """A member as it lies in the archive."""

    name: str
    size: int
    """With its holes."""
    segments: tuple[tuple[int, int], ...]
    """Where its data belongs, and how much there is."""
    place: int
    """Where its data begins in the archive."""


Told = Callable[[int], None]
"""Hears how many bytes were moved."""


def write(path: Path, members: Sequence[tuple[str, Path | bytes]], told: Told = lambda _bytes: None) -> None:
    """Write an archive, under its name only when it is whole; FileExistsError when there is something of that name."""
    if path.exists() or path.is_symlink():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as target:
            sums = {name: _write_member(target, name, content, told) for name, content in members}
            _write_member(target, _SUMS, jsons.dumps(sums).encode(), told)
            target.write(bytes(2 * BLOCK))
            target.flush()
            os.fsync(target.fileno())
        # A link and not a rename: what came there meanwhile is somebody's.
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    durable_files.sync_folder(path.parent)


def _write_member(target: BinaryIO, name: str, content: Path | bytes, told: Told) -> str:
    if isinstance(content, bytes):
        return _put(target, name, len(content), ((0, len(content)),), iter((content,)), told)
    with content.open("rb", buffering=0) as source:
        size = os.fstat(source.fileno()).st_size
        segments = tuple(_data_of(source.fileno(), size))
        if size > (sum(segments[-1]) if segments else 0):
            # Without an end of its own, `tar` cuts the file off after its last data.
            segments = (*segments, (size, 0))
        return _put(target, name, size, segments, _read_segments(source.fileno(), segments), told)


def _data_of(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    offset = 0
    while offset < size:
        try:
            start = os.lseek(descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                break
            raise
        offset = min(size, os.lseek(descriptor, start, os.SEEK_HOLE))
        yield start, offset - start


def _read_segments(descriptor: int, segments: Sequence[tuple[int, int]], base: int | None = None) -> Iterator[bytes]:
    """Yield the data of segments: each from its own place, or one behind the other from `base` on."""
    place = base or 0
    for offset, length in segments:
        at = offset if base is None else place
        place += length
        end = at + length
        while at < end:
            data = os.pread(descriptor, min(_CHUNK, end - at), at)
            if not data:
                raise BadArchive("the file ends before its data does")
            at += len(data)
            yield data


def _put(target: BinaryIO, name: str, size: int, segments: Sequence[tuple[int, int]], chunks: Iterator[bytes], told: Told) -> str:
    mapping = _map_of(segments)
    stored = len(mapping) + sum(length for _, length in segments)
    info = tarfile.TarInfo(f"GNUSparseFile.0/{name}")
    info.size, info.mode = stored, 0o600
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": name,
        "GNU.sparse.realsize": str(size),
    }
    target.write(info.tobuf(tarfile.PAX_FORMAT))
    state = hashlib.sha256(f"{size}\n".encode() + mapping)
    target.write(mapping)
    for chunk in chunks:
        state.update(chunk)
        target.write(chunk)
        told(len(chunk))
    target.write(bytes(-stored % BLOCK))
    return state.hexdigest()


def _map_of(segments: Sequence[tuple[int, int]]) -> bytes:
    text = f"{len(segments)}\n" + "".join(f"{offset}\n{length}\n" for offset, length in segments)
    return text.encode() + bytes(-len(text) % BLOCK)


class Archive:
    """An archive that is read. Nothing in it is trusted before `check` has read all of it."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Read what is in it, and refuse what may not be; its data is not looked at yet."""
        self._file = plain_files.open_unbuffered(path)
        try:
            self.members = _look_into(self._file.fileno(), limits)
        except BaseException:
            self._file.close()
            raise

    def text(self, name: str) -> bytes:
        """Return a small member whole."""
        stored = self.members.get(name)
        if stored is None:
            raise BadArchive(f"`{name}` is missing")
        if stored.size > _LARGEST_TEXT or stored.segments != ((0, stored.size),):
            raise BadArchive(f"`{name}` is too large, or has holes")
        return b"".join(_read_segments(self._file.fileno(), stored.segments, stored.place))

    def unpack(self, name: str, target: Path, told: Told = lambda _bytes: None) -> None:
        """Write a member with its holes to a file that must not exist, checking it on the way; a file that is wrong is removed again."""
        stored = self.members[name]
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            state, at = _begin_sum(stored), iter(stored.segments)
            offset, left = next(at, (0, 0))
            for data in _read_segments(self._file.fileno(), stored.segments, stored.place):
                state.update(data)
                told(len(data))
                rest = memoryview(data)
                while rest:
                    if not left:
                        offset, left = next(at)
                        continue
                    written = os.pwrite(descriptor, rest[:left], offset)
                    rest, offset, left = rest[written:], offset + written, left - written
            os.ftruncate(descriptor, stored.size)
            os.fsync(descriptor)
            self._compare(name, state.hexdigest())
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)

    def check_text(self, name: str) -> bytes:
        """Return a small member whole, once its checksum is right."""
        stored, content = self.members.get(name), self.text(name)
        assert stored is not None  # noqa: S101  (`text` refuses what is missing)
        state = _begin_sum(stored)
        state.update(content)
        self._compare(name, state.hexdigest())
        return content

    def _compare(self, name: str, found: str) -> None:
        try:
            sums = jsons.loads(self.text(_SUMS))
            said = sums[name]
        except (ValueError, KeyError, TypeError):
            raise BadArchive(f"it has no checksum for `{name}`") from None
        if said != found:
            raise BadArchive(f"`{name}` is damaged: its checksum is not the one that the archive says")

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _begin_sum(stored: Stored) -> "hashlib._Hash":
    return hashlib.sha256(f"{stored.size}\n".encode() + _map_of(stored.segments))


def _look_into(descriptor: int, limits: Limits) -> Mapping[str, Stored]:
    if os.fstat(descriptor).st_size % BLOCK:
        raise BadArchive("it is not an archive of herocloud, or it was cut off")
    scanned = list(_scan(descriptor))
    members = {member.name: member for member in scanned}
    if len(members) < len(scanned):
        raise BadArchive("a member is in it twice")
    if scanned[-1:] != [members.get(_SUMS)]:
        raise BadArchive("its checksums are missing: it was cut off, or is not an archive of herocloud")
    _refuse_too_large(scanned, limits)
    return members


def _refuse_too_large(entries: Sequence[Stored], limits: Limits) -> None:
    total = sum(one.size for one in entries)
    if total > limits.size:
        raise BadArchive(f"it unpacks to {total} bytes, and {limits.size} are allowed")
    for entry in entries:
        data = sum(length for _, length in entry.segments)
        if entry.size > limits.ratio * (data + 1024**3):
            raise BadArchive(f"`{entry.name}` unpacks to {entry.size} bytes and holds {data}: more than {limits.ratio:g} times as much")


def _scan(descriptor: int) -> Iterator[Stored]:
    """Yield the members, reading headers and maps alone."""
    place, end = 0, os.fstat(descriptor).st_size
    for _ in range(_MOST_MEMBERS):
        header = os.pread(descriptor, BLOCK, place)
        if len(header) < BLOCK or not header.strip(b"\0"):
            return
        info = _header(header)
        if info.type != b"x" or not 0 < info.size <= _LARGEST_HEADER:
            raise BadArchive("it may hold files only; links, folders and devices are refused")
        records = _records(os.pread(descriptor, info.size, place + BLOCK))
        place += BLOCK + _rounded(info.size)
        inner = _header(os.pread(descriptor, BLOCK, place))
        if inner.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or inner.linkname:
            raise BadArchive("it may hold files only; links, folders and devices are refused")
        place += BLOCK
        # A size that tar's own field cannot hold stands in the records.
        size = _number(records.get("size", str(inner.size)))
        if size < 0 or place + size > end:
            raise BadArchive("it ends before its data does")
        yield _member(descriptor, records, place, size)
        place += _rounded(size)
    raise BadArchive(f"it has more than {_MOST_MEMBERS} members")


def _member(descriptor: int, records: Mapping[str, str], place: int, stored: int) -> Stored:
    name = records.get("GNU.sparse.name", "")
    if (records.get("GNU.sparse.major"), records.get("GNU.sparse.minor")) != ("1", "0"):
        raise BadArchive("it is not an archive of herocloud")
    if not name.isascii() or not name.isprintable() or "/" in name or name.startswith(".") or not name:
        raise BadArchive(f"a member has the name {name!r}, which could lead out of its folder")
    size, segments, length = _number(records.get("GNU.sparse.realsize", "")), [], 0
    lines = _lines(descriptor, place, stored)
    count = next(lines)
    if not 0 <= count <= _MOST_SEGMENTS:
        raise BadArchive(f"the map of `{name}` is damaged")
    last = 0
    for _ in range(count):
        offset, amount = next(lines), next(lines)
        if offset < last or amount < 0 or offset + amount > size:
            raise BadArchive(f"the map of `{name}` is damaged")
        last = offset + amount
        segments.append((offset, amount))
        length += amount
    mapped = len(_map_of(segments))
    if mapped + length != stored:
        raise BadArchive(f"the map of `{name}` is not that of its data")
    return Stored(name, size, tuple(segments), place + mapped)


def _lines(descriptor: int, place: int, stored: int) -> Iterator[int]:
    """Yield the numbers of a map."""
    rest, at, end = b"", place, place + stored
    while True:
        line, found, after = rest.partition(b"\n")
        if found:
            rest = after
            yield _number(line.decode("ascii", "replace"))
            continue
        data = os.pread(descriptor, min(64 * 1024, end - at), at)
        if not data or len(rest) > BLOCK:
            raise BadArchive("a map of data has no end")
        rest, at = rest + data, at + len(data)


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeError, ValueError):
        raise BadArchive("it is not an archive of herocloud, or it is damaged") from None


def _records(content: bytes) -> dict[str, str]:
    """Read the records of a pax header: each begins with its own length."""
    records: dict[str, str] = {}
    while content:
        length, blank, _ = content.partition(b" ")
        number = _number(length.decode("ascii", "replace"))
        record = content[:number]
        key, equals, value = record[len(length) + 1 : -1].partition(b"=")
        if not blank or not equals or number < len(length) + 4 or number > len(content) or record[-1:] != b"\n":
            raise BadArchive("a header is damaged")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        content = content[number:]
    return records


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise BadArchive("a number in it is damaged")
    return int(text)


def _rounded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
