"""Unpacking what was downloaded, as a stream of bytes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from herocloud.model.errors import Permanent

_READ = 1024**2


def unpack(path: Path, how: str) -> Iterator[bytes]:
    """Yield the content of a file compressed with zstd, xz or gzip; Permanent says when it is no such file or ends too early."""
    opened, failures = _OPENERS[how]()
    expected: tuple[type[Exception], ...] = (*failures, EOFError)
    try:
        with opened(path, "rb") as stream:
            while data := stream.read(_READ):
                yield data
    except expected as error:
        why = "it ends too early" if isinstance(error, EOFError) else str(error)
        raise Permanent(f"`decompress: {how}` does not fit the image: {why}") from error


def _zstd() -> tuple[Callable[..., Any], tuple[type[Exception], ...]]:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from backports import zstd
        except ImportError as error:
            raise Permanent("`decompress: zstd` needs the Python package `backports.zstd`, which is not installed") from error
    return zstd.open, (zstd.ZstdError,)


def _xz() -> tuple[Callable[..., Any], tuple[type[Exception], ...]]:
    import lzma

    return lzma.open, (lzma.LZMAError,)


def _gzip() -> tuple[Callable[..., Any], tuple[type[Exception], ...]]:
    import gzip
    import zlib

    return gzip.open, (gzip.BadGzipFile, zlib.error)


_OPENERS: dict[str, Callable[[], tuple[Callable[..., Any], tuple[type[Exception], ...]]]] = {"zstd": _zstd, "xz": _xz, "gzip": _gzip}
