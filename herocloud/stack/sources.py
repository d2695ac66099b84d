"""The texts of the stack files, and what is wrong with them as files."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from herocloud.stack import reading


class Source(NamedTuple):
    """One file that was read."""

    name: str
    """As the user wrote it; `<stdin>` for `-`."""
    folder: str
    """Absolute; relative paths in the file start here."""
    content: bytes


class Unusable(NamedTuple):
    """One file that was not."""

    name: str
    code: str
    detail: str
    hint: str | None


def read_sources(files: Sequence[str], stdin: str | None) -> tuple[list[Source], list[Unusable]]:
    """Read all files; a file that cannot be read does not keep the others from being looked at."""
    sources: list[Source] = []
    unusable: list[Unusable] = []
    for name in files:
        found = _read_stdin(stdin) if name == "-" else read_source(name)
        if isinstance(found, Source):
            sources.append(found)
        else:
            unusable.append(found)
    return sources, unusable


def _read_stdin(stdin: str | None) -> Source:
    import sys

    text = sys.stdin.read(reading.MAX_BYTES + 1) if stdin is None else stdin
    return Source("<stdin>", os.getcwd(), text.encode("utf-8", "surrogateescape"))  # noqa: PTH109 - pathlib costs more than this whole module.


def read_source(name: str) -> Source | Unusable:
    """Read one file, at most one byte over the limit, so that `/dev/zero` ends too."""
    try:
        with open(name, "rb") as stream:  # noqa: PTH123 - as above.
            content = stream.read(reading.MAX_BYTES + 1)
    except FileNotFoundError:
        return Unusable(
            name, "file-missing", f"There is no file `{name}`.", "name the file with `-f`, or write a first one with `herocloud init`"
        )
    except IsADirectoryError:
        return Unusable(name, "file-missing", f"`{name}` is a folder.", "name the file itself")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Unusable(name, "file-missing", f"`{name}` cannot be read: {reason}.", None)
    return Source(name, os.path.dirname(os.path.abspath(name)), content)  # noqa: PTH100, PTH120 - as above.


def decode(content: bytes) -> str:
    """Return the text of a file; raises `reading.Unreadable` when it is too long, empty or not UTF-8."""
    if len(content) > reading.MAX_BYTES:
        raise reading.Unreadable("yaml-limit", "The file is larger than 16 MiB.", None, None, "split the stack into several files")
    for signature, encoding in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\xef\xbb\xbf", "UTF-8")):
        if content.startswith(signature):
            detail = f"The file begins with a byte order mark of {encoding}."
            raise reading.Unreadable("yaml-encoding", detail, reading.START, None, "save it as UTF-8 without a byte order mark")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line = before.count("\n")
        mark = reading.Mark(line, len(before) - before.rfind("\n") - 1)
        detail = f"The byte 0x{content[error.start]:02X} is not UTF-8."
        raise reading.Unreadable("yaml-encoding", detail, mark, None, "save the file as UTF-8") from None
    if not text.strip():
        raise reading.Unreadable("yaml-empty", "The file holds nothing.", reading.START, None, "write a first one with `herocloud init`")
    return text
