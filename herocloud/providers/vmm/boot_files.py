"""What VMs boot that is not on their disks (kernel, initramfs, firmware), held as it was looked at.

A path says nothing of what is there when a VM starts again, which its keeper does while nobody looks: somebody builds the kernel once more,
or an update of the host brings another firmware. So a VM boots copies that nobody else writes. One content is kept once and has a name for
each VM that boots it (`boot/SID/kernel`), so it goes with the last of them. What a kernel and an initramfs have to hold, their image says:
the digest of what it was when somebody looked. A copy with that digest is booted no matter what became of the original; without one, an
original that changed since is refused.

boot/contents/DIGEST    one content
boot/SID/               what a VM boots: kernel, initramfs, firmware
"""

import contextlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits import durable_files, file_digests
from herocloud.kits.file_digests import KnownDigests
from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.errors import Conflict
from herocloud.providers.vmm import files, marks, users
from herocloud.providers.vmm.machine_place import Place
from herocloud.providers.vmm.marks import Mark
from herocloud.providers.vmm.supplies import Supplies

FIRMWARE = "firmware"
_WORDS = {"kernel": "the kernel", "initramfs": "the initramfs", FIRMWARE: "the firmware"}
_FOLDER, _CONTENTS, _LOCK, _DIGESTS = "boot", "boot/contents", "boot/.lock", "boot/.digests.json"
_BOOTS = "boots"
"""What the mark calls the digests of what the process was started with."""


def hold(place: Place, mark: Mark, given: Supplies, firmware: Path | None, *, again: bool = False) -> Mark:
    """Hold what a VM boots, and return its mark with what that is.

    With `again` it runs, and is to come back with what it was started with, unless only what its image has by now can be had.
    """
    payload = mark.machine["payload"] or {}
    originals = {field: Path(payload[field]) for field in ("kernel", "initramfs") if payload.get(field)}
    if firmware is not None:
        originals[FIRMWARE] = firmware
    known: Mapping[str, str] = mark.launched.get(_BOOTS) or {} if again else {}
    held = {}
    if originals:
        contents = place.data / _CONTENTS
        _make_folders(place, contents)
        with durable_files.flock(place.data / _LOCK, blocking=True):
            holding = _Holding(place)
            for field, path in originals.items():
                held[field] = holding.hold(field, path, [digest for digest in (known.get(field), given.boots.get(field)) if digest])
            for path in folder_of(place.data, place.sid).iterdir():
                if path.name not in held:
                    path.unlink()
            _sweep(contents)
    return mark._replace(launched={**mark.launched, _BOOTS: held})


def hold_again(place: Place, mark: Mark, given: Supplies, firmware: Path | None) -> Mark:
    """Hold what a VM that runs comes back with, and note it where that has changed."""
    held = hold(place, mark, given, firmware, again=True)
    if held != mark:
        marks.write(place.data, place.sid, held)
    return held


def folder_of(data: Path, sid: str) -> Path:
    """Return the folder of what a VM boots."""
    return data / _FOLDER / sid


def held_firmware(data: Path, sid: str, original: Path) -> Path:
    """Return the firmware that a VM boots: the copy that is held for it, where one is."""
    return _held(data, sid, FIRMWARE, original)


def with_held(data: Path, sid: str, machine: Part) -> Part:
    """Return a machine whose payload names the copies that are held for it."""
    payload = machine["payload"]
    if payload is None:
        return machine
    named = {field: payload[field] for field in ("kernel", "initramfs") if payload.get(field)}
    return {**machine, "payload": {**payload, **held_payload(data, sid, named)}}


def held_payload(data: Path, sid: str, payload: Mapping[str, str]) -> Mapping[str, str]:
    """Return the copies that are held for a VM of the kernel and initramfs that its payload names; the files themselves where none is."""
    return {field: str(_held(data, sid, field, Path(path))) for field, path in payload.items()}


