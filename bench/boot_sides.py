"""The two sides of `scripts/bench boot`: the same guest booted by `herocloud apply`, and by a command line as a person would type it.

The one by hand gets the seed of herocloud's, and under QEMU its accelerator and the MAC of its card: later guests of this name get the
same.
"""

import contextlib
import json
import resource
import shutil
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import measuring
from boot_watch import Watch, Way

from herocloud.providers.cloud_hypervisor.hardware import AGENT_PORT
from herocloud.providers.guests.channels import Endpoint
from herocloud.providers.images.builds import tiny
from herocloud.providers.vmm import folders, identity

_STACK = """\
stack: bench
images:
  tiny: {{kernel: {built.kernel}, initramfs: {built.initramfs}, cmdline: {tiny.COMMAND_LINE}, nocloud: true}}
vms:
  one: {{image: tiny, hypervisor: {hypervisor}, memory: {memory} MiB, networks: [{networks}]}}
"""
_NETWORK = """\
networks:
  lan: {{cidr: 10.77.0.0/24, nat: true, mode: user, forward: [{{host_port: {port}, vm: one, port: 80}}]}}
"""
_LAST_LINES = 12


class Guest(NamedTuple):
    """What is booted, and how long it may take."""

    built: tiny.Built
    memory: int
    """MiB."""
    patience: float


class Sides(ABC):
    """Boots the guest on one hypervisor, by herocloud and by hand."""

    hypervisor: str
    program: str
    agent_port: int | None = None
    """The vsock port of the agent, where it is reached over vsock."""
    networks = ""

    def __init__(self, folder: Path, guest: Guest) -> None:
        """Work in a folder, which keeps what the side by hand needs of the other one."""
        self.folder, self.guest = folder, guest
        self.seed = folder / "seed.iso"
        self.words: list[str] = []
        """What herocloud's VMM was started with."""

    def boot_ours(self, name: str) -> Way:
        """Boot by `herocloud apply`, and destroy."""
        folder, port = self.folder / name, _free_port()
        data = folder / "data"
        data.mkdir(parents=True)
        stack = _STACK + (_NETWORK if self.networks else "")
        values = {"built": self.guest.built, "tiny": tiny, "hypervisor": self.hypervisor, "memory": self.guest.memory}
        (folder / "stack.yaml").write_text(stack.format(**values, networks=self.networks, port=port))
        command = [sys.executable, "-m", "herocloud", "--data-dir", str(data), "-q"]
        watch = Watch(lambda: next(iter(data.glob("vms/*/vmm/serial.log")), None), port if self.networks else None, self.guest.patience)
        before = _worked_by_children()
        try:
            measuring.run([*command, "apply", "-y"], folder=folder)
            applying = _worked_by_children() - before
            sid = next(data.glob("vms/*")).name
            process = _process(data, sid)
            self.words = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
            if not self.seed.exists():
                shutil.copy(next(data.glob("vms/*/seed.iso")), self.seed)
            agent = Endpoint(folders.agent_socket(data, sid), self.agent_port)
            way = watch.way(process.pid, agent, lambda: not identity.is_alive(process))
            return way._replace(processor=way.processor + applying)
        except (measuring.Failed, OSError, StopIteration) as error:
            raise measuring.Failed(f"{_say(error)}{_last_lines(sorted(data.glob('vms/*/vmm/*log')))}") from error
        finally:
            watch.close()
            # Nobody waits for the guest to shut down: that belongs to no boot.
            with contextlib.suppress(measuring.Failed):
                measuring.run([*command, "vm", "stop", "one", "--force"], folder=folder)
            measuring.run([*command, "destroy", "-y"], folder=folder)

    def boot_bare(self, name: str) -> Way:
        """Boot by a command line as a person would write it."""
        if not self.seed.exists():
            raise measuring.Failed("there is no seed for it: herocloud has made none yet")
        folder, port = self.folder / name, _free_port()
        folder.mkdir()
        log, agent, said = folder / "serial.log", folder / "agent.sock", folder / "program.log"
        watch = Watch(lambda: log, port if self.networks else None, self.guest.patience)
        process: subprocess.Popen[bytes] | None = None
        try:
            with said.open("wb") as stream:
                command = self.command(log, agent, port)
                process = started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
            return watch.way(process.pid, Endpoint(agent, self.agent_port), lambda: started.poll() is not None)
        except (measuring.Failed, OSError) as error:
            raise measuring.Failed(f"{_say(error)}{_last_lines([said, log])}") from error
        finally:
            watch.close()
            if process is not None:
                process.kill()
                process.wait()

    @abstractmethod
    def command(self, log: Path, agent: Path, port: int) -> Sequence[str]:
        """Return the command line by hand."""

    @abstractmethod
    def accelerator(self) -> str:
        """Say what runs the guests' instructions."""


