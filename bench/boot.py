"""Prints how long it takes from `herocloud apply` to a guest that is ready, and to the first byte of its page, beside QEMU started by hand.

Both boot the same guest: kernel, initramfs, command line and seed, with the same memory, processor, accelerator, serial console, agent and
card in user mode, so no rights are needed. The one by hand is what a person would type: no plan, no records, no room to grow. The two take
turns, and the medians count. A guest is ready when its agent answers.

What each part took: `before QEMU` is everything until its process exists, `QEMU` until the kernel of the guest runs (the guest's own clock
tells, in its ready line), `guest` until that line, `answers` until the agent has said a number back. `processor` is the time that
processors worked for it until then, herocloud's own included: on a busy machine it says more than the clock.
"""

import argparse
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import measuring

from herocloud.kits import caches
from herocloud.providers.guests.agents import Agent
from herocloud.providers.guests.channels import Endpoint
from herocloud.providers.images.builds import tiny
from herocloud.providers.vmm import folders, identity

STACK = """\
stack: bench
images:
  tiny: {{kernel: {built.kernel}, initramfs: {built.initramfs}, cmdline: {tiny.COMMAND_LINE}, nocloud: true}}
networks:
  lan: {{cidr: 10.77.0.0/24, nat: true, mode: user, forward: [{{host_port: {port}, vm: one, port: 80}}]}}
vms:
  one: {{image: tiny, memory: {memory} MiB, networks: [lan]}}
"""
_READY = re.compile(rb"herocloud-guest ready host=\S+ seconds=([0-9.]+)")
_PATIENCE = 120.0
_PARTS = ("before QEMU", "QEMU", "guest", "answers")


class Way(NamedTuple):
    """One boot, seen from outside; all in seconds."""

    parts: tuple[float, ...]
    """Seconds of each part, in the order of `_PARTS`."""
    first_byte: float
    processor: float
    """Seconds that processors worked for it until the agent answered."""

    @property
    def ready(self) -> float:
        """Return the seconds until the agent answered."""
        return sum(self.parts)


