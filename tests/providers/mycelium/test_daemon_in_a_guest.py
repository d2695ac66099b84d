"""Mode `guest`: a real daemon inside a real guest runs from the key and the peers in its seed, and has the address that was planned."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import daemons
import hosts
import pytest

from herocloud.kits import caches
from herocloud.providers.images.builds import archives, packages

pytestmark = [pytest.mark.root, pytest.mark.live, pytest.mark.guest, pytest.mark.slow, pytest.mark.timeout(600)]

# Asked for when the tests are collected: while they run, every test has a cache folder of its own.
PACKAGES = caches.cache_folder() / "packages"
PEER = "tcp://10.77.0.1:9651"
STACK = f"""\
stack: inside
defaults: {{image: tiny, memory: 512 MiB}}
images:
  tiny: {{nocloud: true, kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: console=ttyS0 quiet swiotlb=noforce}}
networks:
  lan: {{cidr: 10.77.0.0/24, nat: true}}
mycelium: {{mode: guest, peers: ["{PEER}"]}}
vms:
  web: {{networks: [lan], mycelium: true}}
outputs:
  web: "{{{{ vm.web.mycelium }}}}"
"""
PROGRAM = """\
#!/bin/sh
insmod /lib/modules/tun.ko
mkdir -p /dev/net
[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200
exec /opt/mycelium/loader --library-path /opt/mycelium /opt/mycelium/mycelium "$@"
"""


@pytest.fixture(params=["live"])
def daemon_kind() -> str:
    """Run with the real daemon only: the stand-in needs a Python, which the tiny guest does not have."""
    if daemons.real_daemon() is None:
        pytest.skip("the program `mycelium` is not on PATH")
    if shutil.which("qemu-system-x86_64") is None:
        pytest.skip("needs qemu-system-x86_64 (package qemu-system-x86)")
    return "live"


@pytest.fixture
def image(tiny_image: Any, tmp_path: Path) -> Path:
    """Return the initramfs of the tiny guest with the program and the module of TUN devices in a second archive after it."""
    debs = list(PACKAGES.glob("linux-image-[0-9]*.deb"))
    if not debs:
        pytest.skip(f"needs the package of the tiny guest's kernel in {PACKAGES}, for the module tun")
    packages.unpack(debs[0], tmp_path / "kernel")
    kernel = packages.find(tmp_path / "kernel")
    assert kernel.release == tiny_image.release
    (module,) = packages.choose(kernel, ["tun"], ["tun"])
    members = [archives.folder("opt"), archives.folder("opt/mycelium"), archives.file("bin/mycelium", PROGRAM.encode(), 0o755)]
    members.append(archives.file("lib/modules/tun.ko", module.content))
    members += [archives.file(f"opt/mycelium/{name}", path.read_bytes(), 0o755) for name, path in _program()]
    initramfs = tmp_path / "initramfs"
    content = tiny_image.initramfs.read_bytes()
    # The kernel looks for the next archive at a multiple of four bytes.
    initramfs.write_bytes(content + bytes(-len(content) % 4) + archives.pack(members))
    return initramfs


def _program() -> Iterator[tuple[str, Path]]:
    """Yield the program, the loader, and the libraries that it needs."""
    program = daemons.real_daemon()
    assert program
    yield "mycelium", Path(program).resolve()
    for line in subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout.splitlines():
        path = next((Path(word) for word in line.split() if word.startswith("/")), None)
        if path is not None:
            yield ("loader" if "=>" not in line else path.name), path.resolve()


def test_a_guest_is_reached_at_the_address_of_the_daemon_inside_of_it(host: Any, tiny_image: Any, image: Path) -> None:
    host.become_whole()
    host.run_guests()
    (host.folder / "stack.yaml").write_text(STACK)
    (host.folder / "vmlinuz").symlink_to(tiny_image.kernel)
    (host.folder / "initramfs").symlink_to(image)
    host.key("node")
    before = host.dump()
    # The host's own node, which the guest has for its peer, was there before herocloud.
    ports = daemons.Ports()
    words = daemons.command("live", host.folder / "mycelium/keys/node.key", ports, tun="mycelium")
    node = daemons.Daemon(words, ports, host.folder.parent / "node.log", host.name, {})
    daemons.wait_until(lambda: "400::/7" in host.on_host("ip -6 route"))

    assert "herocloud mycelium key create inside.web" in host.herocloud("plan", code=1)
    host.herocloud("mycelium", "key", "create", "inside.web")
    planned = json.loads(host.herocloud("--json", "plan"))["output_changes"]["web"]["after"]
    private = (host.folder / "mycelium/keys/inside.web.key").read_bytes()
    assert private.hex() not in host.herocloud("--json", "plan")
    host.herocloud("apply", "-y")
    host.herocloud("vm", "wait")
    try:
        daemons.wait_until(lambda: planned in host.herocloud("vm", "exec", "web", "--", "ip", "-6", "address"), 60)
        daemons.wait_until(lambda: "web is up" in _fetch(host, planned), 120)
    except AssertionError as error:
        said = host.herocloud("vm", "exec", "web", "--no-stdin", "--", "sh", "-c", "cat /run/mycelium.log /run/runcmd.log; ip -6 route")
        raise AssertionError(f"{error}: {said}\n{node.said()}") from error
    inside = host.herocloud("vm", "exec", "web", "--no-stdin", "--", "sh", "-c", "ls -l /etc/mycelium; cat /etc/mycelium/mycelium.toml")
    assert "-rw-------" in inside
    assert PEER in inside
    assert "mtu 1400" in host.herocloud("vm", "exec", "web", "--", "ip", "link", "show", "mycelium")
    (row,) = json.loads(host.herocloud("--json", "mycelium", "status"))["vms"]
    assert row == {"stack": "inside", "vm": "vm.web", "address": planned, "sent": None, "received": None}
    assert planned in host.herocloud("vm", "list")
    assert "No changes." in host.herocloud("plan")
    assert "No drift." in host.herocloud("drift")
    host.herocloud("destroy", "-y", "--purge")
    node.stop()
    assert host.changes_since(before) == []
    assert host.processes() == []


def _fetch(host: Any, address: str) -> str:
    return hosts.run(["ip", "netns", "exec", host.name, "curl", "-s", "-m", "20", f"http://[{address}]/"], check=False)
