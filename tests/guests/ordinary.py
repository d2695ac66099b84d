"""Running commands as a user without rights, also where the tests run as root and the program lies in root's own folder.

Whoever runs the tests as root often has Python below /root, where nobody else may look. In a mount namespace of the command's own, such
folders are put into an open one; nothing of it is seen outside.
"""

import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

USER = 65534
"""`nobody`, who owns nothing."""


def prefix(staging: Path, wanted: Iterable[Path]) -> list[str]:
    """Return the words that run a command as an ordinary user who can reach these folders."""
    if os.geteuid() != 0:
        return []
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--inh-caps=-all"]
    script = [*_open_up(staging, wanted), f'exec {shlex.join(drop)} -- "$@"']
    return ["unshare", "--mount", "sh", "-ec", "\n".join(script), "sh"]


def folders() -> list[Path]:
    """Return what has to be reached to run herocloud: the interpreter, its packages, the checkout."""
    return [Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), Path(__file__).resolve().parents[2]]


def _open_up(staging: Path, wanted: Iterable[Path]) -> list[str]:
    """Return the commands that put folders behind closed doors where they can be reached."""
    closed: dict[Path, list[Path]] = {}
    for folder in wanted:
        door = next((one for one in reversed(folder.parents) if not one.stat().st_mode & 0o001), None)
        if door is not None and not any(folder.is_relative_to(known) for known in closed.get(door, ())):
            closed.setdefault(door, []).append(folder)
    before, after = [], []
    for door, behind in closed.items():
        after.append(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(door))}")
        for number, folder in enumerate(behind):
            place, kept = shlex.quote(str(folder)), shlex.quote(str(staging / f"{door.name}-{number}"))
            before.append(f"mkdir -p {kept} && mount --bind {place} {kept}")
            after.append(f"mkdir -p {place} && mount --bind {kept} {place}")
    return [*before, *after]
