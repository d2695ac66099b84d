"""The mark of a VM: what its hypervisor has been told to run, in one small file that a look at the world reads.

The name of the VM is not in it but beside its folder (`providers.ownership`), because other providers keep parts of the same VM there and a
rename must be one write. Every change is a durable write of the whole file, so a reader sees the machine before or after and never
between. A database would do as well, and could not be read while something else is broken.
"""

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from herocloud.kits import durable_files, jsons
from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.worlds import Thing
from herocloud.providers import ownership
from herocloud.providers.ownership import Owner
from herocloud.providers.vmm import folders

FILE = "machine.json"
VERSION = 1


class Mark(NamedTuple):
    """What a hypervisor knows of a VM."""

    provider: str
    machine: Part
    """The part as it was brought about last."""
    booted: str | None = None
    """The boot of the host in which a process of this VM was started and not seen to end."""
    launched: Mapping[str, Json] = {}
    """What the process was started with that does not follow from the machine: which accelerator, which kind of board."""
    serial: int = 0
    """Of the state when the machine was changed last."""
    slices: Sequence[str] = ()
    """Those that the VM had then: a state that was put back from a backup knows nothing of a VM that was made since."""


class Marked(NamedTuple):
    """A VM that was found."""

    sid: str
    owner: Owner
    mark: Mark


def read(data: Path, sid: str) -> Mark | None:
    """Read the mark of a VM; nothing when it has none."""
    try:
        content = (folders.machine_folder(data, sid) / FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _parse(content, folders.machine_folder(data, sid) / FILE)


def write(data: Path, sid: str, mark: Mark) -> None:
    """Write the mark of a VM durably; the first one makes its folder."""
    folder = folders.machine_folder(data, sid)
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable_files.sync_folder(folder.parent)
    content = jsons.dumps({"version": VERSION, **mark._asdict()}).encode()
    durable_files.write_durably(folder / FILE, content, draft=folder / f".{FILE}.new")


def slices_of(mark: Mark) -> tuple[Sid, ...]:
    """Return the slices that a mark tells of."""
    return tuple(map(Sid, mark.slices))


def remove(data: Path, sid: str, half: Callable[[], None] = lambda: None) -> None:
    """Remove a VM's folder with everything in it, its mark first: what has no mark is litter that the next try sweeps up."""
    folder = folders.machine_folder(data, sid)
    try:
        (folder / FILE).unlink(missing_ok=True)
        durable_files.sync_folder(folder)
        half()
        for entry in list(folder.iterdir()):
            entry.unlink()
        folder.rmdir()
    except FileNotFoundError:
        return
    durable_files.sync_folder(folder.parent)


def is_litter(data: Path, sid: str) -> bool:
    """Return whether there is a folder without a mark, which a process left that was killed while it made or removed a VM."""
    folder = folders.machine_folder(data, sid)
    return folder.is_dir() and not (folder / FILE).exists()


def claim(data: Path, sid: str, owner: Owner) -> None:
    """Say whose the folder of a VM is before anything is put into it; somebody else's is refused."""
    folder = data / "vms" / sid
    known = ownership.read_owner(folder)
    if known is not None and known.lineage != owner.lineage:
        raise Conflict(f"`{folder}` carries the mark of another state, {known.lineage}")
    if known is not None and (known.stack, known.address) != (owner.stack, owner.address):
        raise Conflict(f"`{folder}` is `{known.address}` of stack `{known.stack}`, and not `{owner.address}`")
    ownership.write_owner(folder, owner)


def scan(data: Path, provider: str) -> Iterator[Marked]:
    """Yield every VM of a provider, in the order of their sids; a VM whose folder has no owner is not ours."""
    try:
        with os.scandir(data / "vms") as entries:
            sids = sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for sid in sids:
        mark = read(data, sid)
        if mark is None or mark.provider != provider:
            continue
        owner = _owner_of(data / "vms" / sid)
        if owner is not None:
            yield Marked(sid, owner, mark)


def find_halves(data: Path, wanted: Collection[str] | None) -> Iterator[tuple[str, Owner]]:
    """Yield sid and owner of every VM whose folder has no mark and nothing else to be there for: a making or a removal was cut off."""
    try:
        with os.scandir(data / "vms") as entries:
            sids = sorted(entry.name for entry in entries if entry.is_dir() and not Path(entry.path, folders.OWN, FILE).exists())
    except (FileNotFoundError, NotADirectoryError):
        return
    for sid in sids:
        folder = data / "vms" / sid
        owner = _owner_of(folder) if is_litter(data, sid) or ownership.is_bare(folder) else None
        if owner is not None and (wanted is None or owner.stack in wanted):
            yield sid, owner


def add_halves(data: Path, wanted: Collection[str] | None, provider: str, things: dict[StackName, dict[Address, Thing]]) -> None:
    """Put the VMs that are half made among those that were seen; which hypervisor it was for, nobody knows any more."""
    for sid, owner in find_halves(data, wanted):
        stack, address = StackName(owner.stack), Address(owner.address)
        half = Thing(stack, address, provider, {}, owner.lineage, halves={"machine": {"sid": sid}})
        things.setdefault(stack, {}).setdefault(address, half)


def serials(marked_things: Iterable[Marked]) -> dict[str, int]:
    """Return the highest serial on these marks, by lineage."""
    highest: dict[str, int] = {}
    for marked_thing in marked_things:
        highest[marked_thing.owner.lineage] = max(marked_thing.mark.serial, highest.get(marked_thing.owner.lineage, 0))
    return highest


def find(data: Path, provider: str, stack: str, address: str) -> str | None:
    """Return the sid of the VM with an address, for a step that says nothing else of it: what no record owns has no target to tell."""
    return next(
        (
            marked_thing.sid
            for marked_thing in scan(data, provider)
            if (marked_thing.owner.stack, marked_thing.owner.address) == (stack, address)
        ),
        None,
    )


def _owner_of(folder: Path) -> Owner | None:
    try:
        return ownership.read_owner(folder)
    except (ValueError, KeyError) as error:
        raise Permanent(f"`{folder / ownership.FILE}` is damaged, so nobody can tell whose VM this is") from error


def _parse(content: bytes, path: Path) -> Mark:
    try:
        body = jsons.loads(content)
        version = body.pop("version")
        # Earlier versions noted the network cards too, which steps bring along by now.
        body.pop("nics", None)
        if version == VERSION:
            return Mark(**{**body, "slices": tuple(body.get("slices", ()))})
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Permanent(
            f"the mark `{path}` is damaged, so nobody can tell what runs there; restore it from a backup, or move it away"
        ) from None
    raise Permanent(f"the mark `{path}` is of version {version}, and this herocloud reads version {VERSION}; use the newer herocloud")
