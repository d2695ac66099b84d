"""The effects of the provider: what the driver of all hypervisors needs to control a Cloud Hypervisor process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model.errors import Permanent, Temporary
from herocloud.model.steps import Step
from herocloud.providers.cloud_hypervisor import (
    attendance,
    device_changes,
    installation,
    live_view,
    memory_transfers,
    readings,
    vmm_process,
)
from herocloud.providers.cloud_hypervisor.client import Lost, Refusal, Silent
from herocloud.providers.cloud_hypervisor.device_changes import Change
from herocloud.providers.cloud_hypervisor.observing import NAME
from herocloud.providers.seam import Work
from herocloud.providers.vmm import identity, lost_shares, machine_driver
from herocloud.providers.vmm.machine_driver import Control, MachineDriver
from herocloud.providers.vmm.machine_place import Place
from herocloud.providers.vmm.marks import Mark
from herocloud.providers.vmm.shutdown import Patience
from herocloud.providers.vmm.supplies import Supplies
from herocloud.providers.vmm.users import Range

_WITHIN = (
    *("vm.boot.marked", "vm.boot.launched", "vm.boot.created", "vm.boot.begun", "vm.boot.settled", "vm.stop.ended"),
    *("snapshot.save.written", "vm.revive.lent", "vm.revive.restored", "vm.revive.noted"),
)
FAULT_POINTS = machine_driver.fault_points(NAME, _WITHIN)
"""Every point at which `HEROCLOUD_FAULTS` can strike this provider."""


class CloudHypervisorDriver(MachineDriver):
    """Performs the steps of the role `hypervisor` with Cloud Hypervisor."""

    def __init__(
        self,
        folder: Path,
        patience: Patience = Patience(),  # noqa: B008  (a named tuple never changes)
        agreement: float = device_changes.PATIENCE,
        users: Range | None = None,
    ) -> None:
        """Work in a data folder; `agreement` is the patience with guests that are to let go of something."""
        super().__init__(folder, _Control(folder, agreement), patience, users)


class _Control(Control):
    """Controls Cloud Hypervisor processes over their API."""

    name = NAME

    def __init__(self, folder: Path, agreement: float) -> None:
        """Work in a data folder."""
        super().__init__(folder)
        self._agreement = agreement

    def require(self) -> None:
        """Raise when Cloud Hypervisor is not on this host."""
        installation.require()

    def has_guest(self, sid: str, mark: Mark) -> bool:
        """Return whether a guest runs or is halted; a process that does not answer is taken to have one."""
        if not self.is_living(sid, mark):
            return False
        seen = live_view.look(self._folder, sid)
        return seen is None or seen.has_begun

    def machine(self, sid: str, mark: Mark) -> Part:
        """Return the machine of a living process as it really is."""
        seen = live_view.look(self._folder, sid)
        machine = readings.machine_part(mark.machine, seen)
        return lost_shares.among_younger(self._folder, sid, machine) if seen is not None else machine

    def power(self, sid: str) -> str | None:
        """Return the power of a living process."""
        seen = live_view.look(self._folder, sid)
        return None if seen is None or not seen.has_begun else seen.power

    def change(self, place: Place, mark: Mark, target: Part, given: Supplies, work: Work) -> None:
        """Turn a running machine into `target`."""
        process = identity.running(self._folder, place.sid) or identity.find(self._folder, place.sid)
        with vmm_process.open_client(self._folder, place.sid) as client:
            pid = process.pid if process else 0
            change = Change(client, pid, place, given, work.progress, work.cancelled, self._agreement)
            device_changes.bring(change, mark.machine, target)

    def prepare_again(self, place: Place, mark: Mark, given: Supplies) -> None:
        """Write down how the machine is started again."""
        vmm_process.prepare_again(place, mark, given)

    def with_companions(self, sid: str, machine: Part) -> Part:
        """Return a machine that runs with what became of the processes beside its VMM."""
        return attendance.with_flaw(self._folder, sid, super().with_companions(sid, machine))

    def bring_companions_back(self, place: Place, machine: Part) -> None:
        """Have the processes beside a VMM that runs work and be kept."""
        super().bring_companions_back(place, machine)
        attendance.bring_back(place.data, place.sid)

    def boot(self, place: Place, mark: Mark, work: Work) -> None:
        """Start the guest, or let it go on, or go on with what was kept of its memory."""
        (vmm_process.revive if work.step.kind == "vm.revive" else vmm_process.boot)(place, mark, work)

    def stop(self, place: Place, mark: Mark, work: Work, patience: Patience) -> None:
        """End the process."""
        vmm_process.stop(place, mark, work, patience)

    def pause(self, sid: str, work: Work) -> None:
        """Hold the guest."""
        vmm_process.pause(self._folder, sid, work)

    def grow(self, sid: str, path: Path, size: int) -> None:
        """Grow the root disk of a running machine and its file; if the file is larger already, the guest knows."""
        if path.stat().st_size < size:
            with vmm_process.open_client(self._folder, sid) as client:
                client.resize_disk("root", size)

    def clear(self, place: Place, mark: Mark, work: Work, patience: Patience) -> None:
        """End a process without a guest, left by somebody who was killed while it started, and forget one that is dead."""
        if self.is_living(place.sid, mark):
            vmm_process.stop(place, mark, work, patience)
        elif mark.booted is not None:
            vmm_process.clear(self._folder, place.sid, mark)

    def keep_memory(self, sid: str, mark: Mark | None, work: Work, snapshot: Path, reached: Callable[[str], None]) -> None:
        """Have the process write the memory of its guest."""
        memory_transfers.keep(self._folder, sid, mark, work, snapshot, reached)

    def end_moving(self, sid: str, mark: Mark | None, work: Work) -> None:
        """Wait until the process is free, and remove what it wrote."""
        memory_transfers.end_earlier(self._folder, sid, mark, work)

    @contextmanager
    def worded(self, step: Step) -> Iterator[None]:
        """Turn what Cloud Hypervisor answers into errors that the loop understands."""
        try:
            yield
        except Refusal as refusal:
            raise Permanent(f"`{step.address}`: {refusal}{_way_out(refusal)}") from refusal
        except (Lost, Silent) as lost:
            raise Temporary(f"`{step.address}`: {lost}; try again, and where it stays so `herocloud doctor` checks the program") from lost


_WAYS = (
    (("locking disk", "already locked"), "another VM, or a program, has this disk open; stop it, or give this VM a disk of its own"),
    (("Resource busy", "os error 16"), "another program holds this tap; `ip -details link show` and `fuser /dev/net/tun` find it"),
    (("Cannot open kernel", "Cannot open initramfs"), "the image's `kernel` and `initramfs` have to be files that exist"),
    (("Cannot allocate memory", "os error 12"), "the host has not enough free memory; stop a VM, or give this one less"),
    (("No space left", "os error 28"), "make room on the file system of the data folder; `herocloud doctor` shows how full it is"),
    (("kvm", "/dev/kvm"), "`herocloud doctor` shows what KVM needs here"),
    (("Operation not permitted", "os error 1)"), "the host does not allow it; `herocloud doctor` shows what is missing"),
)
"""What to do about a refusal, by words in its messages; the first that matches."""


def _way_out(refusal: Refusal) -> str:
    return next((f"; {way}" for words, way in _WAYS if refusal.says(*words)), "")
