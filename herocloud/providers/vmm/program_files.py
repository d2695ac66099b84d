"""What a program needs to see of the file system to be started: itself, its interpreter, and what lies beside them.

Programs of the host's own folders (`/usr` and the like) are seen by every VMM; this finds what those do not cover, such as a hypervisor
under `/opt` or in somebody's home.
"""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu")
"""Folders that hold the host's programs; `jail` shows all of them."""
_BEGINNINGS = tuple(f"{one}/" for one in SYSTEM)
_LONGEST_SCRIPT = 64 * 1024
_MOST_LINKS = 40


class _Known(NamedTuple):
    """What was found out about a program, which is the same for every VM until one of its files is another one."""

    chain: Sequence[Path]
    stamps: Sequence[tuple[int, ...]]
    folders: Sequence[Path]


_known: dict[str, _Known] = {}


def needed_by(program: str) -> list[Path]:
    """Return the folders that have to be seen for a program to start, without those that always are."""
    whole = shutil.which(program) or program
    known = _known.get(whole)
    if known is None or known.stamps != [_stamp(path) for path in known.chain]:
        # Looked at before it is read: one that changes meanwhile is read again the next time.
        first = _stamp(Path(whole))
        chain = _chain(whole)
        stamps = [first, *(_stamp(path) for path in chain[1:])]
        paths: list[Path] = []
        for path in chain:
            paths += [one for one in _around(path) if not _is_system(one) and one not in paths]
        known = _known[whole] = _Known(chain, stamps, paths)
    return list(known.folders)


def _stamp(path: Path) -> tuple[int, ...]:
    """Tell a file from another one that lies at the same path later."""
    try:
        status = os.stat(path)  # noqa: PTH116  (a path that is there already)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def _chain(program: str) -> list[Path]:
    """Return a program and, when it is a script, its interpreter and the programs that it names: a wrapper becomes one of them."""
    chain = [Path(program)]
    for path in chain:
        chain += [one for one in _named_by(path) if one not in chain][: _MOST_LINKS - len(chain)]
    return chain


def _named_by(script: Path) -> list[Path]:
    try:
        with script.open("rb") as stream:
            text = stream.read(_LONGEST_SCRIPT) if stream.peek(2).startswith(b"#!") else b""
    except OSError:
        return []
    words = {Path(word) for word in re.findall(r"/[\w./+-]+", os.fsdecode(text))}
    return sorted(word for word in words if word.is_file() and os.access(word, os.X_OK))


def _around(path: Path) -> list[Path]:
    """Return the folder of a program, under the name it is called by and under its real one; of a Python also what it is installed in."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100  (links stay)
    if whole == Path(os.path.abspath(sys.executable)):  # noqa: PTH100
        return [Path(sys.prefix), Path(sys.base_prefix)]
    folders = [whole.parent]
    for _ in range(_MOST_LINKS):
        if not whole.is_symlink():
            break
        whole = Path(os.path.abspath(whole.parent / whole.readlink()))  # noqa: PTH100
        folders.append(whole.parent)
    return list(dict.fromkeys([*folders, whole.resolve().parent]))


def _is_system(path: Path) -> bool:
    return f"{path}/".startswith(_BEGINNINGS)
