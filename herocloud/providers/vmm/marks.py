"""The mark of a VM: what its hypervisor has been told to run, in one small file that a look at the world reads.

The name of the VM is not in it but beside its folder (`providers.ownership`), because other providers keep parts of the same VM there and a
rename must be one write. Every change is a durable write of the whole file, so a reader sees the machine before or after and never
between. A database would do as well, and could not be read while something else is broken.

A mark that somebody removed or changed says nothing of its VM, and nothing of any other. A digest tells that it was changed; it guards
against accidents and not against people, because who may write the file may do anything. The machine is then what the state remembers,
and the process what it wrote down itself.
"""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

from herocloud.kits import durable_files, jsons, plain_files
from herocloud.kits.jsons import Json, Part
from herocloud.model import powers, spec_shapes
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.ids import Address, Sid, StackName
from herocloud.model.parts import MachinePart
from herocloud.model.worlds import Thing
from herocloud.providers import ownership, recollections
from herocloud.providers.ownership import Owner
from herocloud.providers.recollections import Memory, Remembered
from herocloud.providers.vmm import folders, identity, orders
from herocloud.providers.vmm.identity import Identity

FILE = "machine.json"
VERSION = 2
_WITHOUT_DIGEST = 1
"""The version of marks whose shape is all that there is to check."""
_MOST_BYTES = 1024**2
_DIGEST = "digest"


class Damaged(Permanent):
    """A mark cannot be read, or was changed since it was written."""


class _Launched(TypedDict, total=False):
    accelerator: str
    board: str
    boots: dict[str, str]
    guarded: bool
    program: str
    release: int
    said: int
    version: str
    went_on: str


class _Shape(TypedDict):
    provider: str
    machine: MachinePart
    booted: str | None
    launched: _Launched
    serial: int
    slices: list[str]


_LATER_FIELDS: Mapping[str, Json] = {"serial": 0, "slices": []}
"""Fields that the first marks did not have."""


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
    flaws: Mapping[str, str] = {}
    """What is wrong with the files that say so, as fields of the machine; the rest is then what the state remembers."""

    def with_flaws(self, machine: Part) -> Part:
        """Return the machine as it was seen, with what is wrong about its files."""
        return {**machine, **self.flaws} if self.flaws and machine is not None else machine


def read(data: Path, sid: str) -> Mark | None:
    """Read the mark of a VM; nothing when it has none. Raises Damaged for one that somebody changed."""
    path = folders.machine_folder(data, sid) / FILE
    try:
        content = plain_files.read(path, _MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (plain_files.NotPlain, IsADirectoryError):
        raise _damaged(path) from None
    return _parse(content, path, sid)


def read_sound(data: Path, sid: str) -> Mark | None:
    """Return the mark of a VM, for those who can do without; nothing when it has none that can be read."""
    try:
        return read(data, sid)
    except Damaged:
        return None


def write(data: Path, sid: str, mark: Mark) -> None:
    """Write the mark of a VM durably; the first one makes its folder."""
    folder = folders.machine_folder(data, sid)
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable_files.sync_folder(folder.parent)
    body = {"version": VERSION, **mark._asdict()}
    content = jsons.dumps({**body, _DIGEST: _digest(body, sid)}).encode()
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


class Seen(NamedTuple):
    """What a look found."""

    whole: list[Marked]
    """The VMs of one hypervisor, in the order of their sids."""
    halves: list[tuple[str, Owner]]
    """Those of which no mark says what they are, and whose folder is there for nothing else: sid and owner.

    A making or a removal was cut off, or the mark is damaged and the state does not know the VM.
    """


def look(data: Path, provider: str, wanted: Collection[str] | None = None, memory: Memory = recollections.NOTHING) -> Seen:
    """Look at the VMs of some stacks, or of all; a VM whose folder has no owner is not ours."""
    seen = Seen([], [])
    for sid in _sids(data):
        mark, flaws = _find_mark(data, sid, memory)
        folder = data / "vms" / sid
        if mark is not None and mark.provider != provider:
            continue
        if mark is None and not flaws and not (is_litter(data, sid) or ownership.is_bare(folder)):
            continue
        owner, flaw = ownership.find_owner(folder, memory)
        if owner is None or (wanted is not None and owner.stack not in wanted):
            continue
        if mark is None:
            seen.halves.append((sid, owner))
        else:
            seen.whole.append(Marked(sid, owner, mark, {**flaws, powers.OWNER: flaw} if flaw else flaws))
    return seen


def _find_mark(data: Path, sid: str, memory: Memory) -> tuple[Mark | None, dict[str, str]]:
    """Return what a VM is, and what is wrong with the file that says so; then it is what the state remembers, if it knows the VM."""
    try:
        mark, flaws = read(data, sid), {}
    except Damaged:
        mark, flaws = None, {powers.MARK: ownership.unreadable(folders.machine_folder(data, sid) / FILE)}
    if mark is None:
        mark = _remember(data, sid, memory.of_sid(sid), must_run=not flaws)
        if mark is not None:
            flaws.setdefault(powers.MARK, ownership.GONE)
    return mark, flaws


def _remember(data: Path, sid: str, known: Remembered | None, *, must_run: bool) -> Mark | None:
    """Return the mark of a VM that has none, by what the state knows of it; of one that does not run there was none perhaps."""
    if known is None or known.machine is None:
        return None
    process = identity.find_unmarked(data, sid)
    if process is None and must_run:
        return None
    return remember(data, sid, Mark(known.provider, known.machine), process)


def remember(data: Path, sid: str, mark: Mark, process: Identity | None) -> Mark:
    """Return a mark with what is to be known of the process; of one whose orders are lost that is not with what it was started."""
    if process is None:
        return mark
    return mark._replace(booted=process.boot, launched=orders.recall(identity.record_path(data, sid)))


def _sids(data: Path) -> list[str]:
    try:
        with os.scandir(data / "vms") as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def add_halves(halves: Iterable[tuple[str, Owner]], provider: str, things: dict[StackName, dict[Address, Thing]]) -> None:
    """Put the VMs that are half made among those that were seen; which hypervisor it was for, nobody knows any more."""
    for sid, owner in halves:
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
    return next((one.sid for one in look(data, provider, {stack}).whole if one.owner.address == address), None)


def _parse(content: bytes, path: Path, sid: str) -> Mark:
    try:
        body = jsons.loads(content)
    except ValueError:
        raise _damaged(path) from None
    version = body.get("version") if isinstance(body, dict) else None
    if type(version) is int and version > VERSION:
        raise Permanent(f"the mark `{path}` is of version {version}, and this herocloud reads up to {VERSION}; use the newer herocloud")
    if version == VERSION and body.pop(_DIGEST, None) != _digest(body, sid):
        raise _damaged(path)
    if version not in (VERSION, _WITHOUT_DIGEST):
        raise _damaged(path)
    del body["version"]
    # Earlier versions noted the network cards too, which steps bring along by now.
    body.pop("nics", None)
    body = {**_LATER_FIELDS, **body}
    if set(body) != set(Mark._fields) or (version == _WITHOUT_DIGEST and spec_shapes.judge_as(_Shape, body)):
        raise _damaged(path)
    return Mark(**{**body, "slices": tuple(body["slices"])})


def _digest(body: Mapping[str, Json], sid: str) -> str:
    """Return what a mark changes with; one that is copied from another VM does not fit."""
    return jsons.digest([sid, body])


def _damaged(path: Path) -> Damaged:
    return Damaged(f"the mark `{path}` is damaged, so nobody can tell what runs there; `herocloud apply` writes it again from the record")