def main() -> None:
    """Boot both by turns and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--memory", type=int, default=256, metavar="MIB")
    arguments = parser.parse_args()
    built = tiny.ensure(caches.cache_folder())
    with tempfile.TemporaryDirectory(prefix="hcboot") as name:
        # The first one finds out whether KVM boots guests here, which is remembered; it is not counted.
        seed = Path(name) / "seed.iso"
        accelerator, mac = _try(Path(name), built, arguments.memory, seed)
        ours, bare = [], []
        for number in range(arguments.times):
            ours.append(_boot_ours(Path(name) / f"ours{number}", built, arguments.memory)[0])
            bare.append(_boot_bare(Path(name) / f"bare{number}", built, arguments.memory, accelerator, seed, mac))
    _print(ours, bare, accelerator)


def _print(ours: list[Way], bare: list[Way], accelerator: str) -> None:
    print(f"one guest under {accelerator}, {len(ours)} boots of each by turns, {os.cpu_count()} processors; medians in seconds\n")
    print(f"{'':24}{'herocloud':>12}{'by hand':>12}{'ratio':>8}")
    for place, name in enumerate(_PARTS):
        left, right = (statistics.median(one.parts[place] for one in side) for side in (ours, bare))
        print(f"  {name:22}{left:12.2f}{right:12.2f}")
    totals = (
        ("ready", lambda one: one.ready),
        ("first byte of its page", lambda one: one.first_byte),
        ("processor", lambda one: one.processor),
    )
    for name, of in totals:
        left, right = (statistics.median(of(one) for one in side) for side in (ours, bare))
        print(f"{name:24}{left:12.2f}{right:12.2f}{left / right:8.2f}")


def _try(folder: Path, built: tiny.Built, memory: int, seed: Path) -> tuple[str, str]:
    """Boot once, keep the guest's seed, and return the accelerator and the card's MAC. Later guests of this name get the same of both."""
    command = _boot_ours(folder / "first", built, memory, lambda data: shutil.copy(next(data.glob("vms/*/seed.iso")), seed))[1]
    card = next(json.loads(word) for word in command if '"virtio-net' in word)
    return "kvm" if command[command.index("-accel") + 1] == "kvm" else "tcg", card["mac"]


def _boot_ours(folder: Path, built: tiny.Built, memory: int, look: Callable[[Path], object] = lambda _data: None) -> tuple[Way, list[str]]:
    """Boot by `herocloud apply`; returns also the words that QEMU was started with. `look` is shown the data folder while it runs."""
    port = _free_port()
    data = folder / "data"
    data.mkdir(parents=True)
    (folder / "stack.yaml").write_text(STACK.format(built=built, port=port, memory=memory, tiny=tiny))
    command = [sys.executable, "-m", "herocloud", "--data-dir", str(data), "-q"]
    began = time.monotonic()
    watch = _Watch(lambda: next(iter(data.glob("vms/*/vmm/serial.log")), None), port)
    before = _worked_by_children()
    measuring.run([*command, "apply", "-y"], folder=folder)
    applying = _worked_by_children() - before
    try:
        sid = next(data.glob("vms/*")).name
        process = identity.running(data, sid)
        if process is None:
            raise measuring.Failed("the VM does not run")
        words = Path(f"/proc/{process.pid}/cmdline").read_text().split("\0")
        look(data)
        way = watch.way(began, process.pid, folders.agent_socket(data, sid))
        way = way._replace(processor=way.processor + applying)
    finally:
        measuring.run([*command, "destroy", "-y"], folder=folder)
    return way, words


def _boot_bare(folder: Path, built: tiny.Built, memory: int, accelerator: str, seed: Path, mac: str) -> Way:
    """Boot by a command line as a person would write it."""
    folder.mkdir()
    port = _free_port()
    log, agent = folder / "log", folder / "agent.sock"
    began = time.monotonic()
    watch = _Watch(lambda: log, port)
    process = subprocess.Popen(
        [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", f"q35,accel={accelerator}", "-cpu", "host" if accelerator == "kvm" else "max", "-m", f"{memory}M", "-smp", "1",
            "-kernel", str(built.kernel), "-initrd", str(built.initramfs),
            "-append", tiny.COMMAND_LINE,
            "-drive", f"file={seed},format=raw,if=virtio,readonly=on",
            "-serial", f"file:{log}", "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={agent},server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
            "-netdev", f"user,id=lan,net=10.77.0.0/24,host=10.77.0.1,hostfwd=tcp:127.0.0.1:{port}-10.77.0.2:80",
            "-device", f"virtio-net-pci,netdev=lan,mac={mac}",
        ],
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return watch.way(began, process.pid, agent)
    finally:
        process.kill()
        process.wait()


class _Watch:
    """Waits for the ready line and the first byte, from the first instant on and beside whatever else is done."""

    def __init__(self, log: Callable[[], Path | None], port: int) -> None:
        self._log, self._port = log, port
        self._line = self._uptime = self._byte = 0.0
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def way(self, began: float, pid: int, agent: Path) -> Way:
        """Return what each part took, once all has been seen."""
        self._thread.join()
        if not self._byte:
            raise measuring.Failed(f"no guest was ready within {_PATIENCE:g} s")
        if not Agent(Endpoint(agent)).wait(_PATIENCE):
            raise measuring.Failed("the agent did not answer")
        answered = time.monotonic()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        worked = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        started, kernel = _since_boot(int(fields[19])), self._line - self._uptime
        return Way((started - began, kernel - started, self._line - kernel, answered - self._line), self._byte - began, worked)

    def _look(self) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            path = self._log()
            found = _READY.search(path.read_bytes()) if path is not None and path.exists() else None
            if found:
                self._line, self._uptime = time.monotonic(), float(found.group(1))
                break
            time.sleep(0.01)
        while time.monotonic() < until and not self._byte:
            self._byte = _first_byte(self._port)


def _first_byte(port: int) -> float:
    """Ask for the page once; returns when its first byte came, or nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
            wire.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return time.monotonic() if wire.recv(1) else 0.0
    except OSError:
        time.sleep(0.01)
        return 0.0


def _worked_by_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _since_boot(ticks: int) -> float:
    """Turn the kernel's count of a process's start into the clock that we read. Both count from the boot of the host."""
    behind = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    return ticks / os.sysconf("SC_CLK_TCK") - behind


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
