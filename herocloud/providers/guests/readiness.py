"""Waiting until a VM that was just booted is ready: the steps of the role `guest`, between two instances of a block that rolls.

Ready means what `vm wait` means: the guest's agent answers. A guest without an agent is ready once it has run for a while. Which of the two
a guest is, the other instances of its block tell: where one of them answers, this one has to answer too. A VM that its
hypervisor stopped, or whose guest will never answer, is not waited for any longer.
"""

import time

from herocloud.kits.jsons import Part
from herocloud.kits.sizes import show_duration
from herocloud.model.errors import Permanent, Temporary
from herocloud.providers.guests.agents import Agent
from herocloud.providers.guests.channels import Endpoint
from herocloud.providers.seam import Found, HypervisorRole, Probe, ProviderContext, Work

SETTLED = 30.0
"""Seconds that a guest without an agent has to run before it counts as ready."""
LONGEST = 240.0
"""Seconds that a guest has for its first answer where others of its block answer."""
_LOOK = 2.0
"""Seconds between two looks at a VM whose agent does not answer."""
_STOPS = "the roll stops here, and the instances behind it stay as they are"


class ReadinessDriver:
    """Waits for guests; it makes nothing, so there is nothing to take back."""

    def __init__(self, role: HypervisorRole, context: ProviderContext) -> None:
        """Wait for VMs of one hypervisor."""
        self._role = role
        self._context = context

    def perform(self, work: Work) -> Part:
        """Return when the guest is ready; raises Permanent when it is not, or will never be."""
        sid, address, began = str(work.spec["sid"]), work.step.address, time.monotonic()
        agent = self._agent(sid)
        answering: str | None = None
        while not agent.wait(_LOOK, stopped=work.cancelled):
            if work.cancelled():
                raise Temporary(f"interrupted while waiting for the guest of `{address}`")
            self._refuse_hopeless(sid, work)
            waited = time.monotonic() - began
            if waited >= min(SETTLED, LONGEST) and answering is None:
                answering = self._find_answering(work)
                if not answering:
                    return work.step.after
            if waited >= LONGEST:
                raise Permanent(
                    f"`{address}` runs and is not ready: its agent has not answered for {show_duration(waited)}, and that of "
                    f"`{answering}` does; {_STOPS}. `herocloud vm logs {address}` shows what its guest wrote"
                )
            work.progress(f"waiting until {address} is ready", min(1.0, waited / LONGEST))
        if self._role.note_answer is not None:
            self._role.note_answer(self._context.folder, sid)
        return work.step.after

    def probe(self, work: Work) -> Probe:  # noqa: ARG002  (the names of the seam)
        """Say that it is not done: waiting again costs a moment where the guest is ready."""
        return Probe(Found.NOT_STARTED)

    def undo(self, work: Work) -> None:
        """Leave everything as it is."""

    def close(self) -> None:
        """Let go of nothing: no conversation outlives a look."""

    def _agent(self, sid: str) -> Agent:
        assert self._role.guest is not None  # noqa: S101  (only such hypervisors get this driver)
        access = self._role.guest(self._context.folder, sid)
        return Agent(Endpoint(access.agent, access.port))

    def _refuse_hopeless(self, sid: str, work: Work) -> None:
        address = work.step.address
        signs = self._role.signs(self._context, sid, address) if self._role.signs is not None else None
        if signs is None and self._role.runs(self._context.folder, sid):
            return
        if signs is None:
            raise Permanent(f"`{address}` is not ready: its process has ended; {_STOPS}")
        if signs.hopeless:
            way = f", and boots next {signs.way_out}" if signs.way_out else ""
            raise Permanent(f"`{address}` is not ready and never will be: {signs.hopeless}{way}; {_STOPS}")
        if signs.power != "running":
            raise Permanent(f"`{address}` is not ready: it is {signs.power}; {_STOPS}")

    def _find_answering(self, work: Work) -> str:
        """Return the address of another instance of the block whose agent answers; empty when none does."""
        return next((address for address, sid in work.peers if self._agent(sid).wait(_LOOK, stopped=work.cancelled)), "")
