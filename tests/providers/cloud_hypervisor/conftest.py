"""Cloud Hypervisor for tests: the stand-in always, the real program where it is on PATH, and the same tests for both."""

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.kits.http import Answer, HttpClient, HttpError
from herocloud.kits.jsons import Json, Part
from herocloud.model.errors import Permanent
from herocloud.model.steps import Step
from herocloud.providers.cloud_hypervisor import driving, file_layout, observing, vmm_process
from herocloud.providers.cloud_hypervisor.client import Client, Lost
from herocloud.providers.cloud_hypervisor.event_file import Event, EventFile
from herocloud.providers.cloud_hypervisor.releases import parse
from herocloud.providers.seam import Attachment, Disk, Found, Lock, Work
from herocloud.providers.vmm import folders, identity, launch, loopback
from herocloud.providers.vmm.shutdown import Patience
from tests.providers.cloud_hypervisor import api_description
from tests.providers.cloud_hypervisor.api_description import Exchange
from tests.providers.vmm import leftover_processes

MIB = 1024**2
STAND_IN = Path(__file__).parent / "stand_in" / "cloud-hypervisor"


def real_program() -> str | None:
    """Find the real program, and nothing that stands in for it."""
    found = shutil.which("cloud-hypervisor")
    return found if found and os.access("/dev/kvm", os.R_OK | os.W_OK) else None


class Process:
    """A running program with its API, its files and whatever a test needs beside it."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "api.sock"
        self.events = EventFile(folder / "events.json")
        self._log = (folder / "process.log").open("wb")
        words = [*command, "--api-socket", f"path={self.socket}", "--event-monitor", f"path={folder / 'events.json'}"]
        words += ["--log-file", str(folder / "vmm.log"), "-v", "--seccomp", "true"]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, start_new_session=True)
        self.client = Client(self.socket, timeout=20)

    def ready(self) -> "Process":
        def answers() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}: {(self.folder / 'process.log').read_text()}")
            try:
                return self.socket.exists() and bool(self.client.ping())
            except Lost:
                return False

        until(answers, "the program answers")
        return self

    def config(self, **fields: Json) -> Json:
        """Return a small machine that boots a kernel whose guest does nothing here."""
        return {
            "cpus": {"boot_vcpus": 1, "max_vcpus": 4},
            "memory": {"size": 128 * MIB, "hotplug_method": "VirtioMem", "hotplug_size": 256 * MIB},
            "payload": {"kernel": str(kernel(self.folder)), "cmdline": "console=ttyS0"},
            "serial": {"mode": "Null"},
            "console": {"mode": "Off"},
            **fields,
        }

    def disk(self, name: str, size: int = 4 * MIB, **fields: Json) -> Json:
        path = self.folder / f"{name}.raw"
        path.touch(mode=0o600)
        os.truncate(path, size)
        return {"id": name, "path": str(path), "image_type": "Raw", "serial": name, **fields}

    def running(self, **fields: Json) -> "Process":
        self.client.create(self.config(**fields))
        self.client.boot()
        return self

    @property
    def info(self) -> Any:
        return self.client.info()

    @property
    def tree(self) -> dict[str, Any]:
        return dict(self.info.get("device_tree") or {})

    def seen(self) -> list[Event]:
        return self.events.read()

    def end(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self._log.close()


def until(condition: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds:g} s: {what}"
        threading.Event().wait(0.01)


def kernel(folder: Path) -> Path:
    """Return a kernel: a real one for the real program, and a file that names its guest for the stand-in."""
    path = folder / "vmlinux"
    path.write_bytes(_elf())
    return path


def _elf() -> bytes:
    """Return the smallest kernel that is loaded: an ELF file with a PVH entry that halts."""
    code = b"\xfa\xf4\xeb\xfd"  # cli; hlt; jmp hlt
    base, offset = 0x1000000, 0x1000
    note = struct.pack("<III", 4, 4, 18) + b"Xen\0" + struct.pack("<I", base)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, offset, base, base, len(code), len(code), 0x1000)
    notes = struct.pack("<IIQQQQQQ", 4, 4, 0x200, 0, 0, len(note), len(note), 4)
    image = (header + load + notes).ljust(0x200, b"\0") + note
    return image.ljust(offset, b"\0") + code


@pytest.fixture(autouse=True)
def host_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load no rules into the host of the tests, nor look at its own; `tests/providers/vmm/test_loopback.py` does so in a namespace."""
    monkeypatch.setattr(loopback, "close", lambda _wanted=None: "")
    monkeypatch.setattr(loopback, "_place", lambda: None)


