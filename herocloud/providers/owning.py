"""Whose a VM's folder is: `vms/<sid>/owner.json`, which the providers that keep something in that folder share.

A VM has parts of several providers, and its rename is one step of one of them. So the name is written down once, where all look; a name
in the mark of every part would have to be changed by every provider at once, which a crash would tear apart.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import files, jsons

FILE = "owner.json"


class Owner(NamedTuple):
    """Who owns what lies in a folder."""

    stack: str
    address: str
    lineage: str


def read_owner(folder: Path) -> Owner | None:
    """Return whose the folder of a VM is; nothing when nobody said."""
    try:
        said = jsons.loads((folder / FILE).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Owner(said["stack"], said["address"], said["lineage"])


def write_owner(folder: Path, owner: Owner) -> None:
    """Say whose the folder of a VM is, making it when it is missing; a folder that says so already is left alone."""
    if read_owner(folder) != owner:
        folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        files.write_durably(folder / FILE, jsons.dumps(owner._asdict()).encode(), draft=folder / f".{FILE}.new")
        files.sync_folder(folder.parent)


def rename(folder: Path, address: str) -> None:
    """Give a VM's folder to another address of its stack; what lies in it stays as it is."""
    owner = read_owner(folder)
    if owner is not None:
        write_owner(folder, owner._replace(address=address))


def release(folder: Path) -> bool:
    """Remove the folder of a VM once nothing but its owner's name is left in it; tells whether it is gone.

    Several providers end their part at the same time, so whoever is not the last one finds the folder in use, which is no error.
    """
    left = [path for path in _content(folder) if not path.name.startswith(f".{FILE}.")]
    if any(path.name != FILE for path in left):
        return False
    for path in _content(folder):
        path.unlink(missing_ok=True)
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    files.sync_folder(folder.parent)
    return True


def _content(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except FileNotFoundError:
        return
