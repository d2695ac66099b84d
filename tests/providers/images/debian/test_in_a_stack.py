"""The Debian image in a stack: it takes our seed, is reached by ssh and by its agent, grows with its disk, and uses what is plugged in."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from herocloud.providers.images.builds.debian import Built

pytestmark = [pytest.mark.slow, pytest.mark.guest, pytest.mark.timeout(900)]

STACK = """\
stack: shop
images:
  debian: {{source: {image}, format: raw, nocloud: true}}
networks:
  lan: {{cidr: 10.77.0.0/24, mode: user, forward: [{{host_port: {port}, vm: web, port: 22}}]}}
vms:
  web:
    image: debian
    vcpus: {cpus}
    memory: {memory} MiB
    root_disk: {{size: 3 GiB}}
    networks: [lan]
    ssh_keys: ["{key}"]
    env: {{COLOUR: blue}}
"""


class Shop:
    """A stack with one VM, run by the program itself on this machine."""

    def __init__(self, folder: Path, image: Path) -> None:
        self.folder, self.image = folder, image
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("HEROCLOUD_")}
        self.environment = {
            **kept,
            "HEROCLOUD_DATA_DIR": str(folder / "data"),
            "HEROCLOUD_CACHE_DIR": str(folder / "cache"),
            "NO_COLOR": "1",
        }

    def describe(self, cpus: int, memory: int) -> None:
        key = (self.folder / "key.pub").read_text(encoding="utf-8").strip()
        text = STACK.format(image=self.image, port=self.port, cpus=cpus, memory=memory, key=key)
        (self.folder / "stack.yaml").write_text(text, encoding="utf-8")

    def run(self, *arguments: str, seconds: float = 120) -> str:
        command = [sys.executable, "-m", "herocloud", *arguments]
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert ended.returncode == 0, f"{arguments}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}\n{self.console()}"
        return ended.stdout

    def exec(self, *command: str) -> str:
        return self.run("vm", "exec", "vm.web", "--", *command)

    def ssh(self, command: str) -> str:
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes", "ConnectTimeout=60"]
        words = ["ssh", "-i", str(self.folder / "key"), "-p", str(self.port), *(word for one in options for word in ("-o", one))]
        ended = subprocess.run([*words, "debian@127.0.0.1", command], capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def console(self) -> str:
        logs = list((self.folder / "data").glob("vms/*/vmm/serial.log"))
        return logs[0].read_text(errors="replace")[-3000:] if logs else "the guest wrote nothing to its console"


@pytest.fixture(scope="module")
def shop(debian_image: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    if shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh (package openssh-client)")
    folder = tmp_path_factory.mktemp("shop")
    (folder / "data").mkdir(mode=0o700)
    running = Shop(folder, debian_image.disk)
    running.describe(cpus=1, memory=768)
    try:
        running.run("apply", "--auto-approve", seconds=300)
        running.run("vm", "wait", "vm.web", "--timeout", "480s", seconds=500)
        # The agent answers before cloud-init has done all that the seed says.
        running.exec("cloud-init", "status", "--wait")
        yield running
    finally:
        running.run("destroy", "--auto-approve", "--purge", seconds=200)
    assert not list((folder / "data" / "vms").glob("*/root.raw"))


def test_cloud_init_has_nothing_to_complain_about(shop: Shop) -> None:
    said = shop.exec("cloud-init", "status", "--long")
    assert "status: done" in said
    assert "DataSourceNoCloud" in said
    assert json.loads(shop.exec("cat", "/run/cloud-init/result.json"))["v1"]["errors"] == []
    assert shop.exec("systemctl", "list-units", "--failed", "--no-legend").strip() == ""


def test_the_guest_knows_its_name_and_its_environment(shop: Shop) -> None:
    assert shop.exec("hostname").strip() == "web"
    assert shop.exec("cat", "/etc/herocloud/env").strip() == 'COLOUR="blue"'


def test_the_key_opens_the_account_of_the_image_and_no_password_does(shop: Shop) -> None:
    assert shop.ssh("id -un; sudo -n id -un").split() == ["debian", "root"]
    assert shop.exec("passwd", "--status", "root").split()[1] == "L"
    assert shop.exec("sh", "-c", "sshd -T | grep -i ^passwordauthentication").split()[1] == "no"


def test_the_card_has_the_address_that_the_plan_said(shop: Shop) -> None:
    cards = json.loads(shop.exec("ip", "-json", "-4", "address", "show", "eth0"))
    assert [one["local"] for one in cards[0]["addr_info"]] == ["10.77.0.2"]
    routes = json.loads(shop.exec("ip", "-json", "route", "show", "default"))
    assert [(one["gateway"], one["dev"]) for one in routes] == [("10.77.0.1", "eth0")]


def test_the_root_file_system_has_grown_to_its_disk(shop: Shop) -> None:
    # The image itself has 2 GiB.
    assert int(shop.exec("df", "--output=size", "-B1", "/").split()[1]) > 2.6 * 1024**3


def test_every_guest_has_keys_and_an_identity_of_its_own(shop: Shop, debian_image: Built) -> None:
    assert len(shop.exec("cat", "/etc/machine-id").strip()) == 32
    assert "ssh_host_ed25519_key" in shop.exec("ls", "/etc/ssh")
    listed = subprocess.run(
        ["debugfs", "-R", "ls -p /etc/ssh", f"{debian_image.disk}?offset={18 * 1024**2}"], capture_output=True, text=True, check=True
    )
    assert "sshd_config" in listed.stdout
    assert "ssh_host" not in listed.stdout


def _size_of(shop: Shop) -> tuple[int, int]:
    """Return the CPUs and the KiB of memory that the guest itself counts."""
    cpus, memory = shop.exec("sh", "-c", "nproc; awk '/MemTotal/ {print $2}' /proc/meminfo").split()
    return int(cpus), int(memory)


def test_cpus_and_memory_that_are_plugged_in_are_put_to_use(shop: Shop) -> None:
    _, before = _size_of(shop)
    boot = shop.exec("cat", "/proc/sys/kernel/random/boot_id")
    shop.describe(cpus=2, memory=1280)
    shop.run("apply", "--auto-approve")
    deadline = time.monotonic() + 120
    while _size_of(shop) < (2, before + 500 * 1024):
        assert time.monotonic() < deadline, _size_of(shop)
    assert shop.exec("cat", "/proc/sys/kernel/random/boot_id") == boot


def test_the_power_button_shuts_it_down_and_it_comes_up_again_as_itself(shop: Shop) -> None:
    identity = shop.exec("cat", "/etc/machine-id")
    shop.run("vm", "restart", "vm.web", seconds=300)
    shop.run("vm", "wait", "vm.web", "--timeout", "480s", seconds=500)
    assert shop.exec("cat", "/etc/machine-id") == identity
    # The log goes on over boots: what the guest said when the button was pressed stands before its second start.
    said = shop.run("vm", "logs", "vm.web", "--lines", "20000")
    assert any(words in said for words in ("reboot: Power down", "System Power Off", "Powering off")), said[-6000:]
