"""What a load takes from outside: the bytes of the stack files, facts of the host, user data, secrets.

The bytes of the stack files, and what is wrong with them as files.

A load from the cache ends here, so this module knows nothing of YAML.

What a stack takes from outside its files: the host's facts, user data, secrets.

A cached load looks at them again, so this module loads nothing heavy.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from herocloud.kits import jsons
from herocloud.model.hosts import Host

MAX_BYTES = 16 * 1024**2


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

    text = sys.stdin.read(MAX_BYTES + 1) if stdin is None else stdin
    return Source("<stdin>", os.getcwd(), text.encode("utf-8", "surrogateescape"))  # noqa: PTH109 - pathlib costs more than this whole module.


def read_source(name: str) -> Source | Unusable:
    """Read one file, at most one byte over the limit, so that `/dev/zero` ends too."""
    try:
        with open(name, "rb") as stream:  # noqa: PTH123 - as above.
            content = stream.read(MAX_BYTES + 1)
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


def read_catalogue(host: Host | None) -> Source | Unusable | None:
    """Read the file of images that the host lends to every stack; nothing where it has none."""
    if host is None or host.image_catalogue is None:
        return None
    found = read_source(host.image_catalogue)
    if isinstance(found, Source):
        return found
    return found._replace(hint="write it, or take `images: {catalogue: …}` out of host.yaml")


MAX_USER_DATA = 1024**2
MAX_SECRET = 64 * 1024


def host_value(host: Host, name: str) -> Any:
    """Return what `host.NAME` stands for; memory and disk are texts, so that they fit wherever a size does."""
    if name == "slices":
        return len(host.slices)
    if name in {"memory", "disk"}:
        from herocloud.kits import sizes

        return sizes.format_size(host.memory if name == "memory" else host.disk)
    return host.name if name == "name" else host.cpus


def read_file(path: str, limit: int) -> bytes | str:
    """Return the content of a file, or what is wrong with it; only plain files are opened, because a pipe may never end."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - texts in, as everywhere in this package.
            return "it is no plain file"
        with open(path, "rb") as stream:  # noqa: PTH123
            content = stream.read(limit + 1)
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return (error.strerror if isinstance(error, OSError) else None) or str(error)
    return content if len(content) <= limit else f"it is larger than {limit // 1024} KiB"


def look_at_secret(kind: str, name: str, environment: Mapping[str, str], key: bytes | None) -> tuple[bool, str | None]:
    """Tell whether a secret can be read, and its keyed digest; the value itself goes nowhere."""
    value: bytes | str | None
    if kind == "env":
        text = environment.get(name)
        value = None if text is None else text.encode("utf-8", "surrogateescape")
    else:
        value = read_file(name, MAX_SECRET)
    if not isinstance(value, bytes):
        return False, None
    return True, None if key is None else jsons.blake2b(value, key=key, digest_size=16).hexdigest()
