"""Seeds: the small disk from which cloud-init in a guest learns who it is.

A new seed goes beside the old one and takes its name when it is whole. The one before is kept under another name, so that a change can be
taken back: its text follows from a target that may no longer be known, and from secrets that are kept nowhere else.

pycdlib makes the disk in memory, so that secrets never lie in a folder for temporary files, and no program has to be there for it.
"""

import io
import os
from collections.abc import Mapping
from pathlib import Path

from herocloud.kits import durable_files
from herocloud.kits.jsons import Part, Spec
from herocloud.model.errors import Permanent
from herocloud.model.ids import StackName
from herocloud.model.steps import KINDS
from herocloud.providers import guest_keys
from herocloud.providers.images import guest_identity, image_folders, marks, network_config, part_states, seed_texts
from herocloud.providers.images.image_folders import Ownership
from herocloud.providers.images.part_states import mark_for
from herocloud.providers.parts import Half, Seen, same
from herocloud.providers.seam import Work
from herocloud.providers.vmm import users

_WRITING, _REMOVING, _RETURNING = "being written", "being removed", "being put back"


class Seeds:
    """The seeds of the VMs of one data folder."""

    def __init__(self, folder: Path, ownership: Ownership, environment: Mapping[str, str]) -> None:
        """Read secrets out of `environment`."""
        self._folder, self._ownership, self._environment = folder, ownership, environment

    def look(self, work: Work) -> Seen:
        """Say what is there."""
        path = self._path(work)
        seen = part_states.look_at_place(path, work)
        mark = marks.read(path) if seen.stray is None else None
        unknown = mark is not None and not mark.more.get("old") and _old_of(path).exists()
        return seen._replace(litter=True) if unknown else seen

    def make(self, work: Work, half: Half) -> None:
        """Write the seed."""
        self._write(work, work.step.after, None, half)

    def change(self, work: Work, before: Part, half: Half) -> None:
        """Write the seed again, keeping the one before."""
        self._write(work, work.step.after, before, half)

    def _write(self, work: Work, part: Part, before: Part, half: Half) -> None:
        path = self._path(work)
        part_states.refuse_taken_place(path, work)
        content = self._prepared(path, part) if KINDS[work.step.kind].places else None
        if content is None:
            content = make_iso(compose(self._folder, work.step.address, part, work.spec, self._environment, work.lineage))
        mark = marks.read(path)
        if mark is not None and mark.half == _WRITING:
            # The one before was kept when this work began; what lies there now may be the new one.
            before, old = mark.body, mark.more.get("old")
        else:
            old = self._keep(path) if before is not None else None
        part_states.claim_folder(path, work)
        marks.write(path, mark_for(work, before, half=_WRITING, old=old)._replace(goal=part))
        half()
        draft = image_folders.draft_of(path)
        if (work.step.before or {}).get("content") and (work.step.before or {}).get("file") is None:
            # Somebody wrote into it. A VMM has this very file open and reads it again when its guest reboots, so it is put right in place.
            _overwrite(path, content)
            half()
        else:
            _write_private(draft, content)
            self._ownership.give(draft)
            users.lend(self._folder, path.parent.name, draft)
            half()
            draft.rename(path)
        durable_files.sync_folder(path.parent)
        half()
        marks.write(path, mark_for(work, part, old=old))
        if KINDS[work.step.kind].places:
            _forget_prepared(path)

    def _prepared(self, path: Path, part: Part) -> bytes | None:
        """Return the seed that was prepared for this place; nothing where it has gone since."""
        ready = image_folders.beside(path)
        mark = marks.read(ready)
        if mark is None or mark.half is not None or {**(mark.body or {}), "path": part["path"]} != part:
            return None
        try:
            return ready.read_bytes()
        except FileNotFoundError:
            return None

    def _keep(self, path: Path) -> str | None:
        """Keep what is there under another name; tells whether there was anything, by that name."""
        old = _old_of(path)
        old.unlink(missing_ok=True)
        if not path.exists():
            return None
        os.link(path, old)
        return old.name

    def drop(self, work: Work, half: Half) -> None:
        """Remove the seed; its text can be made again from the target."""
        self._remove(work, half)

    def unmake(self, work: Work, half: Half) -> None:
        """Remove what was written; what was put in its place waits beside it again."""
        self._put_back(work, half)
        self._remove(work, half)

    def _put_back(self, work: Work, half: Half) -> None:
        """Put what was put in its place beside it again, from where the next change takes it."""
        path = self._path(work)
        ready = image_folders.beside(path)
        mark = marks.read(ready)
        if not KINDS[work.step.kind].places or not path.exists() or (ready.exists() and (mark is None or mark.half is None)):
            return
        waiting = part_states.waiting(work)._replace(more={"old": None})
        # Its mark comes first: a seed without one would be taken for somebody else's.
        marks.write(ready, waiting._replace(half=_RETURNING, goal=waiting.body))
        half()
        draft = image_folders.draft_of(ready)
        _write_private(draft, path.read_bytes())
        self._ownership.give(draft)
        users.lend(self._folder, path.parent.name, draft)
        draft.rename(ready)
        durable_files.sync_folder(path.parent)
        half()
        marks.write(ready, waiting)

    def _remove(self, work: Work, half: Half) -> None:
        path = self._path(work)
        mark = marks.read(path)
        if mark is not None:
            marks.write(path, mark._replace(half=_REMOVING, goal=None))
            half()
            for file in (image_folders.draft_of(path), _old_of(path), path):
                file.unlink(missing_ok=True)
            durable_files.sync_folder(path.parent)
            half()
            marks.remove(path)
        part_states.sweep(path)

    def sweep(self, work: Work) -> None:
        """Remove drafts, and a seed kept for a change that did not begin."""
        path = self._path(work)
        mark = marks.read(path)
        if mark is not None and mark.half is None and not mark.more.get("old"):
            _old_of(path).unlink(missing_ok=True)
        if KINDS[work.step.kind].places and mark is not None and same(mark.body, work.step.after):
            _forget_prepared(path)
        part_states.sweep(path)

    def unchange(self, work: Work, half: Half) -> None:
        """Put the seed of before back."""
        self._put_back(work, half)
        path, before = self._path(work), work.step.before
        mark = marks.read(path)
        old = _old_of(path)
        if mark is None or (mark.half != _RETURNING and not mark.more.get("old")):
            raise Permanent(f"the seed of `{work.step.address}` that was there before is gone, so the change cannot be taken back")
        marks.write(path, mark_for(work, before, half=_RETURNING)._replace(goal=before))
        half()
        image_folders.draft_of(path).unlink(missing_ok=True)
        if old.exists():
            old.rename(path)
            # Where both names are still one file, a rename does nothing.
            old.unlink(missing_ok=True)
            durable_files.sync_folder(path.parent)
        half()
        marks.write(path, mark_for(work, before))

    def restore(self, work: Work, half: Half) -> None:
        """Write the seed again that was removed."""
        self._write(work, work.step.before, None, half)

    def _path(self, work: Work) -> Path:
        part = work.step.after or work.step.before
        return image_folders.object_path(self._folder, part["path"])


