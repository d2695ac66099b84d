"""Cloud Hypervisor for tests: the stand-in always, the real program where it is on PATH, and the same tests for both."""

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

from herocloud.kits.jsons import Json
from herocloud.providers.cloud_hypervisor.client import Client, Lost
from herocloud.providers.cloud_hypervisor.event_file import Event, EventFile

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
        path.touch()
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
