"""Unpacking what strangers packed: as a stream, with a bound on the memory that it takes.

What comes out is bounded by the reader of the stream, who knows how much of it there is. The memory is bounded here: the header of a file
chooses the size of its dictionary, and a hundred bytes may ask for four gigabytes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from herocloud.kits.sizes import show_size
from herocloud.model.errors import Permanent

_READ = 1024**2
_SMALLEST_WINDOW, _LARGEST_WINDOW = 10, 31
"""Powers of two that zstd accepts."""


def unpack(path: Path, how: str, memory: int) -> Iterator[bytes]:
    """Yield the content of a file compressed with zstd, xz or gzip; Permanent says when it is no such file or ends too early."""
    return _OPENERS[how](path, memory)


def _zstd(path: Path, memory: int) -> Iterator[bytes]:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from backports import zstd
        except ImportError as error:
            raise Permanent("`decompress: zstd` needs the Python package `backports.zstd`, which is not installed") from error
    window = min(max(memory.bit_length() - 1, _SMALLEST_WINDOW), _LARGEST_WINDOW)
    options = {zstd.DecompressionParameter.window_log_max: window}
    try:
        with zstd.open(path, "rb", options=options) as stream:
            yield from _read(stream)
    except zstd.ZstdError as error:
        if "memory" in str(error).lower():
            raise _greedy("zstd", memory) from error
        raise _unfit("zstd", str(error)) from error
    except EOFError as error:
        raise _unfit("zstd", "it ends too early") from error


def _gzip(path: Path, memory: int) -> Iterator[bytes]:  # noqa: ARG001  (its window has 32 KiB in any case)
    import gzip
    import zlib

    try:
        with gzip.open(path, "rb") as stream:
            yield from _read(stream)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise _unfit("gzip", str(error)) from error
    except EOFError as error:
        raise _unfit("gzip", "it ends too early") from error


def _read(stream: BinaryIO | Any) -> Iterator[bytes]:
    while data := stream.read(_READ):
        yield data


def _xz(path: Path, memory: int) -> Iterator[bytes]:
    """Read stream after stream, as the module's own reader does, which however takes no limit."""
    import lzma

    decompressor, begun, given = None, False, b""
    try:
        with path.open("rb") as stream:
            while True:
                if not given and (decompressor is None or decompressor.needs_input):
                    given = stream.read(_READ)
                    if not given:
                        break
                if decompressor is None:
                    # Between two streams there may be zeros, four at a time.
                    given = given.lstrip(b"\0") if begun else given
                    if not given:
                        continue
                    decompressor, begun = lzma.LZMADecompressor(memlimit=memory), True
                data = decompressor.decompress(given, _READ)
                given = decompressor.unused_data if decompressor.eof else b""
                if decompressor.eof:
                    decompressor = None
                if data:
                    yield data
    except lzma.LZMAError as error:
        if "Memory usage limit" in str(error):
            raise _greedy("xz", memory) from error
        raise _unfit("xz", str(error)) from error
    if decompressor is not None or not begun:
        raise _unfit("xz", "it ends too early")


def _greedy(how: str, memory: int) -> Permanent:
    return Permanent(
        f"unpacking the image takes more than {show_size(memory)} of memory: pack it again with a smaller dictionary (`{how} -6`), "
        "or raise `limits: unpack_memory` in host.yaml"
    )


def _unfit(how: str, why: str) -> Permanent:
    return Permanent(f"`decompress: {how}` does not fit the image: {why}")


_OPENERS: dict[str, Callable[[Path, int], Iterator[bytes]]] = {"zstd": _zstd, "xz": _xz, "gzip": _gzip}
