"""Places where stacks run for real: a data folder, a network namespace that nobody else is in, and eyes that look into guests.

Commands run as processes of their own, as a person would run them. The host's networks are left alone: bridges, taps and rules are made in
a namespace that ends with the test. Where systemd runs, it is hidden from the commands: VMs that it started would be outside of the
namespace.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SLOWER = 5 if os.environ.get("HEROCLOUD_LAB") == "tcg" else 1
"""How much longer than elsewhere anything takes: in a lab that is emulated itself, a guest's every interrupt is emulated twice."""
PATIENCE = 90.0 * SLOWER
"""Seconds for what a guest under emulation does on a machine that is busy with other tests."""
_ENTER = "mount -t tmpfs tmpfs /run && mount -t sysfs sysfs /sys && ip link set lo up && echo ready && exec cat"
"""Nothing of the host's /run: no systemd, and no folder of sockets and locks that other tests share. A new /sys shows the new network."""
_ENTER_WITH_GROUPS = (
    "mount -t tmpfs tmpfs /run && mkdir /run/groups && mount --rbind /sys/fs/cgroup /run/groups && mount -t sysfs sysfs /sys "
    "&& mount --rbind /run/groups /sys/fs/cgroup && ip link set lo up && echo ready && exec cat"
)
"""The same with the control groups of the host, for who looks at them and removes them."""


def wait_until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Wait for a condition, and return what it returned."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        pause.wait(0.1)
    return found


class Namespace:
    """A process that holds namespaces open."""

    def __init__(self, *, groups: bool = False) -> None:
        enter = _ENTER_WITH_GROUPS if groups else _ENTER
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", enter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"

    @property
    def pid(self) -> int:
        """Return the process that holds them open."""
        return self._holder.pid

    @property
    def prefix(self) -> list[str]:
        """Return the words that run a command inside."""
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", "--"]

    def close(self) -> None:
        self._holder.communicate(timeout=20)


class Site:
    """One data folder with its stack file, on one hypervisor."""

    def __init__(self, folder: Path, hypervisor: str, prefix: list[str]) -> None:
        self.hypervisor = hypervisor
        self.data = folder / "data"
        self.folder = folder / "work"
        self.prefix = prefix
        for one in (self.data, self.folder):
            one.mkdir(mode=0o755)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("HEROCLOUD_", "XDG_"))}
        self.environment |= {
            "HEROCLOUD_DATA_DIR": str(self.data),
            "HEROCLOUD_CACHE_DIR": str(folder / "cache"),
            "HEROCLOUD_HYPERVISOR": hypervisor,
            "NO_COLOR": "1",
            "COLUMNS": "120",
        }

    def run(self, *words: str, stdin: str = "", timeout: float = 300 * SLOWER) -> subprocess.CompletedProcess[str]:
        """Run any program where the commands run."""
        return subprocess.run(
            # Whoever enters a mount namespace starts at its root.
            [*self.prefix, "sh", "-c", 'cd "$0" && exec "$@"', str(self.folder), *words],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def __call__(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a herocloud command."""
        return self.run(sys.executable, "-m", "herocloud", *words, stdin=stdin)

    def done(self, *words: str, stdin: str = "") -> str:
        """Run a herocloud command that must succeed, and return what it printed."""
        ran = self(*words, stdin=stdin)
        assert ran.returncode == 0, f"herocloud {' '.join(words)} ended with {ran.returncode}\n{ran.stdout}\n{ran.stderr}{self.logs()}"
        return ran.stdout

    def inside(self, vm: str, *words: str) -> tuple[int, str]:
        """Run a program in a guest; returns its code and output, and -1 while the guest is not reached."""
        ran = self("--json", "vm", "exec", vm, "--no-stdin", "--", *words)
        if ran.returncode and '"exit_code"' not in ran.stdout:
            return -1, ran.stderr
        said = json.loads(ran.stdout)
        return said["exit_code"], said["stdout"]

    def shell(self, vm: str, script: str) -> str:
        """Run a script in a guest that must succeed, and return what it said."""
        code, said = self.inside(vm, "sh", "-c", script)
        assert code == 0, f"`{script}` in {vm} ended with {code}: {said}{self.logs()}"
        return said.strip()

    def page(self, url: str) -> str:
        """Fetch a page from the host's side; an empty text when nobody answers."""
        code = f"import urllib.request; print(urllib.request.urlopen({url!r}, timeout=5).read().decode())"
        return self.run(sys.executable, "-c", code).stdout

    @staticmethod
    def free_port() -> int:
        """Return a port of this host that nobody listens on."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    def sid(self, vm: str) -> str:
        """Return the sid of a VM."""
        return str(json.loads(self.done("--json", "vm", "show", vm))["sid"])

    def logs(self) -> str:
        """Return what all guests said, for a failed assertion."""
        found = sorted(self.data.glob("vms/*/vmm/*log*"))
        return "".join(f"\n--- {path}\n{path.read_text(errors='replace')[-3000:]}" for path in found)

    def tidy(self) -> None:
        """End what a failed test left running, by the records that the processes wrote of themselves."""
        from herocloud.providers.vmm import identity

        for record in self.data.glob("vms/*/vmm/process"):
            left = identity.read(record)
            if left is not None and identity.is_alive(left):
                identity.send(left, 9)  # type: ignore[arg-type]
                identity.wait_for_death(left, 20)


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip where namespaces cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("needs root (network namespaces)")
    for program, package in (("unshare", "util-linux"), ("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} (package {package})")


@pytest.fixture(scope="session")
def qemu() -> None:
    """Skip where QEMU is missing."""
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs qemu-system-x86_64 (package qemu-system-x86)")


@pytest.fixture(scope="session")
def cloud_hypervisor(qemu: None) -> None:
    """Skip where Cloud Hypervisor is missing, or KVM does not run guests; QEMU is what can compare KVM with emulation."""
    from herocloud.providers.qemu import kvm_probe

    if shutil.which("cloud-hypervisor") is None:
        pytest.skip("needs cloud-hypervisor on PATH")
    if kvm_probe.accelerate(kvm_probe.require_program()).name != "kvm":
        pytest.skip("needs a /dev/kvm that guests get through")


@pytest.fixture(scope="session")
def make_folder_site() -> type[Site]:
    """Return what makes a site in a folder of the test's own."""
    return Site


@pytest.fixture(scope="module")
def make_site(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Site]]:
    """Return a maker of sites; what is left of them at the end is ended."""
    with contextlib.ExitStack() as left:

        def make(hypervisor: str) -> Site:
            folder = tmp_path_factory.mktemp("site")
            if hypervisor == "simulator":
                site = Site(folder, hypervisor, [])
                (site.data / "host.yaml").write_text("name: node1\nsimulated: {memory: 32 GiB, disk: 2 TiB, cpus: 4}\n")
                for name in ("vmlinuz", "initramfs"):
                    (site.folder / name).touch()
                return site
            request.getfixturevalue("namespaces")
            request.getfixturevalue(hypervisor.replace("-", "_"))
            image = request.getfixturevalue("tiny_image")
            namespace = Namespace()
            left.callback(namespace.close)
            site = Site(folder, hypervisor, namespace.prefix)
            left.callback(site.tidy)
            (site.data / "host.yaml").write_text("name: node1\n")
            (site.folder / "vmlinuz").symlink_to(image.kernel)
            (site.folder / "initramfs").symlink_to(image.initramfs)
            return site

        yield make


@pytest.fixture
def waiting() -> Callable[..., Any]:
    """Return what waits for a condition with a deadline."""
    return wait_until
