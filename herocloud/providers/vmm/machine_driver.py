"""The driver that hypervisors share: perform, probe and undo for every kind of step on VMs.

Everything is a way from what is there to a target: performing goes to the part after, undoing to the part before. `vm.create` writes a mark
and starts nothing; the process of a VM lives from its boot to its stop. On a running machine the change is made first and written into the
mark afterwards, so that a mark never promises what is not there; a probe compares both.

What differs between hypervisors is a `Control`: how to look at a running VM, change it, boot it and end it.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from herocloud.kits import faults, sizes
from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.errors import Conflict, Permanent
from herocloud.model.parts import SNAPSHOT
from herocloud.model.steps import KINDS, Step
from herocloud.providers import ownership
from herocloud.providers.parts import same, wrap
from herocloud.providers.seam import Found, Probe, Work
from herocloud.providers.vmm import (
    boot_files,
    cages,
    folders,
    grants,
    identity,
    kept_memory,
    machine_process,
    mark_recovery,
    marks,
    memory_folders,
    orders,
    probes,
    responsiveness,
    supervision,
    supplies,
    users,
    virtiofs,
)
from herocloud.providers.vmm.file_access import AccessLook
from herocloud.providers.vmm.grants import Needs
from herocloud.providers.vmm.host_door import HostDoor
from herocloud.providers.vmm.machine_look import MachineLook
from herocloud.providers.vmm.machine_place import Place
from herocloud.providers.vmm.marks import Mark
from herocloud.providers.vmm.shutdown import Patience
from herocloud.providers.vmm.supplies import Supplies
from herocloud.providers.vmm.users import Range

_PERFORMED = tuple(kind for kind, info in KINDS.items() if info.role == "hypervisor")
_TORN = ("vm.create", "vm.configure", "vm.resize", "vm.attach", "vm.detach", "vm.update", "vm.delete", "snapshot.save")
"""The kinds that can be cut off half-way, between a change and its mark."""


def fault_points(name: str, more: tuple[str, ...]) -> tuple[str, ...]:
    """Return every point at which `HEROCLOUD_FAULTS` can strike a hypervisor; `more` are those within its booting and stopping."""
    ways = [f"{name}.{way}{kind}" for way in ("", "undo.") for kind in _PERFORMED]
    around = [f"{way}.{point}" for way in ways for point in ("before", "after")]
    halves = [f"{name}.{way}{kind}.half" for way in ("", "undo.") for kind in _PERFORMED if kind in _TORN]
    return (*around, *halves, *(f"{name}.{point}" for point in more))


class Control(ABC):
    """How one hypervisor looks at a VM, changes it while it runs, boots it and ends it.

    Every call may come again after a crash, and finds what the call before it left.
    """

    name: str
    """The name of the provider."""

    def __init__(self, folder: Path) -> None:
        """Work in a data folder."""
        self._folder = folder

    @abstractmethod
    def require(self) -> None:
        """Raise when the program is not on this host."""

    def is_living(self, sid: str, mark: Mark) -> bool:
        """Return whether the VM's process is proven to run."""
        return machine_process.is_living(self._folder, sid, mark)

    def has_guest(self, sid: str, mark: Mark) -> bool:
        """Return whether a guest runs or is halted in it; a process that does not answer is taken to have one."""
        return self.is_living(sid, mark)

    @abstractmethod
    def machine(self, sid: str, mark: Mark) -> Part:
        """Return the machine of a living process as it really is."""

    @abstractmethod
    def power(self, sid: str) -> str | None:
        """Return the power of a living process: nothing when it does not answer, or its guest has not begun."""

    def is_unkept(self, sid: str, mark: Mark) -> bool:
        """Return whether a machine that should be started again when it ends would not be."""
        return machine_process.is_unkept(self._folder, sid, mark)

    @abstractmethod
    def change(self, place: Place, mark: Mark, target: Part, given: Supplies, work: Work) -> None:
        """Turn a running machine into `target`."""

    @abstractmethod
    def prepare_again(self, place: Place, mark: Mark, given: Supplies) -> None:
        """Save the current configuration, so that an automatic restart starts the machine as it is now."""

    @abstractmethod
    def boot(self, place: Place, mark: Mark, work: Work) -> None:
        """Start the guest, or let it go on, or go on with what was kept of its memory (`vm.revive`)."""

    @abstractmethod
    def stop(self, place: Place, mark: Mark, work: Work, patience: Patience) -> None:
        """End the process by the ladder, and clean up behind it."""

    @abstractmethod
    def pause(self, sid: str, work: Work) -> None:
        """Hold the guest."""

    @abstractmethod
    def grow(self, sid: str, path: Path, size: int) -> None:
        """Grow the root disk of a running machine to a size."""

    def sizes(self, sid: str) -> set[int]:  # noqa: ARG002  (the name is part of the contract)
        """Return the size that a running machine has its root disk for, where it can say so."""
        return set()

    def clear(self, place: Place, mark: Mark, work: Work, patience: Patience) -> None:  # noqa: B027  (most have nothing to clear)
        """Forget what is left of a process that has no guest, before its machine goes."""

    @abstractmethod
    def keep_memory(self, sid: str, mark: Mark | None, work: Work, snapshot: Path, reached: Callable[[str], None]) -> None:
        """Write the memory of a guest that is held into a snapshot; `reached` hears how far that is."""

    def end_moving(self, sid: str, mark: Mark | None, work: Work) -> None:  # noqa: B027  (most can begin again at once)
        """Wait for the end of what somebody who is gone had the process do with its memory, and throw it away."""

    def with_companions(self, sid: str, machine: Part) -> Part:
        """Return a machine that runs with what became of the processes beside its VMM; nothing is added while they work."""
        return virtiofs.with_flaw(self._folder, sid, machine)

    def bring_companions_back(self, place: Place, machine: Part) -> None:
        """Have the processes beside a VMM that runs work and be kept."""
        virtiofs.bring_back(place.data, place.sid, machine, place.owner.address)

    @abstractmethod
    def worded(self, step: Step) -> AbstractContextManager[None]:
        """Turn what the hypervisor answers into errors that the loop understands."""


