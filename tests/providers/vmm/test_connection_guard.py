"""A program is asked before a VMM connects: what the host would deliver to itself is refused, and nothing else."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from herocloud.providers.vmm import connection_guard, loopback

GUARD = Path(connection_guard.__file__)

needs_kernel = pytest.mark.skipif(not connection_guard.is_possible(), reason="needs a kernel that asks a program before a system call")

WATCHED = """
import json, os, signal, socket, sys, time
path, port = sys.argv[1:3]
listening = socket.create_server(("127.0.0.1", 0)); own = socket.create_server(("0.0.0.0", 0))
names = socket.socketpair()
local = socket.socket(socket.AF_UNIX); local.bind("\\0guard-" + port); local.listen()
published, other, seen = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3))
published.bind(("127.0.0.1", int(port))); seen.bind(("127.0.0.1", 0)); seen.settimeout(5)
guard = {"__name__": "guard"}
exec(compile(open(path).read(), path, "exec"), guard)
guard["begin"]([sys.executable, "-I", "-S", path, port])
def tried(act):
    try:
        act()
        return "done"
    except OSError as error:
        return type(error).__name__
said = {
    "loopback": tried(lambda: socket.create_connection(listening.getsockname(), 5)),
    "mapped": tried(lambda: socket.socket(socket.AF_INET6).connect(("::ffff:127.0.0.1", listening.getsockname()[1]))),
    "any": tried(lambda: socket.create_connection(("0.0.0.0", own.getsockname()[1]), 5)),
    "unix": tried(lambda: socket.socket(socket.AF_UNIX).connect(local.getsockname())),
    "datagram": tried(lambda: other.sendto(b"other", seen.getsockname())),
    "published": tried(lambda: published.sendto(b"published", seen.getsockname())),
    "received": seen.recv(20).decode(),
    "pair": tried(lambda: names[0].send(b"x")),
}
children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
for name in os.listdir("/proc"):
    try:
        if name.isdecimal() and path.encode() in open(f"/proc/{name}/cmdline", "rb").read().split(b"\\0") and int(name) != os.getpid():
            said["guard"] = [int(name), open(f"/proc/{name}/environ").read()]
    except OSError:
        pass
said["children"] = children
print(json.dumps(said), flush=True)
sys.stdin.readline()
said = tried(lambda: socket.create_connection(("192.0.2.55", 9), 1))
print(said, flush=True)
"""


@pytest.fixture
def watched(tmp_path: Path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # A name of its own, so that no other test's is taken for it.
    guard = tmp_path / "guard.py"
    guard.write_text(GUARD.read_text())
    words = [sys.executable, "-I", "-S", "-c", WATCHED, str(guard), str(port)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@needs_kernel
def test_a_watched_process_reaches_nothing_of_the_host_but_its_own_sockets(watched) -> None:
    said = json.loads(watched.stdout.readline())
    refused, done = ("loopback", "mapped", "any", "datagram"), ("unix", "published", "pair")
    assert {said[name] for name in refused} == {"ConnectionRefusedError"}
    assert {said[name] for name in done} == {"done"}
    assert said["received"] == "published"
    # It is nobody's child, and has nothing by which a lost VMM is found.
    assert (said["children"], said["guard"][1]) == ([], "")


@needs_kernel
def test_it_ends_with_what_it_watches(watched) -> None:
    guard = json.loads(watched.stdout.readline())["guard"][0]
    descriptor = os.pidfd_open(guard)
    try:
        watched.stdin.write("\n")
        watched.stdin.close()
        watched.wait(20)
        import select

        assert select.select([descriptor], [], [], 20)[0]
    finally:
        os.close(descriptor)


@needs_kernel
def test_without_it_nothing_is_connected(watched) -> None:
    guard = json.loads(watched.stdout.readline())["guard"][0]
    descriptor = os.pidfd_open(guard)
    os.kill(guard, signal.SIGKILL)
    import select

    assert select.select([descriptor], [], [], 20)[0]
    os.close(descriptor)
    watched.stdin.write("\n")
    watched.stdin.flush()
    assert watched.stdout.readline() == "OSError\n"


def _address(text: str, port: int = 80) -> bytes:
    if ":" in text:
        return struct.pack("=H", socket.AF_INET6) + struct.pack(">HI", port, 0) + socket.inet_pton(socket.AF_INET6, text) + bytes(4)
    return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + socket.inet_aton(text) + bytes(8)


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "127.9.9.9", "0.0.0.7", "255.255.255.255", "224.0.0.251", "::1", "::", "::ffff:127.0.0.1", "fe80::1"]
)
def test_what_is_of_the_host_is_refused(text: str) -> None:
    assert not connection_guard.may_reach(_address(text), sends=False)
    assert not connection_guard.may_reach(_address(text), sends=True)
    assert connection_guard.may_reach(_address(text), sends=True, published=lambda: True)


def test_addresses_of_the_host_that_are_not_its_loopback_are_of_the_host() -> None:
    found = subprocess.run(["ip", "-4", "-o", "address", "show", "scope", "global"], capture_output=True, text=True, check=False).stdout
    addresses = [line.split()[3].partition("/")[0] for line in found.splitlines()]
    if not addresses:
        pytest.skip("this host has no other address")
    assert not any(connection_guard.may_reach(_address(address), sends=False) for address in addresses)


def test_name_servers_of_the_host_answer_on_their_port_alone(monkeypatch) -> None:
    monkeypatch.setattr(connection_guard, "name_servers", lambda: {socket.inet_aton("127.0.0.53")})
    assert connection_guard.may_reach(_address("127.0.0.53", 53), sends=True)
    assert not connection_guard.may_reach(_address("127.0.0.53", 80), sends=True)
    assert not connection_guard.may_reach(_address("127.0.0.1", 53), sends=True)


def test_a_datagram_without_a_family_is_one_of_the_internet() -> None:
    without = struct.pack("=H", socket.AF_UNSPEC) + _address("127.0.0.1")[2:]
    assert not connection_guard.may_reach(without, sends=True)
    # A connection without one is let go of.
    assert connection_guard.may_reach(without, sends=False)


def test_where_neither_rules_nor_the_kernel_help_the_doctor_says_so(monkeypatch) -> None:
    monkeypatch.setattr(loopback, "_why_no_rules", lambda: "VMs run as the user who runs herocloud")
    assert loopback.closed_by() == ("a program beside each VMM" if connection_guard.is_possible() else "")
    monkeypatch.setattr(connection_guard, "is_possible", lambda: False)
    assert loopback.why_open() == f"VMs run as the user who runs herocloud, and {loopback.NO_GUARD}"
