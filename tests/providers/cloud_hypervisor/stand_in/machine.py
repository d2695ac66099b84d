"""A machine that was booted: what it holds of the host, and what can be done to it."""

import copy
import os
from collections.abc import Callable
from typing import Any

import guest
import landlock
import schema
from event_log import EventLog
from host_things import Cpu, Disk, Tap, VsockSocket
from refusals import Refusal

Json = Any
_REMOVABLE = ("disks", "net", "fs", "pmem", "vsock")
_BLOCK = 2 << 20
_ALIGN = 128 << 20


class Machine:
    """Built from a configuration, which it changes as the program does."""

    def __init__(self, config: dict[str, Json], clock: guest.Clock, events: EventLog) -> None:
        self.config, self._clock, self._events = config, clock, events
        self.state = "Created"
        self.tree: dict[str, Json] = {}
        self._held: dict[str, Any] = {}
        self._cpus: list[Cpu] = []
        self._removing: set[str] = set()
        self._pending_cpus = False
        self._next_name, self._next_slot = 0, 1
        self.plugged = config["memory"]["hotplugged_size"] or 0
        self.given_back = 0
        schema.validate(config)
        self._check_payload()
        self.behavior = guest.behavior_of(config["payload"])
        self._check_memory()
        # The program takes the lists out while it builds, and an error leaves them out.
        taken = {name: config.pop(name) for name in ("disks", "net") if name in config}
        try:
            self._build(taken)
        except Refusal:
            self.close()
            raise
        config |= taken

    def boot(self, *, power_off: Callable[[], None], reboot: Callable[[], None], panic: Callable[[], None]) -> None:
        """Lock the disks and start the guest."""
        self._begin("Running")
        guest.begin(self.behavior, self._clock, power_off=power_off, reboot=reboot, panic=panic)
        if self.behavior == "lively":
            self._clock.after(guest.DELAY, self._activate)
            self._clock.after(guest.DELAY, self._fill_balloon)

    def go_on(self, saved: dict[str, Json]) -> None:
        """Lock the disks and be where the guest was, which began long ago; it is held until somebody lets it go on."""
        if sorted(self.tree) != sorted(saved["tree"]):
            raise Refusal("Error from device manager", "Could not find the state of a device in the snapshot")
        self._begin("Paused")
        self.tree, self.plugged, self.given_back = saved["tree"], saved["plugged"], saved["given_back"]

    def _begin(self, state: str) -> None:
        for name, held in self._held.items():
            if isinstance(held, Disk):
                try:
                    held.lock()
                except Refusal as refusal:
                    raise Refusal(
                        "Error locking disk images: Another instance likely holds a lock", f"Failed to lock disk: {name}", *refusal.messages
                    ) from refusal
        affinity = {one["vcpu"]: one["host_cpus"] for one in self.config["cpus"]["affinity"] or ()}
        self._cpus += [Cpu(number, affinity.get(number)) for number in range(self.config["cpus"]["boot_vcpus"])]
        self.state = state

    def close(self) -> None:
        """Give everything back."""
        self._clock.forget()
        for held in [*self._held.values(), *self._cpus]:
            held.close()
        self._held, self._cpus = {}, []
        self.state = "Shutdown"

    # Changes.

    def resize(self, request: dict[str, Json]) -> None:
        self._events.add("vm", "resizing")
        if request["desired_vcpus"] is not None:
            self._resize_cpus(request["desired_vcpus"])
        if request["desired_ram"] is not None:
            self._resize_memory(request["desired_ram"])
        if request["desired_balloon"] is not None:
            if not self.config.get("balloon"):
                raise Refusal("Error from device manager", "Missing virtio-balloon, can't proceed as expected")
            # Nobody compares it with the memory here; the next boot, and the next device, do.
            self.config["balloon"]["size"] = request["desired_balloon"]
            if self.behavior == "lively":
                self._clock.after(guest.DELAY, self._fill_balloon)
        self._events.add("vm", "resized")

    def resize_disk(self, name: str, size: int) -> None:
        held = self._held.get(name)
        if not isinstance(held, Disk):
            raise Refusal("Error from device manager", f"Failed to find device corresponding to the given identifier: {name}")
        held.resize(size)

    def add(self, kind: str, device: dict[str, Json]) -> dict[str, str]:
        """Plug something in and return where it is."""
        candidate = copy.deepcopy(self.config)
        _add_to(candidate, kind, copy.deepcopy(device))
        schema.validate(candidate)
        if kind == "vsock" and self.config.get("vsock"):
            raise Refusal("Too many virtio-vsock devices")
        name = self._open(kind, device)
        held = self._held.get(name)
        if isinstance(held, Disk):
            try:
                held.lock()
            except Refusal:
                self._held.pop(name).close()
                self._forget(name)
                raise
        _add_to(self.config, kind, device)
        if self.behavior == "lively":
            self._clock.after(guest.DELAY, lambda: self._events.add("virtio-device", "activated", {"id": name}))
        return {"id": name, "bdf": self.tree[f"_virtio-pci-{name}"]["pci_bdf"]}

    def remove(self, name: str, *, again: bool) -> None:
        """Ask the guest to let go; only a lively one ever does, a late one after a while, and a deaf one when it is asked twice.

        Where it may not be asked `again`, a second request is refused while the first one waits.
        """
        if name in self._removing and again:
            if self.behavior == "deaf":
                self._clock.after(guest.DELAY, lambda: self._eject(name))
            return
        if name not in self.tree or name in self._removing:
            raise Refusal(
                "Error from device manager",
                f"Failed to find device corresponding to the given identifier: {name}"
                if name not in self.tree
                else f"Missing device: {name}",
            )
        kind = self._kind_of(name)
        if kind is None:
            raise Refusal("Error from device manager", f"Removing device of type for {name} is not allowed")
        if kind == "vsock":
            del self.config["vsock"]
        else:
            self.config[kind] = [one for one in self.config[kind] if one["id"] != name]
        self._removing.add(name)
        if self.behavior in ("lively", "late") and self.state == "Running":
            self._clock.after(guest.LATE if self.behavior == "late" else guest.DELAY, lambda: self._eject(name))

    def press_button(self, power_off: Callable[[], None]) -> None:
        if self.behavior == "lively" and self.state == "Running":
            self._clock.after(guest.DELAY, power_off)

    def pause(self) -> None:
        if self.state != "Running":
            raise Refusal("Cannot pause VM", f"Invalid transition: {self.state} to Paused")
        self._events.add("vm", "pausing")
        self.state = "Paused"
        self._events.add("vm", "paused")

    def resume(self) -> None:
        if self.state != "Paused":
            raise Refusal("Cannot resume VM", f"Invalid transition: {self.state} to Running")
        self._events.add("vm", "resuming")
        self.state = "Running"
        if self.behavior == "lively":
            self._clock.after(guest.DELAY, self._fill_balloon)
        self._events.add("vm", "resumed")

    def counters(self) -> dict[str, dict[str, int]]:
        none = {"read_bytes": 0, "write_bytes": 0, "read_latency_min": 2**64 - 1, "read_latency_avg": (2**64 - 1) // 10**4}
        return {name: dict(none) for name, held in self._held.items() if isinstance(held, Disk)}

    # Inside.

    def _check_payload(self) -> None:
        payload = self.config["payload"]
        for field, what in (("kernel", "kernel"), ("initramfs", "initramfs"), ("firmware", "kernel")):
            if payload.get(field) and not os.path.exists(payload[field]):
                raise Refusal(f"Cannot open {what} file", "No such file or directory (os error 2)")
            if payload.get(field):
                try:
                    landlock.require(payload[field])
                except PermissionError as error:
                    raise Refusal(f"Cannot open {what} file", "Permission denied (os error 13)") from error

    def _check_memory(self) -> None:
        memory = self.config["memory"]
        if memory["size"] % 4096:
            raise Refusal("Memory manager error", "Memory size is misaligned with default page size or its hugepage size")
        if memory["hotplug_size"] and memory["hotplug_method"] == "VirtioMem" and memory["hotplug_size"] % _ALIGN:
            raise Refusal("Memory manager error", "Failed to create a virtio-mem zone", "virtio-mem size is not aligned")

    def _build(self, taken: dict[str, Json]) -> None:
        for kind, devices in taken.items():
            for device in devices:
                self._open(kind, device)
        for kind in ("fs", "pmem"):
            for device in self.config.get(kind) or ():
                self._open(kind, device)
        for kind in ("rng", "balloon", "vsock"):
            if self.config.get(kind):
                self._open(kind, self.config[kind])

    def _open(self, kind: str, device: dict[str, Json]) -> str:
        if device["id"] is None:
            device["id"] = f"_{ {'disks': 'disk'}.get(kind, kind) }{self._next_name}"
            self._next_name += 1
        name = device["id"]
        if name in self.tree:
            raise Refusal("Error from device manager", f"Identifier {name} is not unique")
        if kind == "disks":
            self._held[name] = Disk(device["path"], readonly=device["readonly"])
        elif kind == "net":
            self._held[name] = Tap(device["tap"], pairs=device["num_queues"] // 2)
        elif kind == "vsock":
            self._held[name] = VsockSocket(device["socket"])
        elif kind == "fs" and not os.path.exists(device["socket"]):
            raise Refusal("Error from device manager", "Cannot create virtio-fs device", "Failed to connect to the vhost-user socket")
        slot = device["pci_device_id"] if device.get("pci_device_id") is not None else self._next_slot
        self._next_slot = max(self._next_slot, slot + 1)
        if any(node["pci_bdf"] == f"0000:00:{slot:02x}.0" for node in self.tree.values() if "pci_bdf" in node):
            raise Refusal("Error from device manager", "Failed to allocate a PCI device ID", f"Device ID {slot} already in use")
        self.tree[name] = {"id": name, "resources": [], "parent": f"_virtio-pci-{name}", "children": []}
        self.tree[f"_virtio-pci-{name}"] = {
            "id": f"_virtio-pci-{name}",
            "resources": [],
            "children": [name],
            "pci_bdf": f"0000:00:{slot:02x}.0",
        }
        return name

    def _forget(self, name: str) -> None:
        del self.tree[name], self.tree[f"_virtio-pci-{name}"]

    def _kind_of(self, name: str) -> str | None:
        for kind in _REMOVABLE:
            value = self.config.get(kind)
            if any(one["id"] == name for one in (value if isinstance(value, list) else [value] if value else ())):
                return kind
        return None

    def _eject(self, name: str) -> None:
        self._removing.discard(name)
        held = self._held.pop(name, None)
        if held is not None:
            held.close()
        place = self.tree[f"_virtio-pci-{name}"]["pci_bdf"]
        self._forget(name)
        self._events.add("virtio-device", "reset", {"id": name})
        self._events.add("vm", "device-removed", {"id": name, "bdf": place})

    def _activate(self) -> None:
        for name in self._held:
            self._events.add("virtio-device", "activated", {"id": name})

    def _resize_cpus(self, wanted: int) -> None:
        if wanted != len(self._cpus):
            if wanted < 1:
                raise Refusal("Error from CPU manager", "Desired vCPU count is zero")
            if self._pending_cpus:
                raise Refusal("Error from CPU manager", "Number of vCPUs has not changed: pending vCPU removal", status=429)
            if wanted > self.config["cpus"]["max_vcpus"]:
                raise Refusal("Error from CPU manager", "Requested vCPUs exceed maximum")
            while len(self._cpus) < wanted:
                self._cpus.append(Cpu(len(self._cpus), None))
            if wanted < len(self._cpus):
                self._pending_cpus = True
                if self.behavior == "lively" and self.state == "Running":
                    self._clock.after(guest.DELAY, lambda: self._drop_cpus(wanted))
        self.config["cpus"]["boot_vcpus"] = wanted

    def _drop_cpus(self, wanted: int) -> None:
        while len(self._cpus) > wanted:
            self._cpus.pop().close()
        self._pending_cpus = False

    def _resize_memory(self, wanted: int) -> None:
        memory = self.config["memory"]
        if memory["hotplug_method"] == "VirtioMem":
            if wanted < memory["size"]:
                raise Refusal("Memory manager error", f"Requested size {wanted} is below the boot size {memory['size']}")
            more = wanted - memory["size"]
            if more and more > (memory["hotplug_size"] or 0):
                raise Refusal("Memory manager error", "Failed to virtio-mem resize", "Invalid size for virtio-mem")
            if more % _BLOCK:
                raise Refusal("Memory manager error", "Failed to virtio-mem resize", "Size is not a multiple of the block size")
            memory["hotplugged_size"] = more or None
            if self.behavior == "lively" and self.state == "Running":
                self._clock.after(guest.DELAY, lambda: self._plug(more))
            return
        if wanted > memory["size"]:
            if wanted - memory["size"] > (memory["hotplug_size"] or 0):
                raise Refusal("Memory manager error", "Insufficient memory hotplug room")
            if (wanted - memory["size"]) % _ALIGN:
                raise Refusal("Memory manager error", "Invalid hotplug size")
        memory["size"] = wanted

    def _plug(self, more: int) -> None:
        self.plugged = more

    def _fill_balloon(self) -> None:
        """Give back what the program asks for; a guest that is held does so when it goes on."""
        if self.state == "Running":
            self.given_back = ((self.config.get("balloon") or {}).get("size") or 0) >> 12 << 12


def _add_to(config: dict[str, Json], kind: str, device: dict[str, Json]) -> None:
    if kind == "vsock":
        config["vsock"] = device
    else:
        config[kind] = [*(config.get(kind) or ()), device]
