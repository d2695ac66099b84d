"""Two real guests on two hosts, by the command line alone: planned addresses, open and closed ports, and nothing left after destroy."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import hosts
import pytest

pytestmark = [pytest.mark.root, pytest.mark.guest, pytest.mark.slow, pytest.mark.timeout(600)]
STACK = Path(__file__).parents[3] / "stacks/overlay/stack.yaml"


class Operator:
    """Somebody who runs herocloud on a host."""

    def __init__(self, host: Any, image: Any) -> None:
        self.host = host
        self.folder = host.folder.parent / f"work-{host.name[-1]}"
        self.folder.mkdir()
        (host.folder / "state.lineage").unlink()
        (host.folder / "host.yaml").write_text("name: node1\n")
        shutil.copy(STACK, self.folder)
        (self.folder / "vmlinuz").symlink_to(image.kernel)
        (self.folder / "initramfs").symlink_to(image.initramfs)

    def __call__(self, *words: str, code: int = 0) -> str:
        path = f"{self.host.programs}:{os.environ['PATH']}" if self.host.kind == "standin" else os.environ["PATH"]
        environment = {
            **os.environ, "PATH": path, "HEROCLOUD_DATA_DIR": str(self.host.folder), "HEROCLOUD_HYPERVISOR": "qemu",
            "HEROCLOUD_ACCELERATOR": "tcg", "NO_COLOR": "1",
        }  # fmt: skip
        enter = ["ip", "netns", "exec", self.host.name, sys.executable, "-m", "herocloud", "--chdir", str(self.folder)]
        ran = subprocess.run([*enter, *words], capture_output=True, text=True, env=environment, check=False, timeout=300)
        assert ran.returncode == code, f"{words}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return ran.stdout + ran.stderr

    def fetch(self, vm: str, address: str, port: int = 80) -> str:
        """Fetch a page from inside a guest; the wget of a static busybox looks for libraries that the tiny guest does not have."""
        script = f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 8 {address} {port}; true"
        return self("vm", "exec", vm, "--no-stdin", "--", "sh", "-c", script)


def test_guests_reach_each_other_by_planned_addresses_and_destroy_leaves_nothing(make_host, tiny_image) -> None:
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs qemu-system-x86_64 (package qemu-system-x86)")
    machines = [make_host("a"), make_host("b")]
    hosts.connect(*machines)
    one, other = (Operator(host, tiny_image) for host in machines)
    before = [host.dump() for host in machines]

    assert "run `herocloud mycelium key create host`" in one("plan", code=1)
    for each in (one, other):
        assert "Made the key `host`" in each("mycelium", "key", "create", "host")
    planned = json.loads(one("--json", "plan"))
    addresses = {name: change["after"] for name, change in planned["output_changes"].items()}
    one("apply", "-y")
    other("apply", "-y", "--var", 'peers=["tcp://192.0.2.1:9651"]')
    for each in (one, other):
        each("vm", "wait")
    assert one("output", "front").strip() == addresses["front"]

    assert "200 OK" in other.fetch("back", addresses["front"]), "from the other host"
    assert "200 OK" in one.fetch("back", addresses["front"]), "from its neighbor"
    assert "HTTP" not in other.fetch("front", addresses["back"]), "closed to the overlay"
    assert "HTTP" not in one.fetch("front", addresses["back"]), "closed to its neighbor"
    assert "mtu 1400" in one("vm", "exec", "front", "--", "ip", "link")
    assert addresses["front"] in one("vm", "list")
    status = json.loads(one("--json", "mycelium", "status"))
    traffic = {row["vm"]: row for row in status["vms"]}
    assert traffic["vm.front"]["sent"] > 0
    assert "No drift." in one("drift")
    assert "No changes." in one("plan")
    exported = one("export")
    assert "open:" in exported
    (one.folder / "again.yaml").write_text(exported)
    assert "No changes." in one("-f", "again.yaml", "plan")

    for each in (one, other):
        each("destroy", "-y", "--purge")
    assert [host.changes_since(dump) for host, dump in zip(machines, before, strict=True)] == [[], []]
    assert [host.processes() for host in machines] == [[], []]