def forget_old(folder: Path, stack: StackName) -> None:
    """Remove the seeds that were kept in case an apply of this stack had to be taken back: they hold secrets that are rotated by now."""
    for old in sorted((folder / image_folders.VMS).glob("*/*.old.iso")):
        path = old.with_name(old.name.replace(".old.", "."))
        mark = marks.read(path)
        if mark is None or mark.half is not None or mark.stack != stack or mark.more.get("old") != old.name:
            continue
        marks.write(path, mark._replace(more={name: value for name, value in mark.more.items() if name != "old"}))
        old.unlink(missing_ok=True)
        durable_files.sync_folder(old.parent)


def compose(folder: Path, address: str, part: Part, spec: Spec, environment: Mapping[str, str], lineage: str = "") -> dict[str, bytes]:
    """Return the files of a seed, by name."""
    secrets = seed_texts.read_secrets(folder, address, spec, environment)
    overlay = spec["mycelium"]
    overlay_key = guest_keys.read(folder, address, overlay["key"]) if overlay and "key" in overlay else None
    network = network_config.network_config(address, spec, network_config.find_servers())
    return {
        "meta-data": seed_texts.meta_data(part["instance"], spec),
        "user-data": seed_texts.user_data(spec, secrets, overlay_key, guest_identity.renewal(spec["sid"], lineage) if lineage else None),
        "network-config": seed_texts.yaml(network).encode(),
    }


def _forget_prepared(path: Path) -> None:
    """Remove what was prepared for this place: it is in it."""
    ready = image_folders.beside(path)
    ready.unlink(missing_ok=True)
    marks.remove(ready)


def _old_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}.old{path.suffix}")


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody else could have open: it is made new, and with its mode from the first byte on."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _overwrite(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.truncate()
        stream.flush()
        os.fsync(stream.fileno())


LABEL = "cidata"
_MODE = 0o100400
"""Readable by the guest's root alone; a user who may mount disks in the guest is root anyway."""


def make_iso(contents: Mapping[str, bytes]) -> bytes:
    """Return an ISO image with these files in its root."""
    import pycdlib

    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, vol_ident=LABEL, joliet=3, rock_ridge="1.09")
    try:
        for number, (name, content) in enumerate(contents.items()):
            # The plain name is for nobody; eight letters and a number are what every level of ISO 9660 allows.
            iso.add_fp(io.BytesIO(content), len(content), f"/SEED{number:04d}.;1", rr_name=name, joliet_path=f"/{name}", file_mode=_MODE)
        out = io.BytesIO()
        iso.write_fp(out)
    finally:
        iso.close()
    return out.getvalue()
