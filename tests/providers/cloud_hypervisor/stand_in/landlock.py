"""What the program may open once a VM was given to it: each list narrows those before it, and none is ever taken away."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_CONSOLES = ("serial", "console")
_applied: list[dict[tuple[int, int], set[str]]] = []
"""By file or folder itself: another one of the same name has no rule."""


def apply(config: dict[str, Any]) -> None:
    """Keep the process from everything that neither the devices nor the rules of a configuration name."""
    if config["landlock_enable"]:
        rules: dict[tuple[int, int], set[str]] = {}
        for path, access in _named(config):
            # What is not there gets no rule; the program says nothing of it.
            if os.path.exists(path):
                rules.setdefault(_node(path), set()).update(access)
        _applied.append(rules)


def require(path: str, access: str = "r") -> None:
    """Raise what the kernel answers when a file or folder may not be opened this way."""
    real = Path(os.path.realpath(path))
    nodes = [_node(str(one)) for one in (real, *real.parents) if one.exists()]
    for rules in _applied:
        if not set(access) <= set().union(*(rules.get(node, set()) for node in nodes)):
            raise PermissionError(errno.EACCES, "Permission denied", path)


def _node(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _named(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from ((disk["path"], "rw") for disk in config.get("disks") or () if disk["path"])
    yield config["rng"]["src"], "r"
    yield from ((share["socket"], "rw") for share in config.get("fs") or ())
    for console in _CONSOLES:
        yield from ((config[console][field], "rw") for field in ("file", "socket") if config[console][field])
    if config.get("vsock"):
        yield os.path.dirname(config["vsock"]["socket"]), "w"
    yield from ((path, "r") for path in (config.get("payload") or {}).values() if path and os.path.isabs(path))
    if config.get("net"):
        yield "/dev/net/tun", "rw"
    yield from ((rule["path"], rule["access"]) for rule in config.get("landlock_rules") or ())
