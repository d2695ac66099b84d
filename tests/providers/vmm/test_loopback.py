"""Users of VMs do not reach what listens on the host itself; published ports answer, and everybody else is left alone."""

import os
import shutil
import subprocess

import pytest

from herocloud.providers.vmm import loopback, users
from herocloud.providers.vmm.users import Range

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(shutil.which("nft") is None, reason="needs nft"),
    pytest.mark.skipif(users.usable_range() is None, reason="needs users for VMs"),
]

_SCRIPT = """
import os, socket, subprocess, sys, threading
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["ip", "address", "add", "192.0.2.1/32", "dev", "lo"], check=True)
for _ in range(2):
    subprocess.run(["nft", "-f", "-"], input=sys.argv[1], text=True, check=True)
def listen(port):
    wire = socket.socket(); wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    wire.bind(("0.0.0.0", port)); wire.listen(); return wire
host = listen(9999)
threading.Thread(target=lambda: [host.accept()[0].sendall(b"host") for _ in range(3)], daemon=True).start()
def ask(address, port):
    try:
        with socket.create_connection((address, port), timeout=5) as wire:
            wire.settimeout(5)
            return wire.recv(10).decode()
    except OSError as error:
        return type(error).__name__
ready, done = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
    published = listen(8080)
    said = [ask("127.0.0.1", 9999), ask("192.0.2.1", 9999)]
    os.write(ready[1], ",".join(said).encode() + b"\\n")
    published.accept()[0].sendall(b"guest")
    os.read(done[0], 1)
    os._exit(0)
print(os.read(ready[0], 100).decode().strip())
print(ask("127.0.0.1", 8080), ask("127.0.0.1", 9999))
os.write(done[1], b"x")
"""


@pytest.mark.parametrize("closed", [True, False])
def test_only_published_ports_pass(*, closed: bool) -> None:
    numbers = users.usable_range() or Range()
    rules = loopback.rules(numbers) if closed else "add table inet nothing\n"
    words = ["unshare", "--net", "/usr/bin/python3", "-I", "-c", _SCRIPT, rules, str(numbers.first + 7)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if "Operation not permitted" in ran.stderr:
        pytest.skip("needs network namespaces")
    refused = "ConnectionRefusedError"
    expected = [f"{refused},{refused}", "guest host"] if closed else ["host,host", "guest host"]
    assert ran.stdout.splitlines() == expected, ran.stderr


def test_another_range_joins_the_first() -> None:
    both = loopback.rules(Range(300000, 1000)) + loopback.rules(Range(500000, 1000))
    script = f"nft -f - <<'END' && nft list set inet {loopback.TABLE} users\n{both}END"
    ran = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    if "Operation not permitted" in ran.stderr:
        pytest.skip("needs network namespaces")
    assert "300000-300999" in ran.stdout
    assert "500000-500999" in ran.stdout


_DATAGRAMS = r"""
import os, socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["ip", "link", "add", "wire0", "type", "veth", "peer", "name", "wire1"], check=True)
subprocess.run(["ip", "link", "set", "wire1", "up"], check=True)
subprocess.run(["ip", "address", "add", "192.0.2.1/24", "broadcast", "192.0.2.255", "dev", "wire0"], check=True)
subprocess.run(["ip", "link", "set", "wire0", "up"], check=True)
subprocess.run(["ip", "route", "add", "default", "dev", "wire0"], check=True)
subprocess.run(["nft", "-f", "-"], input=sys.argv[1], text=True, check=True)
heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
heard.bind(("", 7777))
group = b"".join(map(socket.inet_aton, ("224.0.0.251", "192.0.2.1")))
heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
heard.settimeout(0.5)
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
for address in ("192.0.2.255", "255.255.255.255", "224.0.0.251", "127.0.0.1", "192.0.2.9"):
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    try:
        wire.sendto(address.encode(), (address, 7777))
    except OSError as error:
        print(address, type(error).__name__)
    else:
        print(address, "sent")
    try:
        print("heard", heard.recv(100).decode())
    except TimeoutError:
        pass
"""


@pytest.mark.parametrize("asks_routes", [True, False])
def test_what_is_sent_to_everybody_does_not_reach_the_host_either(*, asks_routes: bool) -> None:
    numbers = users.usable_range() or Range()
    words = ["unshare", "--net", "/usr/bin/python3", "-I", "-c", _DATAGRAMS, loopback.rules(numbers, asks_routes=asks_routes)]
    ran = subprocess.run([*words, str(numbers.first + 7)], capture_output=True, text=True, timeout=60, check=False)
    if "Operation not permitted" in ran.stderr:
        pytest.skip("needs network namespaces")
    assert ran.returncode == 0, ran.stderr
    heard = [line for line in ran.stdout.splitlines() if line.startswith("heard")]
    # A kernel that cannot ask its routes does not know which addresses of other networks mean everybody there.
    assert heard == ([] if asks_routes else ["heard 192.0.2.255"]), ran.stdout
    assert "192.0.2.9 sent" in ran.stdout
