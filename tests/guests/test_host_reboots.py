"""A host that really reboots: guests are shut down before, and back in order after it; those that were stopped stay off.

`scripts/lab --reboots` runs this: between two tests the host inside goes down, or its power is cut, as the marker of the first one says.
The tests rest on each other, and what they share is what is on the host's disk.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.vmm import identity

pytestmark = [pytest.mark.reboots, pytest.mark.timeout(900)]

DATA = Path("/var/lib/herocloud")
WORK = Path("/var/lib/shop")
UNITS = ("herocloud", "herocloud-boot", "herocloud-shutdown")
BOOTED = ["vm.zone", "vm.middle", "vm.app"]
"""The VMs that run, in the order of their dependencies, which is not that of their names."""

STACK = """\
stack: shop
images:
  tiny: {{kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: console=ttyS0 quiet, nocloud: true}}
networks:
  lan: {{cidr: 10.214.7.0/24, nat: true}}
volumes:
  data: {{size: 64 MiB}}
defaults: {{image: tiny, memory: 256 MiB, networks: [lan], hypervisor: qemu}}
vms:
  app: {{depends_on: [vm.middle], restart: always}}
  idle: {{depends_on: [vm.zone], restart: always, state: {idle}}}
  middle: {{depends_on: [vm.zone], hypervisor: {other}, restart: on-failure}}
  zone: {{volumes: [data]}}
