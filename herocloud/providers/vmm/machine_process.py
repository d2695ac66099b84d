"""The process that a mark speaks of: whether it lives, whether it is started again when it ends, and what is forgotten once it is dead."""

from pathlib import Path

from herocloud.providers.vmm import folders, identity, launch, marks, orders, standing_orders
from herocloud.providers.vmm.identity import Identity
from herocloud.providers.vmm.marks import Mark


def is_living(data: Path, sid: str, mark: Mark) -> bool:
    """Return whether the process of a VM is there."""
    return identity.lives(data, sid, mark.booted)


def find_living(data: Path, sid: str, mark: Mark) -> Identity | None:
    """Return the process of a VM; waits for one that is just being started by somebody who was killed meanwhile."""
    known = identity.running(data, sid)
    record = identity.record_path(data, sid)
    if known is None and mark.booted != identity.boot_id() and not identity.is_held(record):
        return None
    if known is None and not record.exists() and identity.is_held(record):
        known = identity.find(data, sid)
    if known is None:
        # A shell that pauses before it starts the VMM again, or one that is just being started by somebody who was killed.
        launch.dismiss(record)
        known = identity.running(data, sid)
    return known


def keep(data: Path, sid: str, mark: Mark) -> None:
    """Have the process started again when it ends, where its VM asks for that."""
    if mark.machine["restart"] != standing_orders.NEVER:
        launch.keep(identity.record_path(data, sid), kept=True)


def is_unkept(data: Path, sid: str, mark: Mark) -> bool:
    """Return whether a process that should be started again when it ends would not be."""
    return mark.machine["restart"] != standing_orders.NEVER and not launch.is_kept(identity.record_path(data, sid))


def forget(data: Path, sid: str, mark: Mark) -> None:
    """Forget a process that is proven dead, and remove what only it needed."""
    if mark.booted is not None:
        marks.write(data, sid, mark._replace(booted=None, launched={}))
    orders.forget(identity.record_path(data, sid))
    for path in folders.machine_folder(data, sid).glob(f"{identity.RECORD}*"):
        path.unlink(missing_ok=True)
    folders.remove_runtime_folder(data, sid)
