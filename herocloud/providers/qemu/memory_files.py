"""The memory of a VM in its snapshot: written and read as a migration over a file descriptor.

QEMU 7.2 knows no `file:`, and our sandbox forbids `exec:`. So the file is opened here and handed to the process over its control socket:
the VMM itself may open nothing of a snapshot.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.providers import snapshot_memory
from herocloud.providers.parts import same
from herocloud.providers.qemu import boot
from herocloud.providers.qemu.qmp import Talk
from herocloud.providers.seam import Found, Probe, Work
from herocloud.providers.vmm.marks import Mark

_FILE, _NAME = "state", "herocloud-memory"
_FASTEST = 64 * 1024**3
"""Bytes a second: nobody else wants what is held."""
_STEP = 0.05


def bring(data: Path, sid: str, mark: Mark | None, work: Work, target: Part, half: Callable[[], None]) -> None:
    """Keep the memory that a snapshot is to have, or remove it from there."""
    snapshot = data / target["path"]
    if target["memory"] is None:
        snapshot_memory.remove(snapshot)
        return
    if same(snapshot_memory.read(snapshot), target["memory"]):
        return
    if mark is None or not boot.living(data, sid, mark):
        raise Conflict(f"`{work.step.address}` does not run any more, so its memory is gone")
    with boot.open_talk(data, sid) as talk:
        _require_held(talk, work)
        folder = snapshot_memory.make_folder(snapshot)
        half()
        descriptor = os.open(folder / _FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            talk.hand_over(descriptor, _NAME)
            talk.ask("migrate-set-parameters", max_bandwidth=_FASTEST)
            talk.ask("migrate", uri=f"fd:{_NAME}")
            _wait(talk, work)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    half()
    snapshot_memory.note(snapshot, target["memory"])


def _require_held(talk: Talk, work: Work) -> None:
    status = talk.ask("query-status")["status"]
    if status == "postmigrate":
        # Its guest would have to run for a moment before its memory could be kept again, and then its disks would be older than it.
        raise Permanent(f"the memory of `{work.step.address}` was being kept when something ended it; take the snapshot again")
    if status != "paused":
        raise Conflict(f"`{work.step.address}` is {status} and must be paused while its memory is kept")


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


def probe(data: Path, work: Work) -> Probe:
    """Say whether the memory is in the snapshot."""
    step = work.step
    snapshot = data / step.after["path"]
    if not snapshot.is_dir():
        return Probe(Found.CONTRADICTED, f"the snapshot `{snapshot.name}` of `{step.address}` is gone")
    found = snapshot_memory.read(snapshot)
    if same(found, step.after["memory"]):
        return Probe(Found.DONE)
    if snapshot_memory.folder_of(snapshot).exists():
        return Probe(Found.PARTIAL, f"`{step.address}` is half-way: its memory is being kept")
    return Probe(Found.NOT_STARTED if same(found, step.before["memory"]) else Found.CONTRADICTED, "other memory is there")


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


_LONGEST = 1800.0