@pytest.fixture(autouse=True)
def as_described(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Hold every request and answer against the OpenAPI file where it is at hand; yields what is not as it says."""
    described, ask, mistakes = api_description.description(), HttpClient.request, list[str]()
    releases: dict[str, int] = {}

    def ask_and_compare(client: HttpClient, method: str, path: str, body: Json = None, **more: Any) -> Answer:
        answer = ask(client, method, path, body, **more)
        socket = str(client._socket)
        if answer.ok and (path == "/vmm.ping" or socket not in releases):
            with contextlib.suppress(HttpError):
                told = answer if path == "/vmm.ping" else ask(client, "GET", "/vmm.ping")
                releases[socket] = parse(told.json()["version"]).major
        if described is not None and releases.get(socket) == api_description.MAJOR:
            mistakes.extend(described.mistakes(Exchange(method, path.removeprefix("/"), body, answer.status, answer.text)))
        return answer

    if described is not None:
        monkeypatch.setattr(HttpClient, "request", ask_and_compare)
    yield mistakes
    assert mistakes == []


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.live)])
def command(request: pytest.FixtureRequest) -> list[str]:
    """The program under test."""
    if request.param == "stand-in":
        return [str(STAND_IN)]
    found = real_program()
    if found is None:
        pytest.skip("needs cloud-hypervisor on PATH, and /dev/kvm")
    return [found]


@pytest.fixture
def start(command: list[str]) -> Iterator[Callable[..., Process]]:
    """Start the program; every process ends with the test."""
    started: list[Process] = []
    folder = Path(tempfile.mkdtemp(prefix="hc-ch-"))

    def start_one(*words: str) -> Process:
        own = folder / str(len(started))
        own.mkdir()
        started.append(Process([*command, *words], own))
        return started[-1].ready()

    yield start_one
    for process in started:
        process.end()
    shutil.rmtree(folder)


@pytest.fixture
def vmm(start: Callable[..., Process]) -> Process:
    """One running program without a VM."""
    return start()


# The driver, over the stand-in and the real program.


def make_machine(folder: Path, **fields: Any) -> Part:
    """Return the part of a small machine."""
    return {
        "sid": "v1",
        "vcpus": 1,
        "max_vcpus": 4,
        "affinity": None,
        "topology": None,
        "memory": 128 * MIB,
        "boot_memory": 128 * MIB,
        "hotplug": 256 * MIB,
        "hugepages": False,
        "mergeable": False,
        "root": None,
        "volumes": [],
        "shares": [],
        "nics": [],
        "payload": {"kernel": str(kernel(folder)), "initramfs": None, "cmdline": "console=ttyS0 guest=lively"},
        "seed": None,
        "labels": {},
        "restart": "no",
        **fields,
    }


def skip_where_kvm_keeps_its_state(error: Exception) -> None:
    """Skip a test that needs the real program to write memory, on a KVM that does not give away all of its state."""
    if "GetNestedState" in str(error):
        pytest.skip("needs a KVM that gives away the state of nested guests, which this one does not (KVM_GET_NESTED_STATE fails)")


class Bench:
    """One VM and everything that a test does to it."""

    def __init__(self, data: Path, *, real: bool) -> None:
        self.data, self.real = data, real
        self.driver = driving.CloudHypervisorDriver(data, Patience(button=0.5, again=0.2, off=10.0), agreement=1.0)
        self.told: list[str] = []
        self.spec: dict[str, Any] = {"sid": "v1", "networks": [], "mycelium": None}
        self.attachments: dict[str, Attachment] = {}
        self.lineage = "lineage-1"
        (data / "vms" / "v1").mkdir(parents=True)

    def machine(self, **fields: Any) -> Part:
        return make_machine(self.data, **fields)

    def root(self, size: int = 8 * MIB) -> Path:
        path = self.data / "vms" / "v1" / "root.raw"
        path.touch(mode=0o600)
        os.truncate(path, size)
        return path

    def volume(self, name: str, size: int = 4 * MIB) -> Path:
        path = self.data / "volumes" / "shop" / f"{name}.raw"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        os.truncate(path, size)
        return path

    def work(self, kind: str, before: Part, after: Part, part: str = "machine", address: str = "vm.web") -> Work:
        step = Step(f"{address}/{kind}", address, kind, "cloud-hypervisor", part, before, after)  # type: ignore[arg-type]
        return Work(
            step,
            "shop",  # type: ignore[arg-type]
            self.spec,
            self.lineage,
            "plan",
            progress=lambda text, _share: self.told.append(text),
            attachments=self.attachments,
            disks=self.disks(),
        )

    def disks(self) -> dict[str, Disk]:
        """Return what the provider of images would hand over: everything that lies in its places."""
        found = {"root": self.data / "vms" / "v1" / "root.raw", "seed": self.data / "vms" / "v1" / "seed.iso"}
        found |= {path.stem: path for path in self.data.glob("volumes/shop/*.raw")}
        names = {"root": "disk", "seed": "seed"}
        return {
            names.get(serial, f"volume.{serial}"): Disk(path, "raw", None, serial, serial == "seed", Lock.EXCLUSIVE)
            for serial, path in found.items()
        }

    def do(self, *words: Any, **more: Any) -> Work:
        work = self.work(*words, **more)
        assert self.driver.perform(work) == work.step.after
        assert self.driver.probe(work).found is Found.DONE
        return work

    def power(self, kind: str, before: str, after: str) -> Work:
        return self.do(kind, before, after, part="power")

    def running(self, **fields: Any) -> "Bench":
        self.do("vm.create", None, self.machine(**fields))
        self.power("vm.boot", "stopped", "running")
        return self

    # Memory in snapshots.

    SNAPSHOT = "vms/v1/snapshots/one"

    def held(self, **fields: Any) -> tuple[Part, Part]:
        """Run a machine, hold it and give it a snapshot; returns the part before and after its memory is kept."""
        machine = self.machine(**fields)
        self.do("vm.create", None, machine)
        self.power("vm.boot", "stopped", "running")
        self.power("vm.freeze", "running", "paused")
        (self.data / self.SNAPSHOT).mkdir(mode=0o700, parents=True)
        plain = {"path": self.SNAPSHOT, "size": 0, "disks": [], "memory": None}
        version = f"v{self.version}"
        memory = {"size": machine["memory"], "hypervisor": "cloud-hypervisor", "version": version, "machine": machine}
        return plain, {**plain, "size": memory["size"], "memory": memory}

    def save(self, plain: Part, saved: Part) -> Work:
        """Keep the memory, where KVM lets the program do it."""
        work = self.work("snapshot.save", plain, saved, part="snapshot.one")
        self.keep(work)
        assert self.driver.probe(work).found is Found.DONE
        return work

    def keep(self, work: Work) -> None:
        try:
            self.driver.perform(work)
        except Permanent as error:
            skip_where_kvm_keeps_its_state(error)
            raise

    def kept(self, **fields: Any) -> Part:
        """Return the snapshot of a machine whose memory was kept, and that was stopped."""
        plain, saved = self.held(**fields)
        self.save(plain, saved)
        self.power("vm.thaw", "paused", "running")
        self.power("vm.stop", "running", "stopped")
        return saved

    def revival(self, restoring: str = "one-1") -> Work:
        work = self.work("vm.revive", "stopped", "running", part="power")
        origin = {"stack": "shop", "address": "vm.web", "snapshot": "one", "disk": "", "path": self.SNAPSHOT, "token": restoring}
        return work._replace(step=work.step._replace(origin=origin))

    @property
    def memory(self) -> Path:
        return self.data / self.SNAPSHOT / "memory"

    @property
    def version(self) -> str:
        said = subprocess.run(["cloud-hypervisor", "--version"], capture_output=True, text=True, check=True).stdout
        return ".".join(said.strip().rpartition("v")[2].split("-")[0].split(".")[:2])

    def happened(self) -> list[str]:
        """Return what the process that runs now wrote down."""
        return [event.key for event in EventFile(file_layout.event_file(self.data, "v1")).read() if event.source == "vm"]

    def see(self) -> dict[str, Part]:
        things = observing.observer(self.data).observe()
        return dict(things.things["shop"]["vm.web"].parts) if "shop" in things.things else {}

    @property
    def process(self) -> identity.Identity | None:
        return identity.running(self.data, "v1")

    @property
    def info(self) -> Any:
        with vmm_process.open_client(self.data, "v1") as client:
            return client.info()

    @property
    def boots(self) -> int:
        """How often the guest was started, as the program wrote it down."""
        events = EventFile(file_layout.event_file(self.data, "v1")).read()
        return sum(event.key in ("vm/booted", "vm/rebooted") for event in events)

    def left_over(self) -> list[str]:
        """Return the command lines of processes that belong to this VM, and the sockets that are left."""
        token = f"HEROCLOUD_VM={folders.runtime_root(self.data).name}/".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    if token in (entry / "environ").read_bytes() and (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                        found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        runtime = folders.runtime_folder(self.data, "v1")
        return found + ([str(path) for path in runtime.iterdir()] if runtime.exists() else [])

    def clean(self) -> None:
        leftover_processes.end(self.data, "v1")
        shutil.rmtree(folders.runtime_root(self.data), ignore_errors=True)


@pytest.fixture
def program_on_path(command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put the program under test first on PATH; returns the folder, so that a test may put something in its place."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "cloud-hypervisor").symlink_to(command[0])
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(launch, "has_systemd", lambda: False)
    return folder


@pytest.fixture
def bench(program_on_path: Path, command: list[str], tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "data", real=command[0] != str(STAND_IN))
    yield made
    made.clean()
