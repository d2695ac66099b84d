"""What each field of a VM costs on the simulator: the same as on Cloud Hypervisor, the strictest of the real ones.

A plan tried here must not promise more than the real machine keeps. Pure: a table and two functions over it.
"""

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model.words import Impact
from herocloud.providers import costs
from herocloud.providers.seam import Attachment, Card, Tap, Unsupported, Verdict

REACH = ""

_NO_INTERFACE = Verdict(Impact.REBOOT, "needs a power-cycle: no interface changes it on an open disk")

_COSTS = {
    **costs.EVERYWHERE,
    "cpu.affinity": costs.POWER_CYCLE,
    "root_disk.direct": _NO_INTERFACE,
    "root_disk.rate": _NO_INTERFACE,
}
"""Fields that cost more than nothing, by path; the longest matching path counts. What is not named here changes live."""


def judge(path: str, before: Json, after: Json, spec: Spec, machine: Part, *, accelerated: bool = True) -> Verdict:  # noqa: ARG001  (a state machine is never emulated)
    """Say what it costs to change the field at `path`."""
    if path == "vcpus":
        return costs.of_vcpus(after, machine)
    if path == "memory":
        return costs.of_memory(after, machine)
    if path == "memory_options.balloon":
        return costs.of_balloon(after, machine)
    return costs.of_values(path, before, after, spec) or costs.look_up(_COSTS, path)


def unsupported(spec: Spec) -> list[Unsupported]:  # noqa: ARG001  (the names of the seam)
    """Name fields that cannot be honored; the simulator honors all of them."""
    return []


def fixed_at_boot(before: Spec, after: Spec) -> str:  # noqa: ARG001  (the names of the seam)
    """Name what VMs on a network take over only when they start: nothing, a bridge is there for all at once."""
    return ""


def fixed_forwards(before: Spec, after: Spec) -> list[str]:  # noqa: ARG001  (the names of the seam)
    """Name the VMs whose published ports cannot change while they run; here all of them can."""
    return []


def attachment(card: Card) -> Attachment:
    """Say what a card hangs on: a tap that exists in the simulated world."""
    return Attachment(card.nic["mac"], card.owner, tuple(filter(None, [card.nic["address"]])), Tap(card.nic["tap"]))
