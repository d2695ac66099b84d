"""What each field of a VM costs on the simulator: the same as on Cloud Hypervisor, the strictest of the real ones.

A plan tried here shall not promise more than the real machine keeps. Pure: a table and two functions over it.
"""

from herocloud.kits.jsons import Json, Part, Spec
from herocloud.model.words import Impact
from herocloud.providers.seam import Unsupported, Verdict

NAME = "simulator"

_LIVE = Verdict(Impact.LIVE)
_CYCLE = "needs a power-cycle"

_COSTS: dict[str, Verdict] = {
    "cpu.max": Verdict(Impact.REBOOT, _CYCLE),
    "cpu.affinity": Verdict(Impact.REBOOT, _CYCLE),
    "cpu.topology": Verdict(Impact.REBOOT, _CYCLE),
    "memory_options": Verdict(Impact.REBOOT, _CYCLE),
    "root_disk.direct": Verdict(Impact.REBOOT, "needs a power-cycle: no interface changes it on an open disk"),
    "root_disk.rate": Verdict(Impact.REBOOT, "needs a power-cycle: no interface changes it on an open disk"),
    "root_disk": Verdict(Impact.REBOOT, _CYCLE),
    "user_data": Verdict(Impact.REBOOT, "needs a power-cycle: the guest reads its seed at boot"),
    "ssh_keys": Verdict(Impact.REBOOT, "needs a power-cycle: the guest reads its seed at boot"),
    "env": Verdict(Impact.REBOOT, "needs a power-cycle: the guest reads its seed at boot"),
    "secrets": Verdict(Impact.REBOOT, "needs a power-cycle: the guest reads its seed at boot"),
    "image_id.payload": Verdict(Impact.REBOOT, "needs a power-cycle: another kernel"),
    "image_id.nocloud": Verdict(Impact.REBOOT, _CYCLE),
    "hypervisor": Verdict(Impact.REPLACE, "moves to another hypervisor, root disk is kept"),
    "image_id.source": Verdict(Impact.DATA, "root disk is destroyed"),
}
"""Fields that cost more than nothing, by path; the longest matching path counts. What is not named here changes live."""


def judge(path: str, before: Json, after: Json, spec: Spec, machine: Part) -> Verdict:
    """Say what it costs to change the field at `path`."""
    if path == "vcpus":
        return (
            _LIVE
            if machine is None or after <= machine["max_vcpus"]
            else Verdict(Impact.REBOOT, f"above `cpu.max` {machine['max_vcpus']} needs a power-cycle")
        )
    if path == "memory":
        return _judge_memory(after, machine)
    if path == "root_disk.size":
        return _LIVE if after >= before else Verdict(Impact.DATA, "a disk cannot shrink: root disk is destroyed")
    if path.startswith("networks") and path.endswith(".address"):
        return Verdict(Impact.REBOOT, "needs a power-cycle: the guest reads its addresses at boot")
    if path.startswith("mycelium."):
        return Verdict(Impact.REBOOT, "needs a power-cycle: the guest reads its addresses at boot")
    if path == "image_id.source" and (before is None or after is None or spec.get("root_disk") is None):
        return Verdict(Impact.DATA, "root disk is destroyed") if before else Verdict(Impact.REBOOT, _CYCLE)
    while path:
        if path in _COSTS:
            return _COSTS[path]
        path = path.rpartition(".")[0]
    return _LIVE


def _judge_memory(after: int, machine: Part) -> Verdict:
    if machine is None:
        return _LIVE
    smallest, largest = machine["boot_memory"], machine["boot_memory"] + (machine["hotplug"] or 0)
    if smallest <= after <= largest:
        return _LIVE
    if after > largest:
        return Verdict(Impact.REBOOT, "beyond the room it booted with needs a power-cycle")
    return Verdict(Impact.REBOOT, "below the size it booted with needs a power-cycle")


def unsupported(_spec: Spec) -> list[Unsupported]:
    """Name fields that cannot be honoured; the simulator honours all of them."""
    return []
