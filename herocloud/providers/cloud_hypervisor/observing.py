"""`vm.info` of every machine that runs, side by side; and whether VMs can run here at all.

A machine that is slow to answer is not dead: its process says whether it lives, and its mark what it is.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.errors import Permanent
from herocloud.providers import recollections
from herocloud.providers.recollections import Memory
from herocloud.providers.seam import FIRMWARE, Lacking, ProviderContext, Standing
from herocloud.providers.vmm.machine_observer import MachineObserver
from herocloud.providers.vmm.marks import Marked

NAME = "cloud-hypervisor"
_AT_ONCE = 32


def observer(folder: Path, memory: Memory = recollections.NOTHING) -> MachineObserver:
    """Return what looks at the VMs of one data folder; `memory` is what the state knows of them."""
    return MachineObserver(folder, NAME, _look, memory)


def _look(folder: Path, alive: Sequence[Marked]) -> dict[str, dict[str, Part]]:
    from concurrent.futures import ThreadPoolExecutor

    from herocloud.providers.cloud_hypervisor import attendance, file_layout, live_view, readings
    from herocloud.providers.vmm import lost_shares, responsiveness, virtiofs
    from herocloud.providers.vmm.machine_look import MachineLook

    with ThreadPoolExecutor(min(_AT_ONCE, len(alive))) as pool:
        looks = pool.map(lambda one: live_view.look(folder, one.sid), alive)
    machines = MachineLook(folder, [partial(one.with_flaw, folder) for one in (virtiofs, attendance)])
    parts: dict[str, dict[str, Part]] = {}
    for one, look in zip(alive, looks, strict=True):
        seen, unheard = look, "running"
        socket = file_layout.api_socket(folder, one.sid)
        if seen is None and (unheard := responsiveness.power_without_answer(folder, one.sid, socket)) == powers.UNRESPONSIVE:
            # A busy host must not make a machine look dead, so it is asked once more, and one that is at work itself is not dead either.
            before = responsiveness.work_done(folder, one.sid)
            seen = live_view.look(folder, one.sid, responsiveness.PATIENCE)
            if seen is None and (before == math.inf or responsiveness.work_done(folder, one.sid) > before):
                unheard = "running"
        machine = readings.machine_part(one.mark.machine, seen)
        if seen is not None:
            machine = lost_shares.among_younger(folder, one.sid, machine)
        parts[one.sid] = {
            "machine": one.with_flaws(machines.with_flaws(one.sid, one.mark, machine)),
            "power": seen.power if seen is not None else unheard,
        }
    machines.keep()
    return parts


def survey(context: ProviderContext, *, thorough: bool) -> Standing:  # noqa: ARG001
    """Say whether VMs can run here, and what of them cannot."""
    from herocloud.providers.cloud_hypervisor import installation, landlock, releases
    from herocloud.providers.vmm import virtiofs

    path = installation.find_program()
    if path is None:
        return Standing(False, installation.missing())
    refused = installation.kvm_refused()
    if refused:
        return Standing(False, refused)
    try:
        installed = installation.inspect(path)
    except Permanent as error:
        return Standing(False, str(error))
    doubts = releases.doubts(installed.release)
    if not releases.is_supported(installed.release):
        return Standing(False, "; ".join(doubts))
    lacking = [Lacking("release", doubt) for doubt in doubts]
    if virtiofs.find_program() is None:
        lacking.append(Lacking("shares", virtiofs.MISSING))
    if installation.find_firmware() is None:
        lacking.append(Lacking(FIRMWARE, installation.NO_FIRMWARE))
    if not landlock.is_there():
        lacking.append(Lacking("Landlock", landlock.MISSING))
    return Standing(True, f"{installed.release} with KVM", accelerated=True, lacking=tuple(lacking))
