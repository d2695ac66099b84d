"""One batched look at the VMs of a data folder: marks, processes, and `vm.info` of every machine that runs, side by side.

A host without such VMs costs one listing of a folder. A machine that is slow to answer is not dead: its process says whether it lives, and
its mark what it is.
"""

import math
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model import powers
from herocloud.model.errors import Permanent
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing
from herocloud.providers import recollections
from herocloud.providers.recollections import Memory
from herocloud.providers.seam import FIRMWARE, Lacking, ProviderContext, Standing
from herocloud.providers.vmm import marks
from herocloud.providers.vmm.marks import Marked

NAME = "cloud-hypervisor"
_AT_ONCE = 32


class CloudHypervisorObserver:
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
    from concurrent.futures import ThreadPoolExecutor

    from herocloud.providers.cloud_hypervisor import attendance, file_layout, live_view, readings
    from herocloud.providers.vmm import lost_shares, responsiveness, virtiofs
    from herocloud.providers.vmm.machine_look import MachineLook

    with ThreadPoolExecutor(min(_AT_ONCE, len(alive))) as pool:
        looks = pool.map(lambda one: live_view.look(folder, one.sid), alive)
    machines = MachineLook(folder, [partial(one.with_flaw, folder) for one in (virtiofs, attendance)])
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
