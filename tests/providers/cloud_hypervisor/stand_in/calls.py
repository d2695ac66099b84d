"""The calls of the API, on a process that holds one VM or none."""

import copy
import json
import os
import socket
from collections.abc import Callable
from typing import Any

import guest
import landlock
import saved_state
import schema
from event_log import EventLog, ProgramLog
from machine import Machine
from refusals import ABSENT, MISSING, OFF, TAKEN, Refusal

Json = Any
_WORDS = {
    "vm.create": "The VM could not be created", "vm.boot": "The VM could not boot", "vm.delete": "The VM could not be deleted",
    "vm.info": "The VM info is not available", "vm.pause": "The VM could not be paused", "vm.resume": "The VM could not resume",
    "vm.shutdown": "The VM could not shutdown", "vm.reboot": "The VM could not reboot", "vm.resize": "The VM could not be resized",
    "vm.resize-disk": "The disk could not be resized", "vm.resize-zone": "The memory zone could not be resized",
    "vm.remove-device": "The device could not be removed from the VM", "vm.snapshot": "The VM could not be snapshotted",
    "vm.restore": "The VM could not be restored",
    "vm.counters": "The VM info is not available", "vm.power-button": "Error triggering power button", "vm.nmi": "Error triggering NMI",
    "vm.add-disk": "The disk could not be added to the VM", "vm.add-net": "The network device could not be added to the VM",
    "vm.add-fs": "The fs could not be added to the VM", "vm.add-pmem": "The pmem device could not be added to the VM",
    "vm.add-vsock": "The vsock device could not be added to the VM",
}  # fmt: skip


