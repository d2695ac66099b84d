"""A kernel that changes on disk is not booted behind our back: VMs boot what was looked at, on both hypervisors."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.host import detection
from herocloud.providers.cloud_hypervisor import vmm_process
from herocloud.providers.cloud_hypervisor.client import Lost, Refusal
from herocloud.providers.vmm import folders, identity
from tests.providers.cloud_hypervisor.conftest import STAND_IN, kernel, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

STACK = """\
stack: shop
images:
  tiny: {{kernel: ./vmlinux, initramfs: ./initramfs, cmdline: console=ttyS0 guest=lively}}
vms:
  web: {{image: tiny, hypervisor: {hypervisor}, memory: 64 MiB, restart: always}}
"""

_NOT_YET = (Lost, Refusal, KeyError, ValueError, TypeError, OSError, StopIteration, AssertionError)
"""What a look meets while a process is being started."""


class Host:
    """A host with one VM that runs."""

    def __init__(self, herocloud: Any, hypervisor: str) -> None:
        self.run, self.hypervisor = herocloud, hypervisor
        self.data = Path(herocloud.data_folder)
        (self.data / "host.yaml").write_text("name: node1\n", encoding="utf-8")
        self.originals = {"kernel": kernel(herocloud.folder), "initramfs": herocloud.folder / "initramfs"}
        self.originals["initramfs"].write_bytes(b"first initramfs")
        herocloud.write(STACK.format(hypervisor=hypervisor))

    @property
    def sid(self) -> str:
        return next((self.data / "vms").iterdir()).name

    @property
    def process(self) -> identity.Identity:
        found = identity.running(self.data, self.sid)
        assert found is not None
        return found

    def booted(self) -> dict[str, bytes]:
        """Return what the VM that runs was booted from, as its own process sees it."""
        if self.hypervisor == "qemu":
            words = Path(f"/proc/{self.process.pid}/cmdline").read_bytes().decode().split("\0")
            paths = {field: words[words.index(word) + 1] for field, word in (("kernel", "-kernel"), ("initramfs", "-initrd"))}
        else:
            with vmm_process.open_client(self.data, self.sid) as client:
                payload = client.info()["config"]["payload"]
            paths = {field: payload[field] for field in self.originals}
        return {field: Path(f"/proc/{self.process.pid}/root{path}").read_bytes() for field, path in paths.items()}

    def change(self) -> None:
        """Change what lies on the disk, and leave size and times as they were."""
        for path in self.originals.values():
            times, content = path.stat(), path.read_bytes()
            path.write_bytes(content[:-1] + b"#")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def lose(self) -> None:
        """Have the process of the VM die, and wait until its keeper has started it again."""
        before = self.process
        identity.send(before, signal.SIGKILL)

        def is_back() -> bool:
            found = identity.running(self.data, self.sid)
            if found is None or found == before:
                return False
            with contextlib.suppress(*_NOT_YET):
                return bool(self.booted())
            return False

        until(is_back, "its keeper starts it again", 60)

    def restart(self) -> None:
        # Its guest hears no power button.
        self.run.done("vm", "stop", "web", "--force")
        self.run.done("vm", "start", "web")

    def held(self) -> dict[str, bytes]:
        return {field: path.read_bytes() for field, path in self.originals.items()}


@pytest.fixture(params=["qemu", "cloud-hypervisor"])
def host(request: pytest.FixtureRequest, herocloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    if request.param == "qemu" and shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs qemu-system-x86_64")
    if request.param != "qemu":
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            pytest.skip("needs /dev/kvm")
        monkeypatch.setenv("PATH", f"{STAND_IN.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(detection, "_memory", lambda _about: 64 * 1024**3)
    # Whoever runs as the user of the VM passes through the folders of the test.
    for folder in (herocloud.data_folder, *list(herocloud.data_folder.parents)[:3]):
        folder.chmod(0o711)
    made = Host(herocloud, request.param)
    yield made
    if (made.data / "vms").exists() and list((made.data / "vms").iterdir()):
        herocloud("vm", "stop", "web", "--force", "-q")
    herocloud("destroy", "-y", "--purge", "-q")
    shutil.rmtree(folders.runtime_root(made.data), ignore_errors=True)


def test_what_changed_on_disk_is_not_booted_until_an_apply_takes_it_up(host: Host) -> None:
    host.run.done("apply", "-y")
    looked_at = host.held()
    assert host.booted() == looked_at
    host.change()
    host.lose()
    assert host.booted() == looked_at
    seen = host.run("drift", "--detailed-exitcode")
    assert seen.code == 2
    assert "kernel_file" in seen.out
    # Neither is it when somebody starts it by hand: what was looked at is still there.
    host.restart()
    assert host.booted() == looked_at
    host.run.done("apply", "-y")
    assert "No changes." in host.run.done("plan").out
    host.restart()
    assert host.booted() == host.held() != looked_at
    assert "No drift." in host.run.done("drift").out


def test_a_copy_that_somebody_wrote_into_shows_and_is_made_again_by_one_apply(host: Host) -> None:
    host.run.done("apply", "-y")
    looked_at = host.held()
    copy = host.data / "boot" / host.sid / "kernel"
    times, content = copy.stat(), copy.read_bytes()
    with copy.open("r+b") as stream:
        stream.write(b"evil")
    os.utime(copy, ns=(times.st_atime_ns, times.st_mtime_ns))
    seen = host.run("drift", "--detailed-exitcode")
    assert seen.code == 2
    assert "boots" in seen.out
    assert "kernel changed" in seen.out
    process = host.process
    host.run.done("apply", "-y")
    assert (copy.read_bytes(), host.process) == (content, process)
    assert "No changes." in host.run.done("plan").out
    host.lose()
    assert host.booted() == looked_at


def test_what_changed_since_its_image_was_looked_at_is_not_booted_for_the_first_time(host: Host) -> None:
    text = host.run.folder.joinpath("stack.yaml").read_text(encoding="utf-8")
    host.run.write(text.partition("vms:")[0])
    host.run.done("apply", "-y")
    planned = host.run.folder / "p.hcplan"
    host.run.write(text)
    host.run.done("plan", "--out", str(planned))
    host.change()
    refused = host.run("apply", "-y", str(planned))
    assert refused.code == 13
    assert "is not what it was when its image was looked at, so it is not booted" in refused.err
    assert identity.running(host.data, host.sid) is None
    host.run.done("apply", "-y")
    assert host.booted() == host.held()


def test_copies_take_the_room_of_one_are_counted_and_go_with_their_vms(host: Host) -> None:
    with host.originals["initramfs"].open("ab") as stream:
        stream.write(os.urandom(8 * 1024**2))
    size = sum(path.stat().st_size for path in host.originals.values())
    text = host.run.folder.joinpath("stack.yaml").read_text(encoding="utf-8")
    with_initramfs = json.loads(host.run.done("--json", "plan").out)["capacity"]["disk"]["peak"]
    host.run.write(text.replace("initramfs: ./initramfs, ", ""))
    without = json.loads(host.run.done("--json", "plan").out)["capacity"]["disk"]["peak"]
    assert with_initramfs - without == host.originals["initramfs"].stat().st_size
    host.run.write(text.replace("restart: always", "restart: always, count: 2"))
    host.run.done("apply", "-y")
    names = [path for path in (host.data / "boot").rglob("*") if path.is_file() and not path.name.startswith(".")]
    assert len({path.stat().st_ino for path in names}) == 2
    assert sum(path.stat().st_size for path in (host.data / "boot/contents").iterdir()) == size
    host.run.done("destroy", "-y")
    assert [path for path in (host.data / "boot").rglob("*") if not path.name.startswith(".")] == [host.data / "boot/contents"]


def test_the_firmware_of_a_vm_that_runs_does_not_change_under_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = host.run.folder / "firmware.fd"
    firmware.write_bytes(b"first firmware" + bytes(4096))
    disk = host.run.folder / "disk.raw"
    if host.hypervisor == "qemu":
        from herocloud.providers.qemu import firmware as qemu_firmware

        pair = qemu_firmware.find()
        if pair is None:
            pytest.skip("needs a UEFI firmware (package ovmf)")
        shutil.copyfile(pair[0], firmware)
        monkeypatch.setattr(qemu_firmware, "find", lambda: (firmware, pair[1]))
        sector = bytearray(512)
        sector[450], sector[510:] = 0xEE, b"\x55\xaa"
        disk.write_bytes(bytes(sector) + bytes(1024**2))
    else:
        from herocloud.providers.cloud_hypervisor import installation

        monkeypatch.setattr(installation, "find_firmware", lambda: firmware)
        disk.write_bytes(bytes(1024**2))
    looked_at = firmware.read_bytes()
    text = STACK.format(hypervisor=host.hypervisor)
    image = "  blank: {source: ./disk.raw, format: raw, nocloud: false, unpinned: true}\n"
    host.run.write(text.replace("vms:", f"{image}vms:").replace("image: tiny", "image: blank, root_disk: {size: 8 MiB}"))
    host.run.done("apply", "-y")
    with firmware.open("r+b") as stream:
        stream.write(b"another one")
    assert _firmware(host) == looked_at
    before = host.process
    identity.send(before, signal.SIGKILL)
    until(lambda: identity.running(host.data, host.sid) not in (None, before), "its keeper starts it again", 60)
    until(lambda: _firmware(host) == looked_at, "it boots the firmware that it had")


def _firmware(host: Host) -> bytes:
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(*_NOT_YET):
            if host.hypervisor == "qemu":
                words = Path(f"/proc/{host.process.pid}/cmdline").read_bytes().decode().split("\0")
                path = next(json.loads(word)["filename"] for word in words if '"firmware-code"' in word and "filename" in word)
            else:
                with vmm_process.open_client(host.data, host.sid) as client:
                    path = client.info()["config"]["payload"]["firmware"]
            return Path(f"/proc/{host.process.pid}/root{path}").read_bytes()
        assert time.monotonic() < deadline
