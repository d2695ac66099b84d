"""What a host is promised besides what `drift` shows, tried by commands alone on a real host, in namespaces of its own.

Nobody's files in the data folder are run, a serial log stays bounded while nobody runs a command, a lock that somebody holds does not hold
the command line, what a plan says of a way out of a network holds on the running VM, and seeds and logs are counted before they are made.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.guests.conftest import Site, wait_until
from tests.hostile.real_sites import real_site

pytestmark = [pytest.mark.root, pytest.mark.slow]

STACK = """\
stack: shop
images: {blank: {source: ./blank.raw, format: raw, nocloud: true}}
networks: {out: {cidr: 10.43.0.0/24, mode: user, nat: true}}
vms:
  web: {image: blank, memory: 256 MiB, networks: [out], root_disk: {size: 8 MiB}, restart: always}
"""
BRIDGE = "stack: net\nnetworks: {lan: {cidr: 10.42.0.0/24}}\n"
HOLD = """\
import fcntl, os, sys
os.makedirs("/run/herocloud", mode=0o700, exist_ok=True)
held = open("/run/herocloud/network.lock", "a")
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""
LARGE = 256 * 1024**2


class Host:
    """A real host with one VM on it, whose guest is a blank disk."""

    def __init__(self, site: Site) -> None:
        self.site = site
        (site.data / "host.yaml").write_text("name: node1\n")
        (site.folder / "stack.yaml").write_text(STACK)
        (site.folder / "net.yaml").write_text(BRIDGE)
        (site.folder / "blank.raw").write_bytes(bytes(1024**2))
        site.done("apply", "-y", "-q")
        self.vm = next((site.data / "vms").iterdir())

    def process(self, record: str = "process") -> int:
        try:
            return int((self.vm / "vmm" / record).read_text().splitlines()[-1].split()[0])
        except (OSError, IndexError):
            return 0


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with real_site(tmp_path_factory) as site:
        try:
            yield Host(site)
        finally:
            site("vm", "stop", "web", "--force")
            site("destroy", "-y", "-q", "--purge")
            site("destroy", "-y", "-q", "--purge", "-f", "net.yaml")
            site.tidy()


def test_a_way_out_that_changes_is_planned_with_what_it_costs_the_running_vm(host: Host) -> None:
    before = host.process()
    (host.site.folder / "stack.yaml").write_text(STACK.replace("nat: true", "nat: false"))
    try:
        applied = host.site("apply", "-y")
        said = applied.stdout + applied.stderr
        if applied.returncode == 0:
            assert host.process() != before, "it says that it is done, and the VM goes on as it was started"
        else:
            assert "vm.web" in said
            assert "hint:" in said
            assert host.process() == before
    finally:
        (host.site.folder / "stack.yaml").write_text(STACK)
        host.site.done("apply", "-y", "-q")


def test_nothing_that_lies_in_the_data_folder_is_run(host: Host) -> None:
    proof, before = host.site.folder / "proof", host.process()
    for name in ("process.command", "command", "process.sh"):
        for folder in (host.vm, host.vm / "vmm"):
            planted = folder / name
            planted.write_text(f"touch {proof}\n" + (planted.read_text() if planted.exists() else ""))
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: host.process() not in (0, before), "the VM to be started again")
    assert not proof.exists()


def test_a_serial_log_stays_bounded_while_nobody_runs_a_command(host: Host) -> None:
    log = host.vm / "vmm/serial.log"
    with log.open("ab") as stream:
        for _ in range(LARGE // 1024**2):
            stream.write(b"x" * (1024**2 - 1) + b"\n")
    wait_until(lambda: log.stat().st_blocks * 512 < LARGE // 2, "the log to be cut", 60.0)


def test_a_lock_that_somebody_holds_does_not_hold_the_command_line(host: Host) -> None:
    with subprocess.Popen(
        [*host.site.prefix, sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        words = [
            "sh",
            "-c",
            'cd "$0" && exec "$@"',
            str(host.site.folder),
            sys.executable,
            "-m",
            "herocloud",
            "apply",
            "-y",
            "-f",
            "net.yaml",
        ]
        command = subprocess.Popen([*host.site.prefix, *words], env=host.site.environment, text=True, stderr=subprocess.PIPE)
        try:
            wait_until(lambda: _has_open(command.pid, "network.lock"), "the apply to wait for the lock")
            command.send_signal(signal.SIGINT)
            command.communicate(timeout=15)
        finally:
            command.kill()
            command.wait()
            holder.communicate(timeout=20)
    host.site("resume", "-y")
    host.site.done("apply", "-y", "-q", "-f", "net.yaml")


def _has_open(pid: int, name: str) -> bool:
    found = []
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                found.append(Path(f"/proc/{pid}/fd/{number}").readlink().name)
    return name in found


def test_an_mtu_too_small_for_ipv6_is_seen_and_healed(host: Host) -> None:
    host.site.done("apply", "-y", "-q", "-f", "net.yaml")
    link = next(name for name in host.site.run("ls", "/sys/class/net").stdout.split() if name.startswith("hb-"))
    for change in (["mtu", "1000"], ["down"], ["mtu", "1279"]):
        assert host.site.run("ip", "link", "set", link, *change).returncode == 0
        assert host.site("drift", "--detailed-exitcode", "-f", "net.yaml").returncode == 2
        host.site.done("apply", "-y", "-q", "-f", "net.yaml")
        assert host.site.done("plan", "-f", "net.yaml").strip() == "No changes."


FULL = """\
set -e
mount -t tmpfs -o size=96m,mode=755 none "$1"
mkdir -m 700 "$1/data"
printf 'name: node1\\nimages: {keep_free: 0 B}\\n' > "$1/data/host.yaml"
cd "$2"
free=$(( $(df --output=avail -B1M "$1" | tail -1) ))
printf 'stack: s\\nvolumes: {data: {size: %s MiB}}\\n' "$((free - REST))" > room.yaml
printf 'images: {tiny: {kernel: ./vmlinuz, initramfs: ./initramfs}}\\nvms: {web: {image: tiny, memory: 256 MiB}}\\n' >> room.yaml
"$3" -m herocloud --data-dir "$1/data" plan -f room.yaml
"""


def test_what_a_vm_writes_besides_its_disks_is_counted(host: Host, tmp_path: Path) -> None:
    place, work = tmp_path / "disk", tmp_path / "work"
    for one in (place, work):
        one.mkdir()
    for name in ("vmlinuz", "initramfs"):
        (work / name).write_bytes(name.encode())

    def plan(rest: int) -> Any:
        words = ["unshare", "--mount", "sh", "-c", FULL.replace("REST", str(rest)), "sh", str(place), str(work), sys.executable]
        environment = {**os.environ, "HEROCLOUD_HYPERVISOR": "qemu", "HEROCLOUD_CACHE_DIR": str(tmp_path / "cache"), "NO_COLOR": "1"}
        return subprocess.run(words, capture_output=True, text=True, env=environment, check=False, timeout=120)

    tight, roomy = plan(1), plan(80)
    assert roomy.returncode == 0, roomy.stdout + roomy.stderr
    assert tight.returncode == 14, tight.stdout
    assert "does not fit" in tight.stdout
