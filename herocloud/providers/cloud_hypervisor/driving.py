"""The effects of the provider: perform, probe and undo for every kind of step on VMs.

Everything is a way from what is there to a target: performing goes to the part after, undoing to the part before. `vm.create` writes a mark
and starts nothing; the process of a VM lives from its boot to its stop. On a running machine the change is made first and written into the
mark afterwards, so that a mark never promises what is not there; a probe compares both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits import faults
from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent, Temporary
from herocloud.model.parts import SNAPSHOT
from herocloud.model.steps import KINDS, Step
from herocloud.providers import ownership
from herocloud.providers.cloud_hypervisor import device_changes, installation, live_view, memory_files, readings, vmm_process
from herocloud.providers.cloud_hypervisor.client import Lost, Refusal, Silent
from herocloud.providers.cloud_hypervisor.device_changes import Change
from herocloud.providers.cloud_hypervisor.hardware import Place
from herocloud.providers.cloud_hypervisor.observing import NAME
from herocloud.providers.parts import same
from herocloud.providers.seam import Found, Probe, Work
from herocloud.providers.vmm import files, grants, identity, kept_memory, marks, memory_folders, probes, supplies, users, virtiofs
from herocloud.providers.vmm.grants import Needs
from herocloud.providers.vmm.marks import Mark
from herocloud.providers.vmm.shutdown import Patience
from herocloud.providers.vmm.users import Range

PERFORMED = tuple(kind for kind, info in KINDS.items() if info.role == "hypervisor")

_HALVES = ("vm.create", "vm.configure", "vm.resize", "vm.attach", "vm.detach", "vm.update", "vm.delete", "snapshot.save")

FAULT_POINTS = (
    *(f"{NAME}.{way}{kind}.{point}" for way in ("", "undo.") for kind in PERFORMED for point in ("before", "after")),
    *(f"{NAME}.{way}{kind}.half" for way in ("", "undo.") for kind in PERFORMED if kind in _HALVES),
    f"{NAME}.vm.boot.marked",
    f"{NAME}.vm.boot.launched",
    f"{NAME}.vm.boot.created",
    f"{NAME}.vm.boot.begun",
    f"{NAME}.vm.boot.settled",
    f"{NAME}.vm.stop.ended",
    f"{NAME}.snapshot.save.written",
    f"{NAME}.undo.snapshot.save.written",
    f"{NAME}.vm.revive.lent",
    f"{NAME}.vm.revive.restored",
    f"{NAME}.vm.revive.noted",
)
"""Every point at which `HEROCLOUD_FAULTS` can strike this provider."""


class CloudHypervisorDriver:
    """Performs the steps of the role `hypervisor`; it may be used by many threads."""

    def __init__(
        self,
        folder: Path,
        patience: Patience = Patience(),  # noqa: B008  (a named tuple never changes)
        agreement: float = device_changes.PATIENCE,
        users: Range | None = None,
    ) -> None:
        """Work in a data folder.

        `patience` is for guests that are asked to shut down, `agreement` for those that are to let go, and `users` the range of users that
        the host file has set aside for VMs.
        """
        self._folder = folder
        self._users = users
        self._patience = patience
        self._agreement = agreement

    def perform(self, work: Work) -> Part:
        """Bring the part to `after`; what is there already is left alone."""
        self._go(work, work.step.after, f"{NAME}.{work.step.kind}", origin=work.step.before)
        return work.step.after

    def undo(self, work: Work) -> None:
        """Bring the part back to `before`, from `after` or from half-way."""
        self._go(work, work.step.before, f"{NAME}.undo.{work.step.kind}", origin=work.step.after)

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
                return self._probe_disk(work)
            if work.step.part.startswith(SNAPSHOT):
                return kept_memory.probe(self._folder, sid, work)
            return probes.probe_machine(self._folder, sid, work, mark, lambda known: self._real(sid, known))

    def close(self) -> None:
        """Let go of nothing: no connection outlives a request."""

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
                self._bring_memory(work, target, point)
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
            if work.step.before is not None and work.step.after is not None:
                raise Conflict(f"the machine of `{work.step.address}` is gone")
            installation.require()
            if target["shares"]:
                virtiofs.require_program(work.step.address)
            mark = Mark(NAME, target)
        elif self._guest_runs(sid, mark):
            if work.step.kind in ("vm.create", "vm.configure") and mark.machine != target:
                raise Conflict(f"`{work.step.address}` must be stopped before it is configured")
            grants.give(self._folder, sid, given.needs_of(target))
            process = identity.running(self._folder, sid) or identity.find(self._folder, sid)
            with vmm_process.open_client(self._folder, sid) as client:
                pid = process.pid if process else 0
                change = Change(client, pid, place, given, work.progress, work.cancelled, self._agreement)
                device_changes.bring(change, mark.machine, target)
        elif work.step.kind == "vm.create" and not same(mark.machine, target):
            raise Conflict(f"File exists: `{work.step.address}` has a different machine already")
        faults.reached(f"{point}.half")
        wanted = mark._replace(machine=target)
        if wanted != marks.read(self._folder, sid):
            marks.write(self._folder, sid, wanted)
        if vmm_process.is_living(self._folder, sid, wanted):
            vmm_process.prepare_again(place, wanted, given)
        if given.is_complete(target):
            grants.take_back(self._folder, sid, given.needs_of(target))

    def _remove(self, work: Work, point: str) -> None:
        sid = self._sid(work)
        folder = self._folder / "vms" / sid
        owner, mark = ownership.read_owner(folder), marks.read(self._folder, sid)
        if owner is not None and owner.lineage != work.lineage:
            raise Conflict(f"`{folder}` carries the mark of another state, {owner.lineage}")
        if mark is not None and vmm_process.is_living(self._folder, sid, mark):
            if self._guest_runs(sid, mark):
                raise Conflict(f"`{work.step.address}` must be stopped before its machine is deleted")
            # A process without a guest, left by somebody who was killed while it started.
            place = Place(self._folder, sid, probes.owner_of(work), self._users)
            vmm_process.stop(place, mark, work, self._patience.for_guest(work.shutdown))
        elif mark is not None and mark.booted is not None:
            vmm_process.clear(self._folder, sid, mark)
        files.remove_runtime(self._folder, sid)
        grants.take_back(self._folder, sid, Needs())
        user = users.read(self._folder, sid)
        memory_folders.remove(self._folder, sid)
        marks.remove(self._folder, sid, lambda: faults.reached(f"{point}.half"))
        users.let_go(self._folder, sid, user)
        ownership.release(folder)

    def _real(self, sid: str, mark: Mark) -> Part:
        """Return the part of a machine as it really is."""
        if not vmm_process.is_living(self._folder, sid, mark):
            return mark.machine
        return readings.machine_part(mark.machine, live_view.look(self._folder, sid))

    def _guest_runs(self, sid: str, mark: Mark) -> bool:
        """Return whether a guest runs or is halted; a process that does not answer is taken to have one."""
        if not vmm_process.is_living(self._folder, sid, mark):
            return False
        seen = live_view.look(self._folder, sid)
        return seen is None or seen.has_begun

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
            vmm_process.stop(place, mark, work, self._patience.for_guest(work.shutdown))
            return
        if target == "paused" and self._guest_runs(sid, mark):
            vmm_process.pause(self._folder, sid, work, paused=True)
            return
        if work.step.kind in ("vm.pause", "vm.freeze") and not vmm_process.is_living(self._folder, sid, mark):
            raise Conflict(f"`{work.step.address}` does not run")
        (vmm_process.revive if work.step.kind == "vm.revive" else vmm_process.boot)(place, mark, work)
        if target == "paused":
            vmm_process.pause(self._folder, sid, work, paused=True)

    def _probe_power(self, work: Work, mark: Mark | None) -> Probe:
        step, sid = work.step, self._sid(work)
        if mark is None:
            return Probe(Found.DONE if step.after == "stopped" else Found.CONTRADICTED, f"the machine of `{step.address}` is gone")
        power, word = "stopped", ""
        if vmm_process.is_living(self._folder, sid, mark):
            seen = live_view.look(self._folder, sid)
            if seen is None or not seen.has_begun:
                return Probe(Found.PARTIAL, f"`{step.address}` is half-way: its guest has not begun")
            if vmm_process.is_unkept(self._folder, sid, mark) and step.after == "running":
                return Probe(Found.PARTIAL, f"`{step.address}` runs, and is not started again yet when it ends")
            power = seen.power
        elif mark.booted is not None and step.kind == "vm.stop":
            word = "its process is gone, and its traces are not"
        if power == step.after:
            return Probe(Found.PARTIAL, word) if word else Probe(Found.DONE)
        if power == step.before or step.after == "stopped":
            return Probe(Found.NOT_STARTED)
        return Probe(Found.PARTIAL, f"`{step.address}` is {power}")

    # The memory in a snapshot.

    def _bring_memory(self, work: Work, target: Part, point: str) -> None:
        sid = self._sid(work)
        mark = marks.read(self._folder, sid)

        def keep(snapshot: Path) -> None:
            memory_files.keep(self._folder, sid, mark, work, snapshot, lambda word: faults.reached(f"{point}.{word}"))

        memory_files.end_earlier(self._folder, sid, mark, work)
        kept_memory.bring(self._folder, target, keep)

    # The root disk, whose growth a running machine has to hear of.

    def _bring_disk(self, work: Work, target: Part, origin: Part) -> None:
        sid = self._sid(work)
        mark = marks.read(self._folder, sid)
        path = supplies.of_work(work).disk("disk", "the root disk").path
        size = path.stat().st_size
        if target["size"] < size and target["size"] != (origin or {}).get("size") and work.step.after["size"] == target["size"]:
            raise Permanent(f"`{work.step.address}`: shrinking its root disk from {size} to {target['size']} bytes would destroy data")
        if mark is not None and self._guest_runs(sid, mark):
            if size < target["size"]:
                with vmm_process.open_client(self._folder, sid) as client:
                    client.resize_disk("root", target["size"])
        elif size != target["size"]:
            with path.open("r+b") as disk:
                disk.truncate(target["size"])

    def _probe_disk(self, work: Work) -> Probe:
        step = work.step
        try:
            size = work.disks["disk"].path.stat().st_size
        except (FileNotFoundError, KeyError):
            return Probe(Found.CONTRADICTED, f"the root disk of `{step.address}` is gone")
        if size == step.after["size"]:
            return Probe(Found.DONE)
        if size == step.before["size"]:
            return Probe(Found.NOT_STARTED)
        return Probe(Found.PARTIAL, f"the root disk of `{step.address}` is between two sizes")

    def _sid(self, work: Work) -> str:
        return probes.sid_of(self._folder, NAME, work)


@contextmanager
def _worded(step: Step) -> Iterator[None]:
    """Turn what Cloud Hypervisor and the system say into what the loop understands."""
    try:
        yield
    except Refusal as refusal:
        raise Permanent(f"`{step.address}`: {refusal}{_way_out(refusal)}") from refusal
    except (Lost, Silent) as lost:
        raise Temporary(f"`{step.address}`: {lost}") from lost
    except OSError as error:
        where = f" (`{error.filename}`)" if error.filename else ""
        raise Permanent(f"`{step.address}`: {error.strerror or error}{where}") from error


_WAYS = (
    (("locking disk", "already locked"), "another VM, or a program, has this disk open; stop it, or give this VM a disk of its own"),
    (("Resource busy", "os error 16"), "another program holds this tap; `ip -details link show` and `fuser /dev/net/tun` find it"),
    (("Cannot open kernel", "Cannot open initramfs"), "the image's `kernel` and `initramfs` have to be files that exist"),
    (("Cannot allocate memory", "os error 12"), "the host has not enough free memory; stop a VM, or give this one less"),
    (("No space left", "os error 28"), "make room on the file system of the data folder; `herocloud capacity` shows what is on it"),
    (("kvm", "/dev/kvm"), "`herocloud doctor` shows what KVM needs here"),
    (("Operation not permitted", "os error 1)"), "the host does not allow it; `herocloud doctor` shows what is missing"),
)
"""What to do about a refusal, by words in its messages; the first that matches."""


def _way_out(refusal: Refusal) -> str:
    return next((f"; {way}" for words, way in _WAYS if refusal.says(*words)), "")
