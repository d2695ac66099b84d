"""The memory of a VM in its snapshot: written and read as a migration over a file descriptor.

QEMU 7.2 knows no `file:`, and our sandbox forbids `exec:`. So the file is opened here and handed to the process over its control socket:
the VMM itself may open nothing of a snapshot.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.providers import snapshot_memory
from herocloud.providers.qemu import boot, layouts
from herocloud.providers.qemu.command_line import Layout
from herocloud.providers.qemu.qmp import Talk
from herocloud.providers.seam import Work
from herocloud.providers.vmm import kept_memory, machine_process
from herocloud.providers.vmm.marks import Mark

_FILE, _NAME = "state", "herocloud-memory"
_FASTEST = 64 * 1024**3
"""Bytes a second: nobody else wants what is held."""
_STEP = 0.05
_LONGEST = 1800.0
"""Seconds in which all memory is read."""


def keep(data: Path, sid: str, mark: Mark | None, work: Work, snapshot: Path, reached: Callable[[str], None]) -> None:
    """Write the memory of a VM that is held into its snapshot."""
    if mark is None or not machine_process.is_living(data, sid, mark):
        raise kept_memory.gone(work)
    with boot.open_talk(data, sid) as talk:
        if _require_held(talk, snapshot, work):
            # An earlier try came as far as this: the guest was held all the time, and all of its memory is there.
            return
        folder = snapshot_memory.make_folder(snapshot)
        reached("half")
        layouts.keep(talk, folder)
        descriptor = os.open(folder / _FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            talk.hand_over(descriptor, _NAME)
            talk.ask("migrate-set-parameters", max_bandwidth=_FASTEST)
            talk.ask("migrate", uri=f"fd:{_NAME}")
            _wait(talk, work)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    reached("written")


def _require_held(talk: Talk, snapshot: Path, work: Work) -> bool:
    """Require that nothing of the guest runs; returns whether all of its memory is in its file already, and only the note is missing."""
    status = talk.ask("query-status")["status"]
    if status == "postmigrate":
        path = snapshot_memory.folder_of(snapshot) / _FILE
        if path.exists() and path.stat().st_size and talk.ask("query-migrate").get("status") == "completed":
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
            return True
        # QEMU keeps memory once while a guest is held. It would have to run for a moment, and then its disks would be older than it.
        raise Permanent(
            f"`{work.step.address}` is paused since its memory was kept, and QEMU keeps it again after its guest ran; "
            f"`herocloud vm resume {work.step.address.partition('.')[2]}`, then take the snapshot again"
        )
    if status != "paused":
        raise Conflict(f"`{work.step.address}` is {status} and must be paused while its memory is kept")
    return False


def _wait(talk: Talk, work: Work) -> None:
    while True:
        seen = talk.ask("query-migrate")
        status = seen.get("status")
        if status == "completed":
            return
        if status in ("failed", "cancelled"):
            raise Permanent(f"the memory of `{work.step.address}` could not be kept: {seen.get('error-desc') or status}")
        ram = seen.get("ram") or {}
        if ram.get("total"):
            work.progress("keeping memory", 1 - ram.get("remaining", 0) / ram["total"])
        if work.cancelled():
            talk.ask("migrate_cancel")
            raise Temporary("keeping memory was cancelled")
        talk.pause(_STEP)


def layout_of(data: Path, work: Work) -> Layout | None:
    """Return how the machine was laid out whose memory is read back."""
    return layouts.read_back(snapshot_memory.folder_of(data / work.step.origin["path"]))


def read_back(talk: Talk, data: Path, work: Work) -> None:
    """Let a process that waits for its memory read it, and wait until its guest is where it was."""
    path = snapshot_memory.folder_of(data / work.step.origin["path"]) / _FILE
    if talk.ask("query-migrate").get("status") is None:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Permanent(f"`{path}` is gone, so `{work.step.address}` cannot go on from it") from error
        try:
            talk.hand_over(descriptor, _NAME)
            talk.ask("migrate-incoming", uri=f"fd:{_NAME}")
        finally:
            os.close(descriptor)
    began = time.monotonic()
    while talk.ask("query-status")["status"] == "inmigrate":
        if talk.ask("query-migrate").get("status") == "failed":
            raise Permanent(f"QEMU cannot read the memory of `{work.step.address}`")
        if work.cancelled():
            raise Temporary("reading memory was cancelled")
        work.progress("reading memory", None)
        talk.pause(_STEP)
        if time.monotonic() - began > _LONGEST:
            raise Temporary("QEMU still reads the memory")