class Vmm:
    """One process of the program."""

    def __init__(self, events: EventLog, log: ProgramLog, clock: guest.Clock, version: str) -> None:
        self.events, self.log, self.clock, self.version = events, log, clock, version
        self.major = int(version.split(".", maxsplit=1)[0])
        self.over = False
        self._config: dict[str, Json] | None = None
        self._machine: Machine | None = None
        self._serial: socket.socket | None = None

    def answer(self, method: str, call: str, body: bytes) -> tuple[int, Json]:
        """Carry a call out; returns its status and what it answers."""
        kind = {"vmm.ping": "GET", "vm.info": "GET", "vm.counters": "GET"}.get(call, "PUT")
        act = self._find(call)
        if act is None:
            return 404, ["Not Found"]
        takes = call in _TAKES or call.startswith("vm.add-")
        if method != kind or bool(body) is not takes:
            return 400, ["Bad Request"]
        try:
            found = act(self._parse(body)) if takes else act()
        except Refusal as refusal:
            from refusals import status_of

            messages = refusal.messages if refusal.messages[0] == "Error from API" else ("Error from API", _WORDS[call], *refusal.messages)
            return status_of(refusal, self.major), list(messages)
        if call == "vmm.shutdown":
            return 200, None
        return (204 if found is None else 200), found

    def end_by_signal(self) -> None:
        self.log.add("VM exit event")
        self._end()

    def end_by_guest(self) -> None:
        # Before release 52 both said the same.
        self.log.add("VM guest exit event" if self.major >= 52 else "VM exit event")
        self._end()

    def _end(self) -> None:
        self._delete()
        self.events.add("vmm", "shutdown")
        self.over = True

    def _find(self, call: str) -> Callable[..., Json] | None:
        if call.startswith("vm.add-"):
            name = call.removeprefix("vm.add-")
            kind = {"disk": "disks", "net": "net", "fs": "fs", "pmem": "pmem", "vsock": "vsock"}.get(name)
            return None if kind is None else lambda given: self._add(kind, schema.read(schema.LISTS.get(kind, kind), given, self.major))
        return getattr(self, "_" + call.removeprefix("vm.").replace("vmm.", "vmm_").replace("-", "_"), None) if call in _CALLS else None

    @staticmethod
    def _parse(body: bytes) -> Json:
        try:
            return json.loads(body)
        except ValueError as error:
            raise Refusal("Error from API", f"{error}", status=400) from error

    def _running(self, words: str = OFF) -> Machine:
        if self._machine is None:
            raise Refusal(words)
        return self._machine

    def _stored(self, words: str = ABSENT) -> dict[str, Json]:
        if self._config is None:
            raise Refusal(words)
        return self._config

    def _vmm_ping(self) -> Json:
        version = f"{self.version}.0" if self.version.count(".") == 1 else self.version
        return {"build_version": f"v{self.version}", "version": version, "pid": os.getpid(), "features": ["io_uring", "kvm"]}

    def _vmm_shutdown(self) -> None:
        self.log.add("API request event: VmmShutdown")
        self._end()

    def _create(self, given: Json) -> None:
        if self._config is not None:
            raise Refusal(TAKEN)
        # Stored first: an error with a console leaves it stored.
        self._config = schema.read_machine(given, self.major)
        self._open_consoles()
        landlock.apply(self._config)

    def _open_consoles(self) -> None:
        serial = self._stored()["serial"]
        if serial["mode"] == "File":
            open(serial["file"], "w").close()
        if serial["mode"] == "Socket":
            self._serial = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                landlock.require(os.path.dirname(serial["socket"]), "w")
                self._serial.bind(serial["socket"])
            except OSError as error:
                raise Refusal(
                    "Error creating console devices", "Cannot create console device", f"{error.strerror} (os error {error.errno})"
                ) from error
            self._serial.listen(4)

    def _close_consoles(self) -> None:
        if self._serial is not None:
            self._serial.close()
            self._serial = None
            if self._config is not None and os.path.exists(self._config["serial"]["socket"]):
                os.unlink(self._config["serial"]["socket"])

    def _delete(self) -> None:
        if self._config is None:
            return
        if self._machine is not None:
            self._shutdown()
        self._close_consoles()
        self._config = None
        self.events.add("vm", "deleted")

    def _info(self) -> Json:
        config = self._stored()
        memory = config["memory"]
        size = memory["size"]
        if self._machine is not None:
            size = max(0, size - self._machine.given_back) + self._machine.plugged
        found = {"config": config, "state": self._machine.state if self._machine else "Created", "memory_actual_size": size}
        if self._machine is not None:
            found["device_tree"] = self._machine.tree
        return schema.shown(copy.deepcopy(found), self.major)

    def _counters(self) -> Json:
        return self._running().counters()

    def _boot(self) -> None:
        if self._machine is not None:
            raise Refusal(TAKEN)
        self.events.add("vm", "booting")
        config = self._stored(MISSING)
        if self._serial is None:
            self._open_consoles()
        self._machine = Machine(config, self.clock, self.events)
        self._machine.boot(power_off=self.end_by_guest, reboot=self._reset, panic=self._panic)
        self.events.add("vm", "booted")

    def _reset(self) -> None:
        try:
            self._reboot()
        except Refusal:
            # A reboot of the guest that fails ends the program.
            self.over = True

    def _panic(self) -> None:
        if self._stored().get("pvpanic"):
            self.events.add("guest", "panic", {"event": "Panic"})

    def _shutdown(self) -> None:
        self._running().close()
        self._machine = None
        self._close_consoles()
        self.events.add("vm", "shutdown")

    def _reboot(self) -> None:
        self.events.add("vm", "rebooting")
        self._running(ABSENT).close()
        self._machine = None
        self._close_consoles()
        self._open_consoles()
        self._machine = Machine(self._stored(), self.clock, self.events)
        self._machine.boot(power_off=self.end_by_guest, reboot=lambda: None, panic=self._panic)
        self.events.add("vm", "rebooted")

    def _power_button(self) -> None:
        self._running().press_button(self.end_by_guest)

    def _nmi(self) -> None:
        self._running()

    def _pause(self) -> None:
        self._running().pause()

    def _resume(self) -> None:
        self._running().resume()

    def _resize(self, given: Json) -> None:
        request = schema.read("resize", given, self.major)
        config = self._stored()
        if self._machine is not None:
            self._machine.resize(request)
            return
        config["cpus"]["boot_vcpus"] = request["desired_vcpus"] or config["cpus"]["boot_vcpus"]
        config["memory"]["size"] = request["desired_ram"] or config["memory"]["size"]
        if request["desired_balloon"] is not None and config.get("balloon"):
            config["balloon"]["size"] = request["desired_balloon"]

    def _resize_disk(self, given: Json) -> None:
        request = schema.read("resize-disk", given, self.major)
        self._stored()
        self._running("Failed resizing a disk image").resize_disk(request["id"], request["desired_size"])

    def _resize_zone(self, given: Json) -> None:
        schema.read("resize-zone", given, self.major)
        self._stored()
        raise Refusal("Failed resizing a memory zone")

    def _remove_device(self, given: Json) -> None:
        name = schema.read("remove-device", given, self.major)["id"]
        config = self._stored()
        if self._machine is not None:
            self._machine.remove(name, again=self.major >= 54)
            return
        for kind in ("disks", "net", "fs", "pmem"):
            if any(one["id"] == name for one in config.get(kind) or ()):
                config[kind] = [one for one in config[kind] if one["id"] != name]
                return
        raise Refusal(f'No device with id "{name}" to remove')

    def _add(self, kind: str, device: dict[str, Json]) -> Json:
        config = self._stored()
        if self._machine is not None:
            return self._machine.add(kind, device)
        candidate = copy.deepcopy(config)
        candidate[kind] = device if kind == "vsock" else [*(candidate.get(kind) or ()), device]
        schema.validate(candidate)
        config[kind] = candidate[kind]
        return None

    def _snapshot(self, given: Json) -> None:
        url = schema.read("snapshot", given, self.major)["destination_url"]
        machine = self._running()
        self.events.add("vm", "snapshotting")
        if machine.state != "Paused":
            raise Refusal("Cannot snapshot VM", "Failed to snapshot migratable component", "Trying to snapshot while VM is running")
        self.events.add("vm", "snapshotted")
        saved_state.write(url, schema.shown(copy.deepcopy(machine.config), self.major), machine)

    def _restore(self, given: Json) -> None:
        request = schema.read("restore", given, self.major)
        if self._config is not None:
            raise Refusal(TAKEN)
        folder = saved_state.folder_of(request["source_url"], "Cannot restore VM")
        config = schema.read_machine(saved_state.read(folder, "config.json", "VM config"), self.major)
        if request["prefault"] and request["memory_restore_mode"] == "OnDemand":
            raise Refusal("Failed to validate config", "'prefault' cannot be used with on-demand restore")
        state = saved_state.read(folder, "state.json", "VM state")
        self._config = config
        try:
            self._open_consoles()
            self._machine = Machine(config, self.clock, self.events)
            saved_state.fill(folder, state)
            self.events.add("vm", "restoring")
            landlock.apply(config)
            self._machine.go_on(state)
            self.events.add("vm", "restored")
        except Refusal:
            # One that fails takes what it made with it.
            self._delete()
            raise
        if request["resume"]:
            self._resume()


_TAKES = {"vm.create", "vm.resize", "vm.resize-disk", "vm.resize-zone", "vm.remove-device", "vm.snapshot", "vm.restore"}
_CALLS = {*_WORDS, "vmm.ping", "vmm.shutdown"}
