"""The REST API of one Cloud Hypervisor process, call by call.

Every request is compared with the models of the API before it is sent (see `limits`). An error is the chain of messages that the program
gives, outermost first; its status code says little, because it changed from release to release, so the text is what counts. Requests of one
process run strictly one after another: a slow boot keeps even a ping waiting, so a `Silent` process is not a dead one.
"""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from herocloud.kits import http, jsons
from herocloud.kits.jsons import Json
from herocloud.model.errors import HerocloudError, Permanent
from herocloud.providers.cloud_hypervisor import releases, vmm_answers
from herocloud.providers.vmm.answer_shapes import BadAnswer

if TYPE_CHECKING:
    from herocloud.providers.cloud_hypervisor import call_models as calls
    from herocloud.providers.cloud_hypervisor import machine_models as machines

SHORT, LONG, LONGEST = 10.0, 60.0, 3600.0
"""Seconds for a call that answers at once, for one that builds or takes down a machine, and for one that moves memory."""
_FULL = 503
_BACKTRACE = "Stack backtrace:"
_Answer = TypeVar("_Answer")


class Refusal(HerocloudError):
    """The program understood, and does not do it."""

    def __init__(self, call: str, status: int, messages: tuple[str, ...]) -> None:
        """Keep the chain of messages, outermost first."""
        super().__init__(f"Cloud Hypervisor refused `{call}`: {': '.join(messages) or f'status {status}'}")
        self.call, self.status, self.messages = call, status, messages

    def says(self, *words: str) -> bool:
        """Return whether one of these stands in a message."""
        return any(word in message for word in words for message in self.messages)

    @property
    def is_absent(self) -> bool:
        """Return whether there is no VM in the process."""
        return self.says("VM is not created", "VM config is missing")

    @property
    def is_off(self) -> bool:
        """Return whether the VM in the process does not run."""
        return self.says("VM is not running")

    @property
    def is_taken(self) -> bool:
        """Return whether there is a VM in the process already."""
        return self.says("VM is already created")

    @property
    def is_unknown_device(self) -> bool:
        """Return whether the device is not there; releases word it differently."""
        return self.says("No device with id", "Failed to find device", "Missing device")

    @property
    def is_pending(self) -> bool:
        """Return whether the guest still works on an earlier request, so that trying again later may succeed."""
        return self.status == 429 or self.says("pending vCPU", "VcpuPendingRemovedVcpu", "pending removed vCPU")


class Silent(HerocloudError):
    """The program did not answer in time; it may be busy with a slow request."""


class Lost(HerocloudError):
    """Nobody listens on the socket, or the connection broke, or the answer was not one of this API."""