"""


class Host:
    """The host inside the lab, driven as root drives any other."""

    def __init__(self) -> None:
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("HEROCLOUD_", "XDG_"))}
        self.environment |= {"NO_COLOR": "1", "COLUMNS": "120"}

    def done(self, *words: str) -> str:
        """Run a program that must succeed, and return what it printed."""
        ran = subprocess.run(words, cwd=WORK, env=self.environment, capture_output=True, text=True, timeout=600, check=False)
        assert ran.returncode == 0, f"{' '.join(words)} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}\n{self.units()}"
        return ran.stdout

    def herocloud(self, *words: str) -> str:
        """Run a herocloud command that must succeed."""
        return self.done(sys.executable, "-m", "herocloud", *words)

    def read(self, *words: str) -> Any:
        """Return what a herocloud command says in JSON."""
        return json.loads(self.herocloud("--json", *words))

    def is_in(self, unit: str, *states: str) -> bool:
        """Return whether a unit is in one of these states."""
        return self.done("systemctl", "show", "--value", "--property=ActiveState", unit).strip() in states

    def powers(self) -> dict[str, str]:
        """Return the state of every VM."""
        return {vm["address"]: vm["state"] for vm in self.read("vm", "list")["vms"]}

    def process(self, address: str) -> identity.Identity | None:
        """Return the process of a VM that runs."""
        sid = self.read("vm", "show", address)["sid"]
        return identity.running(DATA, sid)

    def inside(self, vm: str, script: str) -> str:
        """Run a script in a guest that must succeed."""
        return self.herocloud("vm", "exec", vm, "--no-stdin", "--", "sh", "-c", script).strip()

    def farewells(self, address: str) -> int:
        """Return how often a guest wrote that it shuts down, over all its boots; one that is cut off writes nothing."""
        sid = self.read("vm", "show", address)["sid"]
        return (DATA / "vms" / sid / "vmm" / "serial.log").read_bytes().count(b"herocloud-guest stopping")

    def units(self) -> str:
        """Return what the units said since the host booted, for a failed assertion."""
        words = ["journalctl", "--no-pager", "--boot", *(f"--unit={unit}" for unit in UNITS)]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False).stdout[-6000:]


@pytest.fixture
def host() -> Host:
    """Return the host, where it may be rebooted."""
    if not os.environ.get("HEROCLOUD_LAB_REBOOTS"):
        pytest.skip("needs a host that may be rebooted: `scripts/lab --reboots`")
    WORK.mkdir(mode=0o755, exist_ok=True)
    return Host()


@pytest.fixture
def came_back(host: Host, waiting: Callable[..., Any]) -> Callable[[str, int, int], None]:
    """Return what judges the host after a reboot: who has brought its VMs back, how many boots of them there were by then, and how often
    their guests were shut down: a cut of the power gives nobody the time."""

    def judge(user: str, boots: int, shut_down: int) -> None:
        waiting(lambda: host.is_in("herocloud-boot", "active", "failed"), "the unit that starts VMs at boot to end")
        assert host.is_in("herocloud-boot", "active"), host.units()
        powers = {**dict.fromkeys(BOOTED, "running"), "vm.idle": "stopped"}
        waiting(lambda: host.powers() == powers, f"the VMs to be as they were, not {host.powers()}; {host.units()}")

        waiting(lambda: (DATA / "last-boot").read_text() == identity.boot_id(), "the boot to be settled")
        history = host.read("state", "log")["history"]
        found = [entry for entry in history if entry["operation"] == "boot"]
        assert len(found) == boots, found
        newest = max(found, key=lambda entry: entry["serial"])
        assert {name: newest[name] for name in ("stack", "user", "outcome")} == {"stack": "shop", "user": user, "outcome": "done"}
        assert not [entry for entry in history if "restart" in entry["operation"]], history

        processes = [host.process(address) for address in BOOTED]
        started = [process.started for process in processes if process is not None]
        assert len(started) == len(BOOTED)
        assert started == sorted(set(started)), "they came in another order than that of their dependencies"
        assert host.process("vm.idle") is None
        farewells = {address: host.farewells(address) for address in BOOTED}
        assert farewells == dict.fromkeys(BOOTED, shut_down), f"{farewells}; {host.units()}"

        assert host.herocloud("drift") == "No drift.\n"
        assert "No changes." in host.herocloud("plan", "--detailed-exitcode")
        host.herocloud("vm", "wait", "--timeout", "5min", "zone", "middle", "app")
        assert host.inside("zone", "head -c 4 /dev/vdb") == "kept"
        assert host.inside("app", "ping -c 1 -W 20 10.214.7.1 >/dev/null && echo reached") == "reached"

    return judge


def test_vms_run_and_one_is_stopped(host: Host, tiny_image: Any) -> None:
    slices = len(host.read("host", "show")["slices"])
    assert slices > len(BOOTED), f"the host inside has {slices} slices and needs four: more --memory"
    for built in (tiny_image.kernel, tiny_image.initramfs):
        shutil.copy(built, WORK)
    other = "qemu" if shutil.which("cloud-hypervisor") is None else "cloud-hypervisor"
    (WORK / "stack.yaml").write_text(STACK.format(other=other, idle="running"))
    said = host.herocloud("daemon", "install")
    host.done("sh", "-c", said.split("`")[1])
    host.herocloud("apply", "-y")
    host.herocloud("vm", "wait", "--timeout", "5min")
    host.inside("zone", "printf kept | dd of=/dev/vdb conv=fsync 2>/dev/null")
    host.herocloud("vm", "stop", "idle")
    # The stack asks for what the person did, or the plan would say so.
    (WORK / "stack.yaml").write_text(STACK.format(other=other, idle="stopped"))
    assert host.powers() == {**dict.fromkeys(BOOTED, "running"), "vm.idle": "stopped"}
    assert "No changes." in host.herocloud("plan", "--detailed-exitcode")


@pytest.mark.reboots("shutdown")
def test_each_of_them_is_a_unit_with_limits_and_without_rights(host: Host) -> None:
    users = set()
    # Packages do this whenever they bring a unit: systemd reads again what it knows of those that run.
    host.done("systemctl", "daemon-reload")
    for address in BOOTED:
        process = host.process(address)
        assert process is not None
        proc = Path(f"/proc/{process.pid}")
        status = dict(line.split(":\t", 1) for line in (proc / "status").read_text().splitlines() if ":\t" in line)
        rights = {name: status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
        assert rights == dict.fromkeys(rights, "0000000000000000")
        assert status["NoNewPrivs"] == "1"
        users |= set(status["Uid"].split())
        assert (proc / "environ").read_text().split("=")[0] == identity.TOKEN
        assert (proc / "environ").read_text().count("\0") == 1
        assert (proc / "cwd").readlink() == Path("/")

        path = (proc / "cgroup").read_text().strip().removeprefix("0::/")
        assert path.startswith("herocloud.slice/herocloud-")
        assert host.done("systemctl", "show", "--value", "--property=LoadState", path.rpartition("/")[2]) == "loaded\n"
        group = Path("/sys/fs/cgroup") / path
        assert {"memory", "pids", "cpu", "io"} <= set((group / "cgroup.controllers").read_text().split())
        limits = {name: (group / name).read_text().strip() for name in ("memory.max", "pids.max", "cpu.weight")}
        # Its slice, into which it may grow, and what a VMM and the shell beside it take at most.
        assert limits == {"memory.max": str((4096 + 2048 + 16) * 1024**2), "pids.max": "1024", "cpu.weight": "200"}
        for weight in (one for one in ("io.weight", "io.bfq.weight") if (group / one).exists()):
            assert (group / weight).read_text().split()[:2] in (["default", "200"], ["default", "111"])
    assert len(users) == len(BOOTED)
    assert "0" not in users


@pytest.mark.reboots("cut")
def test_after_a_reboot_the_daemon_has_brought_them_back(came_back: Callable[[str, int, int], None]) -> None:
    came_back("daemon", 1, 1)


@pytest.mark.reboots("shutdown")
def test_after_a_cut_of_the_power_the_daemon_has_brought_them_back(came_back: Callable[[str, int, int], None], host: Host) -> None:
    came_back("daemon", 2, 1)
    host.done("systemctl", "disable", "--now", "herocloud")


@pytest.mark.reboots("cut")
def test_after_a_reboot_without_the_daemon_the_boot_unit_has_brought_them_back(
    came_back: Callable[[str, int, int], None], host: Host
) -> None:
    assert host.is_in("herocloud", "inactive")
    came_back("root", 3, 2)


def test_after_a_cut_of_the_power_the_boot_unit_has_brought_them_back(came_back: Callable[[str, int, int], None], host: Host) -> None:
    assert host.is_in("herocloud", "inactive")
    came_back("root", 4, 2)
    host.herocloud("destroy", "-y")
