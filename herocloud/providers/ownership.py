"""Whose a VM's folder is: `vms/<sid>/owner.json`, which the providers that keep something in that folder share.

A VM has parts of several providers, and its rename is one step of one of them. So the name is written down once, where all look; a name
in the mark of every part would have to be changed by every provider at once, which a crash would tear apart. Parts of one VM are made at
the same time, so a writer or remover of the name holds a lock on the folder itself, which needs no file of its own.

Somebody may remove or change the file. The state knows the VM by its sid, which is the name of the folder, so a look that is given what
the state knows (`Memory`) still tells whose the folder is, and an apply writes the file again.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons, plain_files
from herocloud.model.errors import Permanent
from herocloud.providers import recollections
from herocloud.providers.recollections import Memory

FILE = "owner.json"
GONE = "gone"
_MOST_BYTES = 64 * 1024
_DRAFT_OF_MARK = ".mark.new"
_OURS = frozenset({FILE, f".{FILE}.new"})


class Owner(NamedTuple):
    """Who owns what lies in a folder."""

    stack: str
    address: str
    lineage: str


class Damaged(Permanent):
    """The file that says whose a folder is cannot be read, or holds something else."""


def read_owner(folder: Path) -> Owner | None:
    """Return whose the folder of a VM is; nothing when nobody said. Raises Damaged for a file that says something else."""
    path = folder / FILE
    try:
        said = jsons.loads(plain_files.read(path, _MOST_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (plain_files.NotPlain, IsADirectoryError, ValueError):
        said = None
    texts = [text for field in Owner._fields if isinstance(text := said.get(field), str) and text] if isinstance(said, dict) else []
    if len(texts) < len(Owner._fields):
        raise Damaged(f"`{path}` is damaged, so nobody can tell whose VM this is; restore it from a backup")
    return Owner(*texts)


def find_owner(folder: Path, memory: Memory = recollections.NOTHING) -> tuple[Owner | None, str]:
    """Return whose the folder of a VM is, and what is wrong with the file that says so.

    The state is believed about a VM that it knows. The file of one that another state made is wrong too: who adopts it writes it again.
    """
    flaw = ""
    try:
        said = read_owner(folder)
    except Damaged:
        said, flaw = None, unreadable(folder / FILE)
    remembered = memory.of_sid(folder.name)
    if remembered is None:
        return said, _name(said) if said is not None and memory.is_foreign(said.lineage) else ""
    known = Owner(remembered.stack, remembered.address, remembered.lineage)
    if said is not None and not _is_of_another(folder, said, known, memory):
        return said, ""
    if said is not None:
        flaw = _name(said)
    return known, flaw or GONE


def _name(owner: Owner) -> str:
    return f"`{owner.address}` of stack `{owner.stack}`, state {owner.lineage}"


def unreadable(path: Path) -> str:
    """Say that a file cannot be read, for the look at what it is about."""
    return f"unreadable, {path}"


def _is_of_another(folder: Path, said: Owner, known: Owner, memory: Memory) -> bool:
    """Return whether a folder says that it is of a VM which it cannot be: that of another stack or state, or one that has its folder.

    Another address alone is a rename that was made, and whose answer got lost.
    """
    if (said.stack, said.lineage) != (known.stack, known.lineage):
        return True
    rightful = memory.sid_of(said.stack, said.address)
    if said.address == known.address or rightful in (None, folder.name):
        return False
    try:
        return read_owner(folder.parent / str(rightful)) == said
    except Damaged:
        return True


def write_owner(folder: Path, owner: Owner) -> None:
    """Say whose the folder of a VM is, making it when it is missing; a folder that says so already is left alone."""
    if _says(folder, owner):
        return
    with _locked(folder):
        if not _says(folder, owner):
            _write(folder, owner)


def _says(folder: Path, owner: Owner) -> bool:
    try:
        return read_owner(folder) == owner
    except Damaged:
        return False


def rename(folder: Path, address: str) -> None:
    """Give a VM's folder to another address of its stack; what lies in it stays as it is."""
    owner = read_owner(folder)
    if owner is not None:
        write_owner(folder, owner._replace(address=address))


def is_bare(folder: Path) -> bool:
    """Return whether a folder holds nothing but its owner's name: then whatever was to lie in it has not been made."""
    try:
        return all(_says_nothing_more(path.name) for path in folder.iterdir())
    except FileNotFoundError:
        return False


def _says_nothing_more(name: str) -> bool:
    """Return whether a file is the owner's name, or the draft of a mark: what that was to be for comes after it."""
    return name in _OURS or (name.startswith(".") and name.endswith(_DRAFT_OF_MARK))


def release(folder: Path) -> bool:
    """Remove the folder of a VM once nothing but its owner's name is left in it; tells whether it is gone.

    Several providers end their part at the same time, so all but the last find the folder in use, which is not an error.
    """
    if not folder.exists():
        return True
    with _locked(folder):
        try:
            owner = read_owner(folder)
        except Damaged:
            owner = None
        if not is_bare(folder):
            return False
        for path in [path for path in folder.iterdir() if _says_nothing_more(path.name)]:
            path.unlink(missing_ok=True)
        try:
            folder.rmdir()
        except OSError:
            # Somebody who found the owner's name a moment ago has just put something beside it.
            if owner is not None:
                _write(folder, owner)
            return False
    durable_files.sync_folder(folder.parent)
    return True


def _write(folder: Path, owner: Owner) -> None:
    durable_files.write_durably(folder / FILE, jsons.dumps(owner._asdict()).encode(), draft=folder / f".{FILE}.new")
    durable_files.sync_folder(folder.parent)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder that exists, making it when it is missing."""
    while True:
        try:
            # `parents` would make the folder above as the umask says, which may let everybody write there.
            folder.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
            folder.mkdir(exist_ok=True, mode=0o711)
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileExistsError, FileNotFoundError):
            # Somebody removed it between two of these calls.
            if folder.exists() and not folder.is_dir():
                raise
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # The previous holder of the lock may have removed the folder, and somebody may have made it again.
            if _number_of(folder) == os.fstat(descriptor).st_ino:
                yield
                return
        finally:
            os.close(descriptor)


def _number_of(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except FileNotFoundError:
        return None
