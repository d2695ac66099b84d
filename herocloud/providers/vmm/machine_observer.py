"""The observer that hypervisors share: one batched look at the marks and processes of a data folder, and at every machine that runs.

A host without such VMs costs one listing of a folder. What asks a machine that runs is the hypervisor's own, and is loaded only when there
is one to ask.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from herocloud.kits.jsons import Part
from herocloud.model.errors import Permanent
from herocloud.model.ids import Address, StackName
from herocloud.model.worlds import Observed, Thing
from herocloud.providers import recollections
from herocloud.providers.recollections import Memory
from herocloud.providers.vmm import marks
from herocloud.providers.vmm.marks import Marked

Look = Callable[[Path, Sequence[Marked]], Mapping[str, dict[str, Part]]]
"""Looks at VMs of a data folder whose processes live; returns the parts of each, by sid."""


class MachineObserver:
    """Looks at the VMs that one hypervisor has in one data folder."""

    def __init__(self, folder: Path, provider: str, look: Look, memory: Memory = recollections.NOTHING) -> None:
        """Remember where to look, how to look at those that run, and what the state knows of VMs."""
        self._folder = folder
        self._provider = provider
        self._look_at = look
        self._memory = memory

    def observe(self, stacks: Iterable[StackName] | None = None) -> Observed:
        """Look at everything that carries our mark, of these stacks or of all."""
        wanted = None if stacks is None else frozenset(stacks)
        try:
            found, halves = marks.look(self._folder, self._provider, wanted, self._memory)
            parts = self._look(found)
        except OSError as error:
            raise Permanent(f"{error.strerror or error} (`{error.filename or self._folder}`)") from error
        things: dict[StackName, dict[Address, Thing]] = {}
        for marked in found:
            stack, address = StackName(marked.owner.stack), Address(marked.owner.address)
            things.setdefault(stack, {})[address] = Thing(
                stack, address, self._provider, parts[marked.sid], marked.owner.lineage, slices=marks.slices_of(marked.mark)
            )
        marks.add_halves(halves, self._provider, things)
        return Observed(things=things, serials=marks.serials(found))

    def _look(self, found: Sequence[Marked]) -> dict[str, dict[str, Part]]:
        if not found:
            return {}
        from herocloud.providers.vmm import identity
        from herocloud.providers.vmm.file_access import AccessLook

        alive = [marked for marked in found if identity.lives(self._folder, marked.sid, marked.mark.booted)]
        access, running = AccessLook(self._folder), {marked.sid for marked in alive}
        parts: dict[str, dict[str, Part]] = {
            marked.sid: {"machine": marked.with_flaws(access.with_flaw(marked.sid, marked.mark.machine, runs=False)), "power": "stopped"}
            for marked in found
            if marked.sid not in running
        }
        return {**parts, **self._look_at(self._folder, alive)} if alive else parts
