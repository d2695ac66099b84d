"""The bytes of the stack files, of variable files and of the catalogue, and what is wrong with them as files."""

import os
import stat
from collections.abc import Sequence

from herocloud.kits.named_tuples import NamedTuple
from herocloud.kits.yaml.documents import MAX_BYTES
from herocloud.model.hosts import Host


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


VarFile = str | Source | Unusable
"""A variable file: its name, or what was read of it."""


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

    text = sys.stdin.read(MAX_BYTES + 1) if stdin is None else stdin
    return Source("<stdin>", os.getcwd(), text.encode("utf-8", "surrogateescape"))  # noqa: PTH109 - pathlib costs more than this whole module.


def read_source(name: str) -> Source | Unusable:
    """Read one file, at most one byte over the limit, so that `/dev/zero` ends too."""
    try:
        with open(name, "rb", opener=_open) as stream:
            content = _read_pipe(stream.fileno()) if stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode) else stream.read(MAX_BYTES + 1)
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


def _open(name: str, flags: int) -> int:
    """Open a file; a pipe without a writer must not be waited for yet."""
    descriptor = os.open(name, flags | os.O_NONBLOCK)
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.set_blocking(descriptor, True)
    return descriptor


def _read_pipe(descriptor: int) -> bytes:
    from herocloud.kits import pipes

    return pipes.read(descriptor, MAX_BYTES + 1)


def read_catalogue(host: Host | None) -> Source | Unusable | None:
    """Read the file of images that the host lends to every stack; nothing where it has none."""
    if host is None or host.image_catalogue is None:
        return None
    source = read_source(host.image_catalogue)
    if isinstance(source, Source):
        return source
    return source._replace(hint="write it, or take `images: {catalogue: …}` out of host.yaml")
