"""The state machine of a simulated VM: absent, stopped, running, paused, and what each allows."""

from herocloud.kits.jsons import Part
from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.simulator.rows import Row

_AT_BOOT = ("max_vcpus", "boot_memory", "hotplug", "hugepages", "mergeable", "affinity", "topology", "root", "payload")
"""What a guest is told once, when it boots; a VMM has no call to change it afterwards."""

_LIVE = ("vm.resize", "vm.attach", "vm.detach")
"""What talks to a running VMM, and has nobody to talk to otherwise."""

_WAYS = {
    ("stopped", "running"): ("vm.boot",),
    ("running", "paused"): ("vm.pause",),
    ("paused", "running"): ("vm.resume",),
    ("running", "stopped"): ("vm.stop",),
    ("paused", "stopped"): ("vm.stop",),
}

_REFUSALS = {
    "vm.boot": "cannot be booted",
    "vm.pause": "cannot be paused, it is not running",
    "vm.resume": "cannot be resumed, it is not paused",
    "vm.stop": "cannot be stopped",
}


def check_power(row: Row, kind: str, current: Part, target: Part, *, undoing: bool) -> None:
    """Refuse a transition that the state machine does not have; taking one back may go every way there is."""
    if "machine" not in row.parts:
        raise Permanent(f"VM does not exist: `{row.address}` has no machine, so there is nothing to do `{kind}` to")
    if undoing:
        return
    if kind not in _WAYS.get((current, target), ()):
        raise Permanent(f"Invalid state transition: `{row.address}` is {current} and {_REFUSALS.get(kind, f'does not know `{kind}`')}")


def check_machine(row: Row, kind: str, current: Part, target: Part) -> None:
    """Refuse a machine that cannot be, and a change that its state does not allow."""
    power = row.parts.get("power")
    if target is None:
        if power != "stopped":
            raise Conflict(f"VM is {power}: `{row.address}` must be stopped before its machine is deleted", fact=f"observed:{row.address}")
        return
    _check_sizes(row, target)
    if current is None:
        return
    if kind == "vm.configure" and power != "stopped":
        raise Conflict(f"VM is {power}: `{row.address}` must be stopped before it is configured", fact=f"observed:{row.address}")
    if kind in _LIVE:
        check_live(row, kind)
    if kind != "vm.configure" and power != "stopped":
        for field in _AT_BOOT:
            if current.get(field) != target.get(field):
                raise Permanent(f"`{row.address}`: `{field}` is fixed at boot; changing it from {current.get(field)} needs a power-cycle")


def check_live(row: Row, kind: str) -> None:
    """Refuse what only a running VMM can do."""
    power = row.parts.get("power", "absent")
    if power not in ("running", "paused"):
        raise Conflict(f"VM is not running: `{row.address}` is {power}, so `{kind}` has nobody to talk to", fact=f"observed:{row.address}")


def _check_sizes(row: Row, machine: Part) -> None:
    vcpus = int(machine.get("vcpus") or 0)
    most = int(machine.get("max_vcpus") or vcpus)
    if not 1 <= vcpus <= most:
        raise Permanent(f"`{row.address}`: {vcpus} vCPUs are outside 1 to {most}")
    memory = int(machine.get("memory") or 0)
    boot = int(machine.get("boot_memory") or memory)
    top = boot + int(machine.get("hotplug") or 0)
    if memory <= 0 or not boot <= memory <= top:
        raise Permanent(f"`{row.address}`: {memory} bytes of memory are outside {boot} to {top}")
