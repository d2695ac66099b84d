"""A guest that writes until the disk of the host is full is held, says why, and goes on where it was once there is room."""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.guests.conftest import Namespace, Site, wait_until

pytestmark = [pytest.mark.guest, pytest.mark.root, pytest.mark.timeout(900)]

STACK = """\
stack: full
images: {tiny: {kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: console=ttyS0 quiet}}
volumes: {data: {size: 64 MiB}}
vms:
  one: {image: tiny, memory: 256 MiB, volumes: [data]}
"""
SIZE = "320m"
FULL = "io-error: disk full"


class FullSite(Site):
    """A site whose data folder is a small file system that only it sees."""

    def fill(self) -> None:
        """Have another program take what is left of the disk, but for a little."""
        free = int(self.sh("df -k --output=avail . | tail -n 1"))
        self.sh(f"head -c {free - 8192}K /dev/zero >filler")

    def make_room(self) -> None:
        self.sh("rm filler")

    def sh(self, script: str) -> str:
        ran = self.run("sh", "-ec", f"cd {self.data}; {script}")
        assert ran.returncode == 0, f"{script}: {ran.stderr}"
        return ran.stdout.strip()

    def write_in_guest(self) -> None:
        """Have the guest write all of its disk; nobody waits for it."""
        self.shell(
            "one", "(dd if=/dev/urandom of=/dev/vda bs=64k count=960 && sync && mkdir -p /root && touch /root/written) >/dev/null 2>&1 &"
        )

    @property
    def power(self) -> str:
        listed = self.done("vm", "list")
        return FULL if FULL in listed else "running" if "running" in listed else listed


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, namespaces: None, qemu: None, tiny_image: Any) -> Iterator[FullSite]:
    with contextlib.ExitStack() as left:
        namespace = Namespace()
        left.callback(namespace.close)
        folder = tmp_path_factory.mktemp("full")
        for above in (folder, *list(folder.parents)[:3]):
            above.chmod(above.stat().st_mode | 0o011)
        made = FullSite(folder, "qemu", namespace.prefix)
        mounted = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=711", "none", str(made.data)]
        if subprocess.run([*namespace.prefix, *mounted], check=False).returncode:
            pytest.skip("root may not mount a file system here")
        made.sh("echo 'name: node1' >host.yaml")
        (made.folder / "stack.yaml").write_text(STACK)
        (made.folder / "vmlinuz").symlink_to(tiny_image.kernel)
        (made.folder / "initramfs").symlink_to(tiny_image.initramfs)
        left.callback(
            lambda: made.run(
                "sh", "-c", f"for file in {made.data}/vms/*/vmm/process; do kill -9 $(tail -n 1 $file | cut -d ' ' -f 1); done"
            )
        )
        made.done("apply", "-y")
        made.done("vm", "wait")
        yield made
        made("destroy", "-y", "--purge")


def _is_held(site: FullSite) -> Callable[[], bool]:
    return lambda: site.power == FULL


def test_a_guest_that_finds_the_disk_full_is_held_and_goes_on_when_there_is_room(site: FullSite) -> None:
    site.fill()
    site.write_in_guest()
    wait_until(_is_held(site), "the guest to be held")
    assert f"vm.one   power running → {FULL}" in site("drift").stdout
    planned = site("plan")
    assert planned.returncode == 0, planned.stderr
    assert FULL in planned.stdout
    assert "free space before it goes on" in " ".join(planned.stdout.split())
    # As long as there is no room it cannot go on, and nothing says that it does.
    refused = site("vm", "resume", "one")
    assert refused.returncode != 0
    assert "was paused again" in refused.stdout + refused.stderr
    assert site.power == FULL
    process = site.sh("cat vms/*/vmm/process")
    site.make_room()
    site.done("vm", "resume", "one")
    assert site.power == "running"
    wait_until(lambda: site.inside("one", "test", "-e", "/root/written")[0] == 0, "the guest to be done with writing")
    assert site.sh("cat vms/*/vmm/process") == process
    assert site.done("plan").strip() == "No changes."
    assert site.done("drift").strip() == "No drift."


def test_a_vm_that_is_held_for_want_of_room_is_destroyed_while_the_disk_is_full(site: FullSite) -> None:
    site.fill()
    site.write_in_guest()
    wait_until(_is_held(site), "the guest to be held")
    assert "3 destroyed" in site.done("destroy", "-y", "--purge")
    assert site.sh("ls vms 2>/dev/null || true") == ""
    assert int(site.sh("df -k --output=avail . | tail -n 1")) > 12 * 1024
