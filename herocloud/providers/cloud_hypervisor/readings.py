"""What a running machine says of itself, and the part that follows: the mark, corrected by what is really there.

The configuration in `vm.info` is what the program would boot again; the device tree is what is plugged in now, and the threads of the
process are the processors that run. A figure that the guest has to agree to (memory, balloon) is what it was asked for. Only what we set
is read: the program fills in the rest. Where a machine does not answer in time its mark is believed: it runs, as its process shows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from herocloud.kits.jsons import Json, Part
from herocloud.model import powers
from herocloud.providers.cloud_hypervisor import rate_limits
from herocloud.providers.cloud_hypervisor.event_file import EventFile
from herocloud.providers.vmm import device_names

if TYPE_CHECKING:
    from herocloud.providers.cloud_hypervisor.call_models import VmInfo

_RUNNING, _PAUSED = ("Running", "BreakPoint"), ("Paused",)


class Reading(NamedTuple):
    """The state of one machine."""

    state: str
    config: Mapping[str, Json]
    tree: Mapping[str, Mapping[str, Json]]
    actual_memory: int
    vcpus: int
    """Threads that run processors; 0 where they could not be counted."""
    panicked: bool = False
    """The guest said so since it was started last."""

    @property
    def has_begun(self) -> bool:
        """Return whether its guest runs, or is halted; a machine that failed to start looks like one that was never started."""
        return self.state in _RUNNING or self.state in _PAUSED

    @property
    def power(self) -> str:
        """Return the part `power` of a VM whose process lives."""
        if self.state in _PAUSED:
            return "paused"
        if self.state in _RUNNING:
            return "crashed" if self.panicked else "running"
        return "stopped"

    @property
    def memory(self) -> int:
        """Return how much memory the guest was given, or asked to take."""
        memory = self.config["memory"]
        return int(memory["size"]) + int(memory.get("hotplugged_size") or 0)

    @property
    def balloon(self) -> int:
        """Return how much of it the guest was asked to give back."""
        return int((self.config.get("balloon") or {}).get("size") or 0)

    @property
    def given_back(self) -> int:
        """Return how much of it the guest gave back. The program tells what is left, so this holds once the guest has taken its memory."""
        return max(0, self.memory - self.actual_memory)

    @property
    def leaving(self) -> list[str]:
        """Return what a guest was asked to let go of and has not: the configuration for its next start is without it already."""
        kept = {str(device.get("id")) for kind in ("disks", "net") for device in self.config.get(kind) or ()}
        return sorted(name for name in self.tree if name.startswith(device_names.PLUGGED) and name not in kept)


def read(info: "VmInfo | None", pid: int, events: Path | None = None) -> Reading:
    """Make sense of an answer, and of what happened by then; a process without a VM has one that was never started."""
    if info is None:
        return Reading("Created", {}, {}, 0, 0)
    tree: Any = info.get("device_tree") or {}
    return Reading(info["state"], info["config"], tree, info.get("memory_actual_size") or 0, count_vcpus(pid), has_panicked(events))


def count_vcpus(pid: int) -> int:
    """Count the threads of a process that run processors; they bear their names."""
    try:
        return sum((task / "comm").read_text().startswith("vcpu") for task in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return 0


def has_panicked(events: Path | None) -> bool:
    """Return whether the guest panicked since it was started last."""
    panicked = False
    for event in EventFile(events).read() if events is not None else ():
        panicked = event.key == "guest/panic" or (panicked and event.key not in ("vm/booted", "vm/rebooted"))
    return panicked


def machine_part(machine: Part, seen: Reading | None) -> Part:
    """Return the part of a running machine as it really is."""
    if seen is None or not seen.has_begun:
        return machine
    changed: dict[str, Any] = dict(machine)
    cpus = seen.config["cpus"]
    changed["vcpus"] = seen.vcpus or cpus["boot_vcpus"]
    changed["memory"] = seen.memory
    changed.pop("balloon", None)
    if seen.balloon:
        changed["balloon"] = seen.balloon
    changed["nics"] = device_names.nics_among(machine, seen.tree)
    disks = _disks(seen)
    uses = device_names.volumes_among(machine, seen.tree, lambda device: bool(disks.get(device, {}).get("readonly")))
    changed["volumes"] = [_as_seen(use, disks) for use in uses]
    root = disks.get("root")
    if machine["root"] is not None and root is not None:
        changed["root"] = {**machine["root"], "rate": _rate(machine["root"]["rate"], root)}
    if machine["affinity"]:
        changed["affinity"] = _pinned(machine["affinity"], cpus)
    leaving = seen.leaving
    return {**changed, powers.LEAVING: leaving} if leaving else changed


def _rate(known: Json, disk: Mapping[str, Json]) -> Json:
    """Return the limits of a disk; those that are set are kept as they were written when they mean the same."""
    real = rate_limits.rate_of(disk.get("rate_limiter_config"))
    return known if real == rate_limits.rate_of(rate_limits.limits_of(known)) else real


def _pinned(wanted: Json, cpus: Mapping[str, Json]) -> Json:
    found = {cpu["vcpu"]: list(cpu["host_cpus"]) for cpu in cpus.get("affinity") or ()}
    return [found.get(number, []) for number in range(len(wanted))]


def _disks(seen: Reading) -> dict[str, Mapping[str, Json]]:
    return {str(disk.get("id")): disk for disk in seen.config.get("disks") or ()}


def _as_seen(use: Mapping[str, Json], disks: Mapping[str, Mapping[str, Json]]) -> Json:
    """Return a volume with the size of its file, where its size is known at all: the program opens no disk larger than that."""
    disk = disks.get(device_names.of_volume(use))
    if use.get("size") is None or disk is None or not disk.get("path"):
        return use
    try:
        return {**use, "size": Path(disk["path"]).stat().st_size}
    except OSError:
        return use
