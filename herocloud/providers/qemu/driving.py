"""The effects of the provider: what the driver of all hypervisors needs to control a QEMU process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model.errors import Permanent, Temporary
from herocloud.model.steps import Step
from herocloud.providers.qemu import boot, closed_host, hotplug, kvm_probe, memory_files, open_ports, queries
from herocloud.providers.qemu.hotplug import Change
from herocloud.providers.qemu.observing import NAME
from herocloud.providers.qemu.qmp import Lost, Refusal
from herocloud.providers.seam import Work
from herocloud.providers.vmm import lost_shares, machine_driver
from herocloud.providers.vmm.machine_driver import Control, MachineDriver
from herocloud.providers.vmm.machine_place import Place
from herocloud.providers.vmm.marks import Mark
from herocloud.providers.vmm.shutdown import Patience
from herocloud.providers.vmm.supplies import Supplies
from herocloud.providers.vmm.users import Range

_WITHIN = ("vm.boot.marked", "vm.boot.launched", "vm.boot.settled", "vm.stop.ended", "vm.revive.noted", "snapshot.save.written")
FAULT_POINTS = machine_driver.fault_points(NAME, _WITHIN)
"""Every point at which `HEROCLOUD_FAULTS` can strike this provider."""


class QemuDriver(MachineDriver):
    """Performs the steps of the role `hypervisor` with QEMU."""

    def __init__(
        self,
        folder: Path,
        patience: Patience = Patience(),  # noqa: B008  (a named tuple never changes)
        accelerator: str = "auto",
        users: Range | None = None,
    ) -> None:
        """Work in a data folder; `accelerator` is what people want guests to run on."""
        super().__init__(folder, _Control(folder, accelerator), patience, users)


class _Control(Control):
    """Controls QEMU processes over QMP."""

    name = NAME

    def __init__(self, folder: Path, accelerator: str) -> None:
        """Work in a data folder."""
        super().__init__(folder)
        self._accelerator = accelerator

    def require(self) -> None:
        """Raise when QEMU is not on this host."""
        kvm_probe.require_program()

    def machine(self, sid: str, mark: Mark) -> Part:
        """Return the machine of a living process as it really is."""
        seen = boot.questions(self._folder, sid)
        machine = queries.machine_part(mark.machine, seen)
        if seen is not None:
            machine = lost_shares.among_unconnected(self._folder, sid, machine)
        return open_ports.with_flaw(self._folder, sid, machine, seen.ports if seen is not None else frozenset())

    def power(self, sid: str) -> str | None:
        """Return the power of a living process."""
        seen = boot.questions(self._folder, sid)
        return None if seen is None or seen.status in queries.NOT_BEGUN else seen.power

    def change(self, place: Place, mark: Mark, target: Part, given: Supplies, work: Work) -> None:
        """Turn a running machine into `target`."""
        closed_host.require_closed(place, mark, target, given)
        with boot.open_talk(self._folder, place.sid) as talk:
            hotplug.bring(Change(talk, place, given, work.progress, work.cancelled), mark.machine, target, mark.launched)

    def prepare_again(self, place: Place, mark: Mark, given: Supplies) -> None:
        """Write down how the machine is started again."""
        boot.prepare_again(place, mark, given)

    def boot(self, place: Place, mark: Mark, work: Work) -> None:
        """Start the guest, or let it go on, or go on with what was kept of its memory."""
        if work.step.kind == "vm.revive":
            layout = memory_files.layout_of(self._folder, work)
            boot.revive(place, mark, work, self._accelerator, lambda talk: memory_files.read_back(talk, self._folder, work), layout)
        else:
            boot.boot(place, mark, work, self._accelerator)

    def stop(self, place: Place, mark: Mark, work: Work, patience: Patience) -> None:
        """End the process."""
        boot.stop(place, mark, work, patience)

    def clear(self, place: Place, mark: Mark, work: Work, patience: Patience) -> None:
        """End what stands by a process that is dead, and forget it: its shell may pause before it starts it again."""
        if mark.booted is not None:
            boot.stop(place, mark, work, patience)

    def pause(self, sid: str, work: Work) -> None:  # noqa: ARG002  (its name is part of the contract)
        """Hold the guest."""
        boot.pause(self._folder, sid, paused=True)

    def grow(self, sid: str, path: Path, size: int) -> None:  # noqa: ARG002  (the name is part of the contract)
        """Grow the root disk of a running machine; QEMU enlarges the file itself."""
        with boot.open_talk(self._folder, sid) as talk:
            hotplug.grow(talk, "root", size)

    def sizes(self, sid: str) -> set[int]:
        """Return the size that QEMU has the root disk for."""
        seen = boot.questions(self._folder, sid)
        if seen is None or "image" not in seen.disks.get("root", {}):
            return set()
        return {int(seen.disks["root"]["image"]["virtual-size"])}

    def keep_memory(self, sid: str, mark: Mark | None, work: Work, snapshot: Path, reached: Callable[[str], None]) -> None:
        """Have the process write the memory of its guest."""
        memory_files.keep(self._folder, sid, mark, work, snapshot, reached)

    @contextmanager
    def worded(self, step: Step) -> Iterator[None]:
        """Turn what QEMU answers into errors that the loop understands."""
        try:
            yield
        except Refusal as refusal:
            raise Permanent(f"`{step.address}`: {refusal}") from refusal
        except Lost as lost:
            raise Temporary(f"`{step.address}`: {lost}") from lost
