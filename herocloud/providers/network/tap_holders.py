"""Whether the process of a VM has a tap open. The kernel says it of each of its descriptors, and of the tap only that somebody has."""

from pathlib import Path

from herocloud.providers.vmm import identity


def holds(folder: Path, sid: str, tap: str) -> bool:
    """Return whether the VM that runs has a tap open; who may not look at its process takes it that it has not."""
    known = identity.running(folder, sid)
    if known is None:
        return False
    wanted = f"iff:\t{tap}\n"
    try:
        return any(wanted in _read(entry) for entry in Path(f"/proc/{known.pid}/fdinfo").iterdir())
    except OSError:
        return False


def _read(entry: Path) -> str:
    try:
        return entry.read_text()
    except FileNotFoundError:
        # It was closed meanwhile.
        return ""
