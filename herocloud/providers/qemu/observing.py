"""One short visit to every machine that runs, all of them at once; and whether VMs can run here at all.

Speaking to machines takes asyncio and a package, which are loaded only when there is a machine to speak to.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from herocloud.kits.jsons import Json, Part
from herocloud.model import powers
from herocloud.providers import recollections
from herocloud.providers.recollections import Memory
from herocloud.providers.seam import Lacking, Standing
from herocloud.providers.vmm.machine_observer import MachineObserver
from herocloud.providers.vmm.marks import Marked

NAME = "qemu"


def observer(folder: Path, memory: Memory = recollections.NOTHING) -> MachineObserver:
    """Return what looks at the VMs of one data folder; `memory` is what the state knows of them."""
    return MachineObserver(folder, NAME, _look, memory)


def _look(folder: Path, alive: Sequence[Marked]) -> dict[str, dict[str, Part]]:
    from herocloud.providers.qemu import command_inputs, open_ports, qmp, queries, vitals
    from herocloud.providers.vmm import files, folders, lost_shares, responsiveness, virtiofs
    from herocloud.providers.vmm.machine_look import MachineLook

    sockets = {vm.sid: command_inputs.sockets_of(folder, vm.sid).looking for vm in alive}
    answers = qmp.ask_many(sockets.values(), queries.QUESTIONS)
    answers |= _ask_again(folder, {sid: socket for sid, socket in sockets.items() if answers[socket] is None})
    machines = MachineLook(folder, [partial(virtiofs.with_flaw, folder)])
    parts: dict[str, dict[str, Part]] = {}
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
