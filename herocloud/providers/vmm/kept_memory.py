"""What the steps `snapshot.save` of all VMMs share: when there is nothing to do, what a look finds, and what is left over."""

from collections.abc import Callable
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict
from herocloud.providers import snapshot_memory
from herocloud.providers.parts import same
from herocloud.providers.seam import Found, Probe, Work
from herocloud.providers.vmm import memory_folders


def bring(data: Path, target: Part, save: Callable[[Path], None]) -> None:
    """Have the memory that a snapshot is to have, which `save` puts into its folder; or none."""
    snapshot = data / target["path"]
    if target["memory"] is None:
        snapshot_memory.remove(snapshot)
    elif not same(snapshot_memory.read(snapshot), target["memory"]):
        save(snapshot)
        snapshot_memory.note(snapshot, target["memory"])


def gone(work: Work, how: str | None = None) -> Conflict:
    """Return what is raised where a VM ended before its memory was kept; `how` says how it came to its end."""
    ended = f" ({how})" if how else ""
    return Conflict(f"`{work.step.address}` does not run any more{ended}, so its memory is gone; it starts from its disks again")


def probe(data: Path, sid: str, work: Work) -> Probe:
    """Say whether the memory is in the snapshot."""
    step = work.step
    snapshot = data / step.after["path"]
    if not snapshot.is_dir():
        return Probe(Found.CONTRADICTED, f"the snapshot `{snapshot.name}` of `{step.address}` is gone")
    found = snapshot_memory.read(snapshot)
    if same(found, step.after["memory"]):
        return Probe(Found.DONE)
    if snapshot_memory.folder_of(snapshot).exists() or memory_folders.path_of(data, sid).exists():
        return Probe(Found.PARTIAL, f"`{step.address}` is half-way: its memory is being kept")
    return Probe(Found.NOT_STARTED if same(found, step.before["memory"]) else Found.CONTRADICTED, "other memory is there")