class Qemu(Sides):
    """QEMU, with a card in user mode: no rights are needed."""

    hypervisor, program, networks = "qemu", "qemu-system-x86_64", "lan"

    def command(self, log: Path, agent: Path, port: int) -> Sequence[str]:
        """Return the command line by hand."""
        accelerator, built = self.accelerator(), self.guest.built
        mac = next(json.loads(word) for word in self.words if '"virtio-net' in word)["mac"]
        return [
            self.program, "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", f"q35,accel={accelerator}", "-cpu", "host" if accelerator == "kvm" else "max",
            "-m", f"{self.guest.memory}M", "-smp", "1",
            "-kernel", str(built.kernel), "-initrd", str(built.initramfs),
            "-append", tiny.COMMAND_LINE,
            "-drive", f"file={self.seed},format=raw,if=virtio,readonly=on",
            "-serial", f"file:{log}", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={agent},server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            "-netdev", f"user,id=lan,net=10.77.0.0/24,host=10.77.0.1,hostfwd=tcp:127.0.0.1:{port}-10.77.0.2:80",
            "-device", f"virtio-net-pci,netdev=lan,mac={mac}",
        ]  # fmt: skip

    def accelerator(self) -> str:
        """Say what herocloud's guest ran under."""
        return "kvm" if "-accel" in self.words and self.words[self.words.index("-accel") + 1] == "kvm" else "tcg"


class CloudHypervisor(Sides):
    """Cloud Hypervisor: no card, since it has no user mode, and an agent on vsock."""

    hypervisor, program, agent_port = "cloud-hypervisor", "cloud-hypervisor", AGENT_PORT

    def command(self, log: Path, agent: Path, port: int) -> Sequence[str]:  # noqa: ARG002  (no card, no port)
        """Return the command line by hand."""
        built = self.guest.built
        return [
            self.program, "--cpus", "boot=1", "--memory", f"size={self.guest.memory}M",
            "--kernel", str(built.kernel), "--initramfs", str(built.initramfs),
            "--cmdline", tiny.COMMAND_LINE,
            "--disk", f"path={self.seed},readonly=on,image_type=raw",
            "--vsock", f"cid=3,socket={agent}",
            "--serial", f"file={log}", "--console", "off",
        ]  # fmt: skip

    def accelerator(self) -> str:
        """Say that it knows KVM alone."""
        return "kvm"


SIDES: dict[str, type[Sides]] = {one.hypervisor: one for one in (Qemu, CloudHypervisor)}


def _process(data: Path, sid: str) -> identity.Identity:
    found = identity.running(data, sid)
    if found is None:
        raise measuring.Failed("the VM does not run")
    return found


def _say(error: Exception) -> str:
    return str(error) or type(error).__name__


def _last_lines(logs: Sequence[Path]) -> str:
    """Return what was said last, under the names of the logs; the folder is gone soon."""
    told = ""
    for log in logs:
        text = log.read_text(errors="replace") if log.exists() else ""
        lines = [line for line in text.splitlines() if line.strip()][-_LAST_LINES:]
        told += "".join(f"\n  {log.name}: {line}" for line in lines) or f"\n  {log.name} is empty"
    return told


def _worked_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