class Client:
    """The API behind one socket. It keeps no connection open: the program serves ten, and somebody else may need one."""

    def __init__(self, socket: Path, *, timeout: float = SHORT) -> None:
        """Connect to nothing yet; `timeout` bounds calls that answer at once."""
        self._timeout = timeout
        self._http = http.HttpClient("http://localhost/api/v1", socket=socket, timeout=timeout, connections=1, keep=False)
        self._release: int | None = None

    # The process.

    def ping(self, timeout: float | None = None) -> "calls.VmmPingResponse":
        """Return who answers: version, process, features."""
        answer = self._look("vmm.ping", vmm_answers.ping, timeout)
        self._release = releases.parse(answer["version"]).major
        return answer

    @property
    def release(self) -> int:
        """The major release of the program."""
        if self._release is None:
            self.ping()
        return self._release or 0

    def end(self) -> None:
        """End the process, and with it the VM as if its plug were pulled."""
        self._ask("PUT", "vmm.shutdown", timeout=LONG)

    # The VM.

    def create(self, config: "machines.VmConfig") -> None:
        """Give the process a VM, of which nothing is tried before it boots. A refused one may be stored all the same, and is deleted."""
        try:
            self._send("vm.create", "VmConfig", config)
        except Refusal as refusal:
            if not refusal.is_taken:
                self.delete()
            raise

    def delete(self) -> None:
        """Take the VM out of the process, hard if it runs; nothing happens when there is none."""
        self._ask("PUT", "vm.delete", timeout=LONG)

    def info(self, timeout: float | None = None) -> "calls.VmInfo | None":
        """Return the VM as it is; nothing when the process has none."""
        try:
            return self._look("vm.info", vmm_answers.vm_info, timeout)
        except Refusal as refusal:
            if refusal.is_absent:
                return None
            raise

    def counters(self) -> dict[str, dict[str, int]]:
        """Return the counters of each device; those that never counted are left out."""
        return self._look("vm.counters", vmm_answers.counters)

    def boot(self) -> None:
        """Build the machine and start its guest. After a failure the stored configuration may be damaged: delete and create again."""
        self._ask("PUT", "vm.boot", timeout=LONG)

    def shutdown(self) -> None:
        """Cut the power; the configuration stays."""
        self._ask("PUT", "vm.shutdown", timeout=LONG)

    def reboot(self) -> None:
        """Reset the guest hard, in the same process."""
        self._ask("PUT", "vm.reboot", timeout=LONG)

    def press_power_button(self) -> None:
        """Press the power button; whether the guest reacts is its affair."""
        self._ask("PUT", "vm.power-button")

    def inject_nmi(self) -> None:
        """Send the guest an interrupt that it cannot mask."""
        self._ask("PUT", "vm.nmi")

    def pause(self) -> None:
        """Halt the guest; fine when it is halted already."""
        self._settle("vm.pause")

    def resume(self) -> None:
        """Let the guest go on; fine when it runs already."""
        self._settle("vm.resume")

    # Changes.

    def resize(self, request: "calls.VmResize") -> None:
        """Change processors, memory and balloon, in this order; the call answers before the guest has agreed."""
        self._send("vm.resize", "VmResize", request)

    def resize_disk(self, device: str, size: int) -> None:
        """Make a disk as large as this, file and device."""
        self._send("vm.resize-disk", "VmResizeDisk", {"id": device, "desired_size": size})

    def resize_zone(self, zone: str, size: int) -> None:
        """Change a zone of memory."""
        self._send("vm.resize-zone", "VmResizeZone", {"id": zone, "desired_ram": size})

    def add_disk(self, config: "machines.DiskConfig") -> "calls.PciDeviceInfo | None":
        """Plug a disk in; a VM that does not run has it from its next boot, and no place yet."""
        return self._add("disk", "DiskConfig", config)

    def add_net(self, config: "machines.NetConfig") -> "calls.PciDeviceInfo | None":
        """Plug a network card in."""
        return self._add("net", "NetConfig", config)

    def add_fs(self, config: "machines.FsConfig") -> "calls.PciDeviceInfo | None":
        """Plug a shared folder in."""
        return self._add("fs", "FsConfig", config)

    def add_pmem(self, config: "machines.PmemConfig") -> "calls.PciDeviceInfo | None":
        """Plug persistent memory in."""
        return self._add("pmem", "PmemConfig", config)

    def add_vdpa(self, config: "machines.VdpaConfig") -> "calls.PciDeviceInfo | None":
        """Plug a vDPA device in."""
        return self._add("vdpa", "VdpaConfig", config)

    def add_vsock(self, config: "machines.VsockConfig") -> "calls.PciDeviceInfo | None":
        """Plug the vsock device in; there can be one."""
        return self._add("vsock", "VsockConfig", config)

    def add_device(self, config: "machines.DeviceConfig") -> "calls.PciDeviceInfo | None":
        """Plug a device of the host in."""
        return self._add("device", "DeviceConfig", config)

    def add_user_device(self, config: "calls.VmAddUserDevice") -> "calls.PciDeviceInfo | None":
        """Plug a device in that another process serves."""
        return self._add("user-device", "VmAddUserDevice", config)

    def add_generic_vhost_user(self, config: "machines.GenericVhostUserConfig") -> "calls.PciDeviceInfo | None":
        """Plug a device in that another process serves by vhost-user."""
        return self._add("generic-vhost-user", "GenericVhostUserConfig", config)

    def remove_device(self, device: str) -> None:
        """Ask the guest to let go of a device. It is gone when the device tree no longer has it, or its event has come, and not before."""
        self._send("vm.remove-device", "VmRemoveDevice", {"id": device})

    # Moving state out and in.

    def snapshot(self, folder: Path) -> None:
        """Write a paused VM into an empty folder."""
        self._send("vm.snapshot", "VmSnapshotConfig", {"destination_url": f"file://{folder}"}, timeout=LONGEST)

    def restore(self, request: "calls.RestoreConfig") -> None:
        """Make a VM from a snapshot, in a process that has none."""
        self._send("vm.restore", "RestoreConfig", request, timeout=LONGEST)

    def dump_core(self, url: str) -> None:
        """Write the memory of a paused VM; only in builds with debugging."""
        self._send("vm.coredump", "VmCoredumpData", {"destination_url": url}, timeout=LONGEST)

    def send_migration(self, request: "calls.SendMigrationData") -> None:
        """Send the VM to another process. From release 53 on this returns when it has begun; its events tell how it ends."""
        self._send("vm.send-migration", "SendMigrationData", request, timeout=LONGEST)

    def receive_migration(self, request: "calls.ReceiveMigrationData") -> None:
        """Wait for a VM from another process; nothing else is answered meanwhile."""
        self._send("vm.receive-migration", "ReceiveMigrationData", request, timeout=LONGEST)

    def close(self) -> None:
        """Close what is open."""
        self._http.close()

    def __enter__(self) -> Self:
        """Use the client for a while."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close what is open."""
        self.close()

    def _add(self, what: str, model: str, config: Any) -> "calls.PciDeviceInfo | None":
        return cast("calls.PciDeviceInfo | None", self._send(f"vm.add-{what}", model, config, timeout=LONG))

    def _look(self, call: str, read: Callable[[Json], _Answer], timeout: float | None = None) -> _Answer:
        answer = self._ask("GET", call, timeout=timeout)
        try:
            return read(answer)
        except BadAnswer as error:
            raise Lost(f"what answers `{call}` is not Cloud Hypervisor: {error}") from error

    def _settle(self, call: str) -> None:
        try:
            self._ask("PUT", call, timeout=LONG)
        except Refusal as refusal:
            # The program calls it an error to pause what is paused.
            wanted = "Paused" if call == "vm.pause" else "Running"
            info = self.info() if refusal.says("nvalid", "transition") else None
            if info is None or info["state"] != wanted:
                raise

    def _send(self, call: str, model: str, body: Any, *, timeout: float | None = None) -> Json:
        # Those who only look at machines need no models, which take longer to load than a look takes.
        from herocloud.providers.cloud_hypervisor import call_models, limits, machine_models

        known = getattr(machine_models, model, None) or getattr(call_models, model)
        mistakes = limits.check(known, body, self.release)
        if mistakes:
            raise ValueError(f"`{call}` would not do what it says: {'; '.join(map(str, mistakes))}")
        size = len(jsons.dumps(body).encode())
        if size > releases.LARGEST_REQUEST:
            largest = max(body, key=lambda field: len(jsons.dumps(body[field])))
            raise Permanent(
                f"`{call}` takes {size} bytes, most of them for `{largest}`, and Cloud Hypervisor takes {releases.LARGEST_REQUEST}; "
                "make that smaller"
            )
        return self._ask("PUT", call, body, timeout=timeout)

    def _ask(self, method: str, call: str, body: Json = None, *, timeout: float | None = None) -> Json:
        try:
            answer = self._http.request(method, f"/{call}", body, timeout=self._timeout if timeout is None else timeout)
        except http.TimedOut as error:
            raise Silent(f"Cloud Hypervisor did not answer `{call}` in time") from error
        except http.HttpError as error:
            raise Lost(f"Cloud Hypervisor does not answer `{call}`: {error}") from error
        if answer.status == _FULL:
            raise Silent(f"Cloud Hypervisor serves as many connections as it can, and not `{call}`")
        if not answer.ok:
            raise Refusal(call, answer.status, _messages(answer.text))
        if not answer.text.strip():
            return None
        try:
            return answer.json()
        except http.HttpError as error:
            raise Lost(f"what answers `{call}` is not Cloud Hypervisor: {error}") from error


def _messages(text: str) -> tuple[str, ...]:
    """Return the messages of an error, without the backtraces that some carry and with no line breaks."""
    try:
        chain = jsons.loads(text)
    except ValueError:
        # A protocol error: it looks like JSON and is not.
        chain = [text]
    chain = chain if isinstance(chain, list) else [chain]
    told = (" ".join(str(message).partition(_BACKTRACE)[0].split()) for message in chain)
    return tuple(message for message in told if message and message != "Error from API")
