"""One real guest under QEMU's emulation, with the wires that a test needs: console, agent, monitor, a port to its page."""

import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.images.builds import tiny

PROGRAM = "qemu-system-x86_64"
MAC = "02:00:00:00:00:01"
CONSOLE = "console=ttyS0 quiet"
AGENT = "virtserialport,name=org.qemu.guest_agent.0"
# The lab is emulated itself: there KVM is sound, and emulation inside emulation would take minutes for a boot.
ACCEL = "kvm" if os.environ.get("HEROCLOUD_LAB") else "tcg"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clock_rate() -> int:
    """Return the kHz of this machine's processors, whose time stamps an emulated one hands on."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return next((int(float(line.partition(":")[2]) * 1000) for line in text.splitlines() if line.startswith("cpu MHz")), 2_000_000)


class Lines:
    """A socket that speaks JSON, a text a line."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rwb")

    def ask(self, **message: Any) -> Any:
        self.stream.write(json.dumps(message).encode() + b"\n")
        self.stream.flush()
        while True:
            answer = json.loads(self.stream.readline())
            if "return" in answer or "error" in answer:
                return answer

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


class Guest:
    """A running guest."""

    def __init__(
        self,
        folder: Path,
        built: tiny.Built,
        *,
        append: str = "",
        disks: tuple[Path, ...] = (),
        machine: str = "q35",
        agent: str = AGENT,
        console: str = CONSOLE,
    ) -> None:
        if shutil.which(PROGRAM) is None:
            pytest.skip(f"needs {PROGRAM} (package qemu-system-x86)")
        self.folder = folder
        self.port = free_port()
        # The smallest machine has no PCI; its cards and disks are found by what ACPI says of them.
        kind = "device" if machine == "microvm" else "pci"
        if machine == "microvm":
            # It has one clock only, and on a busy machine emulation reads that one too slowly for the kernel to measure its own by it.
            append += f" tsc_early_khz={clock_rate()}"
        command = [
            PROGRAM, "-M", machine, "-accel", ACCEL, "-cpu", "max", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(built.kernel), "-initrd", str(built.initramfs), "-append", f"{console} {append}",
            "-serial", f"file:{folder}/console", "-qmp", f"unix:{folder}/monitor,server=on,wait=off",
            "-device", f"virtio-serial-{kind}", "-chardev", f"socket,id=agent,path={folder}/agent,server=on,wait=off",
            "-device", f"{agent},chardev=agent",
            "-netdev", f"user,id=first,hostfwd=tcp:127.0.0.1:{self.port}-:80", "-device", f"virtio-net-{kind},netdev=first,mac={MAC}",
        ]  # fmt: skip
        if machine == "microvm":
            command += ["-m", "128M"]
        else:
            command += [
                "-smp", "1,maxcpus=2,sockets=2", "-m", "256M,slots=4,maxmem=1G", "-netdev", "user,id=second",
                "-device", "pcie-root-port,id=slot1,chassis=1,slot=1", "-device", "pcie-root-port,id=slot2,chassis=2,slot=2",
                "-device", "pcie-root-port,id=slot3,chassis=3,slot=3",
            ]  # fmt: skip
        for number, disk in enumerate(disks):
            readonly = ",readonly=on" if disk.suffix == ".iso" else ""
            command += ["-drive", f"file={disk},format=raw,if=none,id=disk{number}{readonly}"]
            command += ["-device", f"virtio-blk-{kind},drive=disk{number}"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self._open: list[Lines] = []
        try:
            self.wait_for("herocloud-guest ready")
            self.monitor = self.connect("monitor")
            self.monitor.stream.readline()
            self.monitor.ask(execute="qmp_capabilities")
            self.agent = self.connect("agent")
            self.agent.ask(execute="guest-sync", arguments={"id": 1})
        except BaseException:
            self.close()
            raise

    def connect(self, name: str) -> Lines:
        self._open.append(Lines(self.folder / name))
        return self._open[-1]

    def console(self) -> str:
        path = self.folder / "console"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_for(self, text: str, seconds: float = 60) -> str:
        """Wait for a text on the console; returns the line with it."""
        self.wait_until(lambda: text in self.console(), seconds, f"`{text}` on the console")
        return next(line for line in self.console().splitlines() if text in line)

    def wait_until(self, condition: Any, seconds: float = 30, what: str = "the condition") -> None:
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}:\n{self.console()}"
            assert self.process.poll() is None or condition(), f"QEMU ended with {self.process.returncode}:\n{self.console()}"
            pause.wait(0.05)

    def qmp(self, command: str, **arguments: Any) -> Any:
        answer = self.monitor.ask(execute=command, arguments=arguments)
        assert "return" in answer, answer
        return answer["return"]

    def start(self, *command: str, **more: Any) -> int:
        answer = self.agent.ask(
            execute="guest-exec", arguments={"path": command[0], "arg": list(command[1:]), "capture-output": True, **more}
        )
        return int(answer["return"]["pid"])

    def run(self, *command: str, **more: Any) -> tuple[int, str]:
        """Run a command in the guest; returns how it ended and what it said."""
        pid = self.start(*command, **more)
        ended: dict[str, Any] = {}

        def has_ended() -> bool:
            ended.update(self.agent.ask(execute="guest-exec-status", arguments={"pid": pid})["return"])
            return bool(ended["exited"])

        self.wait_until(has_ended, what=f"the end of {command}")
        said = b"".join(base64.b64decode(ended.get(name, "")) for name in ("out-data", "err-data"))
        return ended["exitcode"], said.decode()

    def page(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=20) as answer:
            return str(answer.read().decode())

    def close(self) -> None:
        for one in self._open:
            with contextlib.suppress(OSError):
                one.close()
        self.process.kill()
        self.process.wait(timeout=30)
        if self.process.stdout is not None:
            self.process.stdout.close()