class MachineDriver:
    """Performs the steps of the role `hypervisor`; it may be used by many threads."""

    def __init__(self, folder: Path, control: Control, patience: Patience, users: Range | None) -> None:
        """Work in a data folder.

        `patience` is for guests that are asked to shut down, and `users` the range of users that the host file has set aside for VMs.
        """
        self._folder = folder
        self._control = control
        self._patience = patience
        self._users = users
        self._door = HostDoor(folder, users)

    def perform(self, work: Work) -> Part:
        """Bring the part to `after`; what is there already is left alone."""
        self._go(work, work.step.after, f"{self._control.name}.{work.step.kind}", origin=work.step.before)
        return work.step.after

    def undo(self, work: Work) -> None:
        """Bring the part back to `before`, from `after` or from half-way."""
        self._go(work, work.step.before, f"{self._control.name}.undo.{work.step.kind}", origin=work.step.after)

    def probe(self, work: Work) -> Probe:
        """Compare the world with the part before and after."""
        with self._worded(work.step):
            sid = self._sid(work)
            if work.step.part == "mark":
                return probes.probe_name(self._folder, sid, work)
            lost = work.step.part == "machine" and (work.step.kind == "vm.create" or probes.lost_of(work))
            mark = marks.read_sound(self._folder, sid) if lost else marks.read(self._folder, sid)
            if work.step.part == "power":
                return self._probe_power(work, sid, mark)
            if work.step.part == "disk":
                return self._probe_disk(work, sid, mark)
            if work.step.part.startswith(SNAPSHOT):
                return kept_memory.probe(self._folder, sid, work)
            return probes.probe_machine(self._folder, sid, work, mark, lambda known: self._real(work, sid, known))

    def close(self) -> None:
        """Do nothing: no connection outlives a step."""

    def _go(self, work: Work, target: Part, point: str, origin: Part) -> None:
        step = work.step
        half = functools.partial(faults.reached, f"{point}.half")
        with self._worded(step):
            faults.reached(f"{point}.before")
            sid = self._sid(work)
            if step.part == "mark":
                ownership.rename(self._folder / "vms" / sid, target["address"])
            elif step.part == "power":
                self._bring_power(work, sid, target)
            elif step.part == "disk":
                self._bring_disk(work, sid, target, origin)
            elif step.part.startswith(SNAPSHOT):
                self._bring_memory(work, sid, target, lambda word: faults.reached(f"{point}.{word}"))
            elif target is None:
                self._remove(work, sid, half)
            else:
                # Nobody wants back what was wrong about it.
                wanted = {field: value for field, value in target.items() if field not in powers.ONLY_SEEN}
                self._bring_machine(work, sid, wanted, work.slices(target), half)
            faults.reached(f"{point}.after")

    # The machine: a mark, and what runs.

    def _bring_machine(self, work: Work, sid: str, target: Part, slices: Sequence[str] | None, half: Callable[[], None]) -> None:
        place = self._place(work, sid)
        given = supplies.of_work(work)
        mark = mark_recovery.claim(self._folder, sid, self._control.name, work)
        if mark is not None and powers.USER in (work.step.before or {}) and self._control.is_living(sid, mark):
            # Before anything goes by it: its files and taps are its user's.
            cages.choose_user(self._folder, sid, self._users)
        if mark is not None and powers.FILES in (work.step.before or {}):
            AccessLook(self._folder).mend(sid, runs=self._control.is_living(sid, mark))
        if mark is None:
            if work.step.before is not None and work.step.after is not None:
                raise Conflict(f"the machine of `{work.step.address}` is gone")
            mark_recovery.require_none(self._folder, sid, work.step.address)
            self._control.require()
            if target["shares"]:
                virtiofs.require_program(work.step.address)
            mark = Mark(self._control.name, target)
        elif self._control.has_guest(sid, mark):
            if work.step.kind in ("vm.create", "vm.configure") and mark.machine != target:
                raise Conflict(f"`{work.step.address}` must be stopped before it is configured")
            grants.give(self._folder, sid, given.needs_of(boot_files.with_held(self._folder, sid, target)))
            if powers.HOST in (work.step.before or {}):
                self._door.close_again(sid, work.step.address)
            else:
                self._door.close(sid)
            if not (probes.lost_of(work) and same(mark.machine, target)):
                self._control.change(place, mark, target, given, work)
        elif work.step.kind == "vm.create" and not same(mark.machine, target):
            raise Conflict(f"File exists: `{work.step.address}` has a different machine already")
        half()
        wanted = mark._replace(provider=self._control.name, machine=target, slices=tuple(slices or mark.slices))
        if wanted != marks.read_sound(self._folder, sid):
            marks.write(self._folder, sid, wanted._replace(serial=work.serial))
        if self._control.is_living(sid, wanted):
            self._control.prepare_again(place, wanted, given)
            if self._control.has_guest(sid, wanted):
                supervision.give_back(self._folder, sid, target)
            self._control.bring_companions_back(place, target)
        if given.is_complete(target):
            grants.take_back(self._folder, sid, given.needs_of(target))

    def _remove(self, work: Work, sid: str, half: Callable[[], None]) -> None:
        folder = self._folder / "vms" / sid
        owner, mark = ownership.read_owner(folder), marks.read_sound(self._folder, sid)
        if owner is not None and owner.lineage != work.lineage:
            raise Conflict(f"`{folder}` carries the mark of another state, {owner.lineage}")
        if mark is not None:
            if self._control.has_guest(sid, mark):
                raise Conflict(f"`{work.step.address}` must be stopped before its machine is deleted")
            self._control.clear(self._place(work, sid), mark, work, self._patience.for_guest(work.shutdown))
        else:
            # Without the rest of its folder nobody would know whose process that is.
            mark_recovery.require_none(self._folder, sid, work.step.address, thorough=True)
        orders.forget(identity.record_path(self._folder, sid))
        folders.remove_runtime_folder(self._folder, sid)
        grants.take_back(self._folder, sid, Needs())
        user = users.read(self._folder, sid)
        memory_folders.remove(self._folder, sid)
        boot_files.let_go(self._folder, sid)
        marks.remove(self._folder, sid, half)
        users.let_go(self._folder, sid, user)
        self._door.open_again()
        ownership.release(folder)

    def _real(self, work: Work, sid: str, mark: Mark) -> Part:
        """Return the part of a machine as it really is."""
        if not self._control.is_living(sid, mark):
            seen = powers.FILES in (work.step.before or {})
            return AccessLook(self._folder).with_flaw(sid, mark.machine, runs=False) if seen else mark.machine
        look, with_rules = MachineLook(self._folder, (self._control.with_companions,)), powers.HOST in (work.step.before or {})
        return look.with_flaws(sid, mark, self._control.machine(sid, mark), with_rules=with_rules)

    # Power: a process, and whether its guest runs.

    def _bring_power(self, work: Work, sid: str, target: str) -> None:
        mark = marks.read(self._folder, sid)
        if mark is None:
            mark_recovery.require_none(self._folder, sid, work.step.address)
            if target == "stopped":
                return
            raise Permanent(f"`{work.step.address}` has no machine, so there is nothing to boot")
        if target in powers.HELD:
            # Somebody takes back that it goes on; nobody wants it to be as it was.
            return
        responsiveness.wake(self._folder, sid)
        place = self._place(work, sid)
        if target == "stopped":
            self._control.stop(place, mark, work, self._patience.for_guest(work.shutdown))
            return
        if target == "paused" and self._control.has_guest(sid, mark):
            self._control.pause(sid, work)
            return
        if target == "paused" and work.step.kind in ("vm.pause", "vm.freeze") and not self._control.is_living(sid, mark):
            raise Conflict(f"`{work.step.address}` does not run")
        self._door.close(sid)
        self._control.boot(place, mark, work)
        if target == "paused":
            self._control.pause(sid, work)

    def _probe_power(self, work: Work, sid: str, mark: Mark | None) -> Probe:
        step = work.step
        if mark is None:
            return Probe(Found.DONE if step.after == "stopped" else Found.CONTRADICTED, f"the machine of `{step.address}` is gone")
        power: str | None = "stopped"
        word = ""
        if self._control.is_living(sid, mark):
            power = self._control.power(sid)
            if power is None and step.before in powers.HELD:
                return Probe(Found.NOT_STARTED, f"`{step.address}` does not answer")
            if power is None:
                return Probe(Found.PARTIAL, f"`{step.address}` is half-way: its guest has not begun")
            if step.after == "running" and self._control.is_unkept(sid, mark):
                return Probe(Found.PARTIAL, f"`{step.address}` runs, and is not started again yet when it ends")
        elif mark.booted is not None and step.kind == "vm.stop":
            word = "its process is gone, and its traces are not"
        if power == step.after:
            return Probe(Found.PARTIAL, word) if word else Probe(Found.DONE)
        if power == step.before or step.after == "stopped":
            return Probe(Found.NOT_STARTED)
        return Probe(Found.PARTIAL, f"`{step.address}` is {power}")

    # The memory in a snapshot.

    def _bring_memory(self, work: Work, sid: str, target: Part, reached: Callable[[str], None]) -> None:
        mark = marks.read(self._folder, sid)
        self._control.end_moving(sid, mark, work)
        kept_memory.bring(self._folder, target, lambda snapshot: self._control.keep_memory(sid, mark, work, snapshot, reached))

    # The root disk, whose growth a running machine has to hear of.

    def _bring_disk(self, work: Work, sid: str, target: Part, origin: Part) -> None:
        mark = marks.read(self._folder, sid)
        path = supplies.of_work(work).disk("disk", "the root disk").path
        size = path.stat().st_size
        if target["size"] < size and target["size"] != (origin or {}).get("size") and work.step.after["size"] == target["size"]:
            raise Permanent(f"`{work.step.address}`: shrinking its root disk from {size} to {target['size']} bytes would destroy data")
        if target["size"] < min(size, work.step.after["size"]):
            raise Permanent(_say_stays(work, size))
        if mark is not None and self._control.has_guest(sid, mark):
            self._control.grow(sid, path, target["size"])
        elif size != target["size"]:
            with path.open("r+b") as disk:
                disk.truncate(target["size"])

    def _probe_disk(self, work: Work, sid: str, mark: Mark | None) -> Probe:
        step = work.step
        try:
            found = {work.disks["disk"].path.stat().st_size}
        except (FileNotFoundError, KeyError):
            return Probe(Found.CONTRADICTED, f"the root disk of `{step.address}` is gone")
        if mark is not None and self._control.is_living(sid, mark):
            found |= self._control.sizes(sid)
        if found == {step.after["size"]}:
            grown = step.after["size"] > step.before["size"]
            return Probe(Found.DONE, stays=_say_stays(work, step.after["size"]) if grown else "")
        if found == {step.before["size"]}:
            return Probe(Found.NOT_STARTED)
        return Probe(Found.PARTIAL, f"the root disk of `{step.address}` is between two sizes")

    def _place(self, work: Work, sid: str) -> Place:
        return Place(self._folder, sid, probes.owner_of(work), self._users)

    def _sid(self, work: Work) -> str:
        return probes.sid_of(self._folder, self._control.name, work)

    @contextmanager
    def _worded(self, step: Step) -> Iterator[None]:
        try:
            with self._control.worded(step):
                yield
        except OSError as error:
            raise wrap(step, error) from error


def _say_stays(work: Work, size: int) -> str:
    return (
        f"the guest of `{work.step.address}` knows that its root disk grew to {sizes.show_size(size)}, so the new room may be in use. "
        "The disk stays that large."
    )
