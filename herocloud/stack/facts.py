"""What a stack takes from outside its files: the host's facts, user data, secrets.

A cached load looks at them again, so this module loads nothing heavy.
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from typing import Any

from herocloud.model.hosts import Host

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
    return True, None if key is None else hashlib.blake2b(value, key=key, digest_size=16).hexdigest()
