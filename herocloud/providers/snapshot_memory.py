"""The memory of a VM in its snapshot: a folder beside the copies of its disks, which the provider of disks makes and a hypervisor fills.

Both share it on purpose: what describes the memory is written last, so that it is there or it is not.
"""

from pathlib import Path

from herocloud.kits import durable_files, jsons
from herocloud.kits.jsons import Part
from herocloud.model.errors import Permanent

_FOLDER, _NOTE = "memory", "memory.json"


def read(snapshot: Path) -> Part:
    """Return what is known of the memory in a snapshot; nothing where it holds none."""
    try:
        content = (snapshot / _NOTE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return jsons.loads(content)
    except ValueError:
        raise Permanent(f"`{snapshot / _NOTE}` is damaged, so nobody can tell whose memory this is; move it away") from None


def folder_of(snapshot: Path) -> Path:
    """Return the folder that holds the memory."""
    return snapshot / _FOLDER


def make_folder(snapshot: Path) -> Path:
    """Make an empty folder for memory; what an earlier try left there goes."""
    if not snapshot.is_dir():
        raise Permanent(f"the snapshot `{snapshot}` is gone, so no memory can be kept in it")
    remove(snapshot)
    folder = folder_of(snapshot)
    folder.mkdir(mode=0o700)
    return folder


def note(snapshot: Path, memory: Part) -> None:
    """Say durably what the memory is, once all of it is there."""
    durable_files.sync_folder(folder_of(snapshot))
    path = snapshot / _NOTE
    durable_files.write_durably(path, jsons.dumps(memory).encode(), draft=snapshot / f".{_NOTE}.new")


def remove(snapshot: Path) -> None:
    """Remove the memory; what describes it goes first."""
    (snapshot / _NOTE).unlink(missing_ok=True)
    (snapshot / f".{_NOTE}.new").unlink(missing_ok=True)
    import shutil

    shutil.rmtree(folder_of(snapshot), ignore_errors=True)
