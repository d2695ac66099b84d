"""One batched look at the VMs of a data folder: marks, processes, and one short visit to every machine that runs.

A host without such VMs costs one listing of a folder. Speaking to machines takes asyncio and a package, which are loaded only when there
is a machine to speak to.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model import powers
from herocloud.model.errors import Permanent
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing
from herocloud.providers import recollections
from herocloud.providers.recollections import Memory
from herocloud.providers.seam import Lacking, Standing
from herocloud.providers.vmm import marks
from herocloud.providers.vmm.marks import Marked

NAME = "qemu"


class QemuObserver:
    """Looks at the VMs of one data folder."""

    def __init__(self, folder: Path, memory: Memory = recollections.NOTHING) -> None:
        """Remember where to look, and what the state knows of VMs."""
        self._folder = folder
        self._memory = memory

    def observe(self, stacks: Iterable[StackName] | None = None) -> Observed:
        """Look at everything that carries our mark, of these stacks or of all."""
        wanted = None if stacks is None else frozenset(stacks)
        try:
            found, halves = marks.look(self._folder, NAME, wanted, self._memory)
            parts = _look(self._folder, found)
        except OSError as error:
            raise Permanent(f"{error.strerror or error} (`{error.filename or self._folder}`)") from error
        things: dict[StackName, dict[Address, Thing]] = {}
        for one in found:
            stack, address = StackName(one.owner.stack), Address(one.owner.address)
            things.setdefault(stack, {})[address] = Thing(
                stack, address, NAME, parts[one.sid], one.owner.lineage, slices=marks.slices_of(one.mark)
            )
        marks.add_halves(halves, NAME, things)
        return Observed(things=things, serials=marks.serials(found))


def _look(folder: Path, marked_things: list[Marked]) -> dict[str, dict[str, Part]]:
    if not marked_things:
        return {}
    from herocloud.providers.vmm import identity
    from herocloud.providers.vmm.file_access import AccessLook

    alive = [one for one in marked_things if identity.lives(folder, one.sid, one.mark.booted)]
    access, running = AccessLook(folder), {one.sid for one in alive}
    parts: dict[str, dict[str, Part]] = {
        one.sid: {"machine": one.with_flaws(access.with_flaw(one.sid, one.mark.machine, runs=False)), "power": "stopped"}
        for one in marked_things
        if one.sid not in running
    }
    if not alive:
        return parts
    from herocloud.providers.qemu import command_inputs, open_ports, qmp, queries, vitals
    from herocloud.providers.vmm import files, folders, lost_shares, responsiveness, virtiofs
    from herocloud.providers.vmm.machine_look import MachineLook

    sockets = {vm.sid: command_inputs.sockets_of(folder, vm.sid).looking for vm in alive}
    answers = qmp.ask_many(sockets.values(), queries.QUESTIONS)
    answers |= _ask_again(folder, {sid: socket for sid, socket in sockets.items() if answers[socket] is None})
    machines = MachineLook(folder, [partial(virtiofs.with_flaw, folder)])
    for vm in alive:
        seen = queries.read(answers[sockets[vm.sid]])
        # One that can only be looked at would have its power cut at the next change.
        control = command_inputs.sockets_of(folder, vm.sid).control
        can_act = seen is not None and control.exists()
        unheard = "running" if can_act else responsiveness.power_without_answer(folder, vm.sid, sockets[vm.sid], control)
        machine = queries.machine_part(vm.mark.machine, seen)
        if seen is not None:
            machine = lost_shares.among_unconnected(folder, vm.sid, machine)
        machine = open_ports.with_flaw(folder, vm.sid, machine, seen.ports if seen is not None else frozenset())
        parts[vm.sid] = {
            "machine": vm.with_flaws(machines.with_flaws(vm.sid, vm.mark, machine)),
            "power": vitals.power_of(folder, vm.sid, vm.mark, seen) if unheard == "running" else unheard,
        }
        vitals.note(folder, vm.sid, vm.owner.address, vm.mark, seen)
        files.cut_log(folders.serial_log(folder, vm.sid))
    machines.keep()
    return parts


def _ask_again(folder: Path, silent: dict[str, Path]) -> dict[Path, list[Json] | None]:
    """Give machines more time that did not answer, unless it is plain why: a busy host must not make one look dead."""
    from herocloud.providers.qemu import qmp, queries
    from herocloud.providers.vmm import responsiveness

    again = [socket for sid, socket in silent.items() if responsiveness.power_without_answer(folder, sid, socket) == powers.UNRESPONSIVE]
    return qmp.ask_many(again, queries.QUESTIONS, patience=responsiveness.PATIENCE) if again else {}


def survey(accelerator: str = "auto") -> Standing:
    """Say whether VMs can run here, on what, and what of them cannot. The first time on a host with KVM this boots something."""
    from herocloud.providers.qemu import firmware, kvm_probe
    from herocloud.providers.vmm import virtiofs

    program = kvm_probe.find_program()
    if program is None:
        return Standing(False, kvm_probe.missing())
    acceleration = kvm_probe.accelerate(program, accelerator)
    shares = () if virtiofs.find_program() else (Lacking("shares", virtiofs.MISSING),)
    disks = () if firmware.find() else (Lacking("disks that start by UEFI only", firmware.MISSING),)
    why = f"with {acceleration.name.upper()}: {acceleration.why}"
    return Standing(acceleration.usable, why, accelerated=acceleration.name == "kvm", lacking=(*shares, *disks))