def let_go(data: Path, sid: str) -> None:
    """Remove what is held for a VM, and every content that it was the last to boot."""
    folder = folder_of(data, sid)
    if not folder.exists():
        return
    with durable_files.flock(data / _LOCK, blocking=True):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        _sweep(data / _CONTENTS)


class BootLook:
    """One look at what VMs that run would boot the next time."""

    def __init__(self, data: Path) -> None:
        """Look below a data folder; nothing is opened before it is needed."""
        self._data = data
        self._digests = KnownDigests(data / _DIGESTS)

    def with_flaw(self, sid: str, mark: Mark, machine: Part) -> Part:
        """Return a machine that runs with what is wrong about the copies that it was started with; nothing is added where all is well."""
        found = [
            f"{field} {word}"
            for field, digest in (mark.launched.get(_BOOTS) or {}).items()
            if (word := self._judge(folder_of(self._data, sid) / field, digest))
        ]
        return {**machine, powers.BOOTS: ", ".join(found)} if found and machine is not None else machine

    def keep(self) -> None:
        """Write down what was read."""
        self._digests.keep()

    def _judge(self, path: Path, digest: str) -> str:
        try:
            return "" if self._digests.of(path, path.lstat()) == digest else "changed"
        except OSError:
            return "gone"


class _Holding:
    """Holds the files of one VM, under the lock."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._contents = place.data / _CONTENTS

    def hold(self, field: str, original: Path, wanted: list[str]) -> str:
        """Hold a file that has one of the wanted digests, the first of them if that can be had; returns its digest."""
        own = folder_of(self._place.data, self._place.sid) / field
        digest = wanted[0] if wanted else file_digests.of_file(files.require(original, _WORDS[field]))
        content = self._contents / digest
        if _holds(own, digest):
            return digest
        if not _holds(content, digest):
            digest = self._copy(field, original, wanted)
            content = self._contents / digest
        draft = own.with_name(f".{field}.new")
        draft.unlink(missing_ok=True)
        try:
            draft.hardlink_to(content)
        except OSError:
            # A file system on which a file has one name.
            _write_copy(content, draft)
        draft.replace(own)
        return digest

    def _copy(self, field: str, original: Path, wanted: list[str]) -> str:
        draft = self._contents / ".new"
        digest = _write_copy(files.require(original, _WORDS[field]), draft)
        if wanted and digest not in wanted:
            draft.unlink()
            raise Conflict(
                f"{_WORDS[field]} `{original}` of `{self._place.owner.address}` is not what it was when its image was looked at, "
                "so it is not booted; `herocloud plan` shows the change, and an apply takes it up"
            )
        draft.replace(self._contents / digest)
        return digest


def _make_folders(place: Place, contents: Path) -> None:
    """Make the folders; each VM passes through its own and sees no other's, because a kernel may be closed to others."""
    contents.parent.mkdir(mode=0o711, exist_ok=True)
    contents.mkdir(mode=0o700, exist_ok=True)
    own, user = folder_of(place.data, place.sid), users.of(place.data, place.sid)
    own.mkdir(mode=0o700, exist_ok=True)
    if user.is_own:
        os.chown(own, -1, user.gid)
        own.chmod(0o710)


def _held(data: Path, sid: str, field: str, original: Path) -> Path:
    path = folder_of(data, sid) / field
    return path if path.exists() else original


def _holds(path: Path, digest: str) -> bool:
    """Return whether a plain file holds a content. It is read: what somebody wrote into it may have left no other trace."""
    try:
        return not path.is_symlink() and file_digests.of_file(path) == digest
    except OSError:
        return False


def _write_copy(source: Path, draft: Path) -> str:
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        # What everybody may read stays that; of anything else `grants` says who may.
        os.fchmod(descriptor, 0o644 if source.stat().st_mode & stat.S_IROTH else 0o600)
        return file_digests.copy(source, descriptor)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _sweep(contents: Path) -> None:
    """Remove the contents that no VM boots any more, and what was left of a copy that was cut off."""
    with contextlib.suppress(FileNotFoundError):
        for path in contents.iterdir():
            if path.lstat().st_nlink == 1:
                path.unlink()
