"""A guest on a network in user mode reaches what is beyond the host, and nothing that listens on the host itself: as root and without."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herocloud.providers.vmm import connection_guard, users
from tests.guests import ordinary
from tests.guests.conftest import Namespace, Site, wait_until

pytestmark = [pytest.mark.guest, pytest.mark.root, pytest.mark.timeout(600)]

STACK = """\
stack: closed
images: {tiny: {kernel: ./vmlinuz, initramfs: ./initramfs, cmdline: console=ttyS0 quiet, nocloud: true}}
networks:
  lan: {mode: user, cidr: 10.77.0.0/24, nat: true, forward: [{host_port: 8080, vm: one, port: 80}]}
vms:
  one: {image: tiny, memory: 256 MiB, networks: [lan], restart: always, env: {A: b}}
"""
# The host is 192.0.2.1, and what is beyond it 192.0.2.2.
SERVER = """
import http.server, sys, threading
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(sys.argv[1].encode())
    def log_message(self, *_): pass
for place in sys.argv[2:]:
    address, _, port = place.rpartition(":")
    threading.Thread(target=http.server.HTTPServer((address, int(port)), Page).serve_forever).start()
print("ready", flush=True)
"""


def _fetch(site: Site, address: str, port: int) -> str:
    _, said = site.inside("one", "sh", "-c", f"printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 8 {address} {port}")
    return said.rpartition("\n")[2].strip()


@pytest.fixture(scope="module", params=["root", "ordinary"])
def site(request: pytest.FixtureRequest, namespaces: None, qemu: None, tiny_image: Any) -> Iterator[Site]:
    """Return a stack with one VM, on a host with a cable to another one; both have something that listens."""
    if request.param == "root" and users.usable_range() is None:
        pytest.skip("needs users for VMs")
    if request.param == "ordinary" and not connection_guard.is_possible():
        pytest.skip("needs a kernel that asks a program before a system call")
    folder = Path(tempfile.mkdtemp(prefix="herocloud-closed-"))
    folder.chmod(0o755)
    with contextlib.ExitStack() as left:
        left.callback(shutil.rmtree, folder, ignore_errors=True)
        here, beyond = Namespace(), Namespace()
        left.callback(beyond.close)
        left.callback(here.close)
        cable = f"ip link add far type veth peer name near netns {here.prefix[2]}"
        up = "ip address add {}/24 dev {} && ip link set {} up"
        for place, script in (
            (beyond, f"{cable} && {up.format('192.0.2.2', 'far', 'far')}"),
            (here, up.format("192.0.2.1", "near", "near")),
        ):
            subprocess.run([*place.prefix, "sh", "-ec", script], check=True)
        for place, words in ((here, ["host", "127.0.0.1:9999", "192.0.2.1:9998"]), (beyond, ["beyond", "192.0.2.2:9999"])):
            server = subprocess.Popen([*place.prefix, "/usr/bin/python3", "-c", SERVER, *words], stdout=subprocess.PIPE, text=True)
            left.callback(server.communicate)
            left.callback(server.kill)
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
        # For everybody: /run is one of the namespace's own.
        without = ordinary.prefix(folder / "staging", ordinary.folders()) if request.param == "ordinary" else []
        made = Site(folder, "qemu", [*here.prefix, *without])
        left.callback(made.tidy)
        (made.folder / "stack.yaml").write_text(STACK)
        for name, path in (("vmlinuz", tiny_image.kernel), ("initramfs", tiny_image.initramfs)):
            shutil.copy(path, made.folder / name)
        made.environment |= {"XDG_RUNTIME_DIR": str(folder / "run"), "HOME": str(folder)}
        (folder / "run").mkdir(mode=0o700)
        if request.param == "ordinary":
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, ordinary.USER, ordinary.USER)
        made.done("apply", "-y")
        made.done("vm", "wait")
        yield made
        made("destroy", "-y", "--purge")


def test_a_guest_reaches_what_is_beyond_the_host(site: Site) -> None:
    assert wait_until(lambda: _fetch(site, "192.0.2.2", 9999), "the other host") == "beyond"


@pytest.mark.parametrize(("address", "port"), [("10.77.0.1", 9999), ("10.77.0.99", 9999), ("192.0.2.1", 9998), ("10.77.0.1", 9998)])
def test_a_guest_reaches_nothing_that_listens_on_the_host(site: Site, address: str, port: int) -> None:
    assert wait_until(lambda: _fetch(site, "192.0.2.2", 9999), "the other host") == "beyond"
    assert _fetch(site, address, port) == ""


def test_a_guest_does_not_reach_the_loopback_of_the_host_by_its_own_address_either(site: Site) -> None:
    script = "ip address del 127.0.0.1/8 dev lo; sysctl -w net.ipv4.conf.all.route_localnet=1"
    site.inside("one", "sh", "-c", f"{script}; ip route add 127.0.0.1/32 via 10.77.0.1 dev eth0")
    assert _fetch(site, "127.0.0.1", 9999) == ""
    assert _fetch(site, "192.0.2.2", 9999) == "beyond"


def test_published_ports_answer_the_host_itself(site: Site) -> None:
    for address in ("127.0.0.1", "192.0.2.1"):
        assert wait_until(lambda address=address: site.page(f"http://{address}:8080/"), "its page").strip().endswith("<p>one is up.</p>")


def test_it_stays_closed_when_the_vm_is_started_again_by_itself(site: Site) -> None:
    record = next(site.data.glob("vms/*/vmm/process"))
    before = record.read_text()
    os.kill(int(before.splitlines()[-1].split()[0]), 9)
    wait_until(lambda: record.exists() and record.read_text() not in ("", before), "its keeper to start it again")
    assert wait_until(lambda: _fetch(site, "192.0.2.2", 9999), "the other host", 300) == "beyond"
    assert _fetch(site, "10.77.0.1", 9999) == ""


def test_the_doctor_says_so(site: Site) -> None:
    said = site("doctor").stdout
    assert "closed to guests of user-mode networks" in " ".join(said.split())


def test_a_guest_whose_connections_nobody_watches_any_more_shows_and_boots_again(site: Site) -> None:
    record = next(site.data.glob("vms/*/vmm/process")).with_name("process.guarded-by")
    if not record.exists():
        pytest.skip("needs a guest whose connections a program watches; here, rules of the firewall do that")
    os.kill(int(record.read_text().splitlines()[-1].split()[0]), 9)
    wait_until(lambda: "machine.connections" in site("drift").stdout, "the look to see it")
    plan = site.done("plan")
    assert "reboot" in plan
    assert "so its guest connects to nothing" in plan
    site.done("apply", "-y")
    assert site.done("plan").strip() == "No changes."
    assert wait_until(lambda: _fetch(site, "192.0.2.2", 9999), "the other host", 300) == "beyond"
