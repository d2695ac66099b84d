"""What a program needs to see of the file system to be started: itself, its interpreter, and what lies beside them.

Programs of the host's own folders (`/usr` and the like) are seen by every VMM; this finds what those do not cover, such as a hypervisor
under `/opt` or in somebody's home.
"""

import os
import shutil
import sys
from pathlib import Path

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/gnu")
"""Folders that hold the host's programs; `jail` shows all of them."""
_LONGEST_LINE = 256
_MOST_LINKS = 40


def needed_by(program: str) -> list[Path]:
    """Return the folders that have to be seen for a program to start, without those that always are."""
    found: list[Path] = []
    for path in _chain(shutil.which(program) or program):
        found += [one for one in _around(path) if not _is_system(one) and one not in found]
    return found


def _chain(program: str) -> list[Path]:
    """Return a program and, when it is a script, its interpreter."""
    path = Path(program)
    chain = [path]
    try:
        with path.open("rb") as stream:
            line = stream.readline(_LONGEST_LINE)
    except OSError:
        return chain
    if line.startswith(b"#!"):
        words = os.fsdecode(line[2:]).split()
        if words and Path(words[0]).is_absolute() and words[0] != program:
            chain.append(Path(words[0]))
    return chain


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
    return any(path == Path(one) or Path(one) in path.parents for one in SYSTEM)
