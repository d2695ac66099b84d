"""The effects of the provider: perform, probe and undo for every kind of step on VMs.

Everything is a way from what is there to a target: performing goes to the part after, undoing to the part before. `vm.create` writes a mark
and starts nothing; the process of a VM lives from its boot to its stop. On a running machine the change is made first and written into the
mark afterwards, so that a mark never promises what is not there; a probe compares both.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits import faults
from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.model.parts import SNAPSHOT
from herocloud.model.steps import KINDS, Step
from herocloud.providers import ownership
from herocloud.providers.parts import same
from herocloud.providers.qemu import boot, hotplug, kvm_probe, memory_files, queries
from herocloud.providers.qemu.command_inputs import Place
from herocloud.providers.qemu.hotplug import Change
from herocloud.providers.qemu.observing import NAME
from herocloud.providers.qemu.qmp import Lost, Refusal
from herocloud.providers.seam import Found, Probe, Work
from herocloud.providers.vmm import files, grants, kept_memory, loopback, marks, probes, supplies, users, virtiofs
from herocloud.providers.vmm.grants import Needs
from herocloud.providers.vmm.marks import Mark
from herocloud.providers.vmm.shutdown import Patience
from herocloud.providers.vmm.users import Range

PERFORMED = tuple(kind for kind, info in KINDS.items() if info.role == "hypervisor")

_HALVES = ("vm.create", "vm.configure", "vm.resize", "vm.attach", "vm.detach", "vm.update", "vm.delete", "snapshot.save")

FAULT_POINTS = (
    *(f"qemu.{way}{kind}.{point}" for way in ("", "undo.") for kind in PERFORMED for point in ("before", "after")),
    *(f"qemu.{way}{kind}.half" for way in ("", "undo.") for kind in PERFORMED if kind in _HALVES),
    "qemu.vm.boot.marked",
    "qemu.vm.boot.launched",
    "qemu.vm.boot.settled",
    "qemu.vm.revive.noted",
    "qemu.vm.stop.ended",
)
"""Every point at which `HEROCLOUD_FAULTS` can strike this provider."""


class QemuDriver:
    """Performs the steps of the role `hypervisor`; it may be used by many threads."""

    def __init__(
        self,
        folder: Path,
        patience: Patience = Patience(),  # noqa: B008  (a named tuple never changes)
        accelerator: str = "auto",
        users: Range | None = None,
    ) -> None:
        """Work in a data folder.

        `patience` is for guests that are asked to shut down, `accelerator` what people want guests to run on, and `users` the range of
        users that the host file has set aside for VMs.
        """
        self._folder = folder
        self._users = users
        self._accelerator = accelerator
        self._patience = patience

    def perform(self, work: Work) -> Part:
        """Bring the part to `after`; what is there already is left alone."""
        self._go(work, work.step.after, f"qemu.{work.step.kind}", origin=work.step.before)
        return work.step.after

    def undo(self, work: Work) -> None:
        """Bring the part back to `before`, from `after` or from half-way."""
        self._go(work, work.step.before, f"qemu.undo.{work.step.kind}", origin=work.step.after)

    def probe(self, work: Work) -> Probe:
        """Compare the world with the part before and after."""
        with _worded(work.step):
            if work.step.part == "mark":
                return probes.probe_name(self._folder, self._sid(work), work)
            sid = self._sid(work)
            mark = marks.read(self._folder, sid)
            if work.step.part == "power":
                return self._probe_power(work, mark)
            if work.step.part == "disk":
                return self._probe_disk(work, mark)
            if work.step.part.startswith(SNAPSHOT):
                return kept_memory.probe(self._folder, sid, work)
            return probes.probe_machine(self._folder, sid, work, mark, lambda known: self._real(sid, known))

    def close(self) -> None:
        """Let go of nothing: no conversation outlives a step."""

    def _go(self, work: Work, target: Part, point: str, origin: Part) -> None:
        step = work.step
        with _worded(step):
            faults.reached(f"{point}.before")
            if step.part == "mark":
                ownership.rename(self._folder / "vms" / self._sid(work), target["address"])
            elif step.part == "power":
                self._bring_power(work, target)
            elif step.part == "disk":
                self._bring_disk(work, target, origin)
            elif step.part.startswith(SNAPSHOT):
                sid = self._sid(work)
                half = functools.partial(faults.reached, f"{point}.half")
                mark = marks.read(self._folder, sid)
                kept_memory.bring(self._folder, target, lambda snapshot: memory_files.keep(self._folder, sid, mark, work, snapshot, half))
            elif target is None:
                self._remove(work, point)
            else:
                self._bring_machine(work, target, point)
            faults.reached(f"{point}.after")

    # The machine: a mark, and what runs.

    def _bring_machine(self, work: Work, target: Part, point: str) -> None:
        sid, owner = self._sid(work), probes.owner_of(work)
        marks.claim(self._folder, sid, owner)
        mark = marks.read(self._folder, sid)
        place = Place(self._folder, sid, owner, self._users)
        given = supplies.of_work(work)
        if mark is None:
            kvm_probe.require_program()
            if target["shares"]:
                virtiofs.require_program(work.step.address)
            mark = Mark(NAME, target)
            self._refuse_changing(work, None)
        elif boot.living(self._folder, sid, mark):
            if work.step.kind in ("vm.create", "vm.configure") and mark.machine != target:
                raise Conflict(f"`{work.step.address}` must be stopped before it is configured")
            grants.give(self._folder, sid, given.needs_of(target))
            boot.close_host(place, target, work)
            with boot.open_talk(self._folder, sid) as talk:
                change = Change(talk, place, given, work.progress, work.cancelled)
                hotplug.bring(change, mark.machine, target, mark.launched)
        elif work.step.kind == "vm.create" and not same(mark.machine, target):
            raise Conflict(f"File exists: `{work.step.address}` has a different machine already")
        faults.reached(f"{point}.half")
        wanted = mark._replace(machine=target)
        if wanted != marks.read(self._folder, sid):
            marks.write(self._folder, sid, wanted)
        if boot.living(self._folder, sid, wanted):
            boot.prepare_again(place, wanted, given)
        if given.is_complete(target):
            grants.take_back(self._folder, sid, given.needs_of(target))

    def _refuse_changing(self, work: Work, mark: Mark | None) -> None:
        step = work.step
        if mark is None and step.before is not None and step.after is not None:
            raise Conflict(f"the machine of `{step.address}` is gone")

    def _remove(self, work: Work, point: str) -> None:
        sid = self._sid(work)
        folder = self._folder / "vms" / sid
        owner, mark = ownership.read_owner(folder), marks.read(self._folder, sid)
        if owner is not None and owner.lineage != work.lineage:
            raise Conflict(f"`{folder}` carries the mark of another state, {owner.lineage}")
        if mark is not None and boot.living(self._folder, sid, mark):
            raise Conflict(f"`{work.step.address}` must be stopped before its machine is deleted")
        files.remove_runtime(self._folder, sid)
        grants.take_back(self._folder, sid, Needs())
        user = users.read(self._folder, sid)
        marks.remove(self._folder, sid, lambda: faults.reached(f"{point}.half"))
        users.let_go(self._folder, sid, user)
        loopback.open_again()
        ownership.release(folder)

    def _real(self, sid: str, mark: Mark) -> Part:
        """Return the part of a machine as it really is."""
        if not boot.living(self._folder, sid, mark):
            return mark.machine
        return queries.machine_part(mark.machine, boot.questions(self._folder, sid))

    # Power: a process, and whether its guest runs.

    def _bring_power(self, work: Work, target: str) -> None:
        sid = self._sid(work)
        mark = marks.read(self._folder, sid)
        if mark is None:
            if target == "stopped":
                return
            raise Permanent(f"`{work.step.address}` has no machine, so there is nothing to boot")
        place = Place(self._folder, sid, probes.owner_of(work), self._users)
        if target == "stopped":
            boot.stop(place, mark, work, self._patience.for_guest(work.shutdown))
            return
        if target == "paused" and boot.living(self._folder, sid, mark):
            boot.pause(self._folder, sid, paused=True)
            return
        if work.step.kind in ("vm.pause", "vm.freeze") and not boot.living(self._folder, sid, mark):
            raise Conflict(f"`{work.step.address}` does not run")
        if work.step.kind == "vm.revive":
            boot.revive(place, mark, work, self._accelerator, lambda talk: memory_files.read_back(talk, self._folder, work))
        else:
            boot.boot(place, mark, work, self._accelerator)
        if target == "paused":
            boot.pause(self._folder, sid, paused=True)

    def _probe_power(self, work: Work, mark: Mark | None) -> Probe:
        step = work.step
        if mark is None:
            return Probe(Found.DONE if step.after == "stopped" else Found.CONTRADICTED, f"the machine of `{step.address}` is gone")
        power, word = "stopped", ""
        if boot.living(self._folder, self._sid(work), mark):
            seen = boot.questions(self._folder, self._sid(work))
            if seen is None or seen.status in queries.NOT_BEGUN:
                return Probe(Found.PARTIAL, f"`{step.address}` is half-way: its guest has not begun")
            if boot.is_unkept(self._folder, self._sid(work), mark) and step.after == "running":
                return Probe(Found.PARTIAL, f"`{step.address}` runs, and is not started again yet when it ends")
            power = seen.power
        elif mark.booted is not None and step.kind == "vm.stop":
            word = "its process is gone, and its traces are not"
        if power == step.after:
            return Probe(Found.PARTIAL, word) if word else Probe(Found.DONE)
        if power == step.before or step.after == "stopped":
            return Probe(Found.NOT_STARTED)
        return Probe(Found.PARTIAL, f"`{step.address}` is {power}")

    # The root disk, whose growth a running machine has to hear of.

    def _bring_disk(self, work: Work, target: Part, origin: Part) -> None:
        sid = self._sid(work)
        mark = marks.read(self._folder, sid)
        path = supplies.of_work(work).disk("disk", "the root disk").path
        size = path.stat().st_size
        if target["size"] < size and target["size"] != (origin or {}).get("size") and work.step.after["size"] == target["size"]:
            raise Permanent(f"`{work.step.address}`: shrinking its root disk from {size} to {target['size']} bytes would destroy data")
        if mark is not None and boot.living(self._folder, sid, mark):
            with boot.open_talk(self._folder, sid) as talk:
                hotplug.grow(talk, "root", target["size"])
        elif size != target["size"]:
            with path.open("r+b") as disk:
                disk.truncate(target["size"])

    def _probe_disk(self, work: Work, mark: Mark | None) -> Probe:
        step, sid = work.step, self._sid(work)
        try:
            sizes = {work.disks["disk"].path.stat().st_size}
        except (FileNotFoundError, KeyError):
            return Probe(Found.CONTRADICTED, f"the root disk of `{step.address}` is gone")
        if mark is not None and boot.living(self._folder, sid, mark):
            seen = boot.questions(self._folder, sid)
            if seen is not None and "image" in seen.disks.get("root", {}):
                sizes.add(int(seen.disks["root"]["image"]["virtual-size"]))
        if sizes == {step.after["size"]}:
            return Probe(Found.DONE)
        if sizes == {step.before["size"]}:
            return Probe(Found.NOT_STARTED)
        return Probe(Found.PARTIAL, f"the root disk of `{step.address}` is between two sizes")

    def _sid(self, work: Work) -> str:
        return probes.sid_of(self._folder, NAME, work)


@contextmanager
def _worded(step: Step) -> Iterator[None]:
    """Turn what QEMU and the system say into what the loop understands."""
    try:
        yield
    except Refusal as refusal:
        raise Permanent(f"`{step.address}`: {refusal}") from refusal
    except Lost as lost:
        raise Temporary(f"`{step.address}`: {lost}") from lost
    except OSError as error:
        where = f" (`{error.filename}`)" if error.filename else ""
        raise Permanent(f"`{step.address}`: {error.strerror or error}{where}") from error
