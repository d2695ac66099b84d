"""The host itself is closed to the overlay but for declared ports, where herocloud runs the daemon, and open again afterwards."""

import os
import signal
import subprocess
import sys
from typing import Any

import daemons
import hosts
import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

OPEN, CLOSED = 80, 22


@pytest.fixture
def serving(make_host: Any) -> Any:
    """Return two hosts that know each other; on the first, two services of the host listen on every address."""
    one, other = make_host("a"), make_host("b")
    hosts.connect(one, other)
    for each in (one, other):
        each.subnet = each.key()
    for port in (OPEN, CLOSED):
        for protocol in ("tcp", "udp"):
            one.serve(one.name, protocol, port)
    other.enable(hosts.node(other.subnet))
    return one, other


def _address(host: Any) -> str:
    """Return the address of a host on the overlay."""
    said = host.on_host("ip -6 -o address show dev mycelium scope global")
    return str(said.split()[3].partition("/")[0])


def _reach(one: Any, other: Any, address: str, port: int, protocol: str = "tcp") -> bool:
    return not one.call(other.name, address, port, protocol, patience=10).startswith("failed")


def _pings(host: Any, address: str) -> bool:
    ping = [sys.executable, "-c", PING, address]
    return subprocess.run(["ip", "netns", "exec", host.name, *ping], capture_output=True, check=False, timeout=60).returncode == 0


PING = """
import socket, struct, sys
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sending:
    sending.settimeout(10)
    sending.sendto(struct.pack('!BBHHH', 128, 0, 0, 1, 1), (sys.argv[1], 0))
    while sending.recvfrom(200)[0][0] != 129:
        pass
"""


def test_only_declared_ports_of_the_host_are_reached_from_the_overlay(serving: Any) -> None:
    one, other = serving
    before = one.dump()
    part = hosts.node(one.subnet, host_open=[f"{OPEN}/tcp", f"{OPEN}/udp"])
    one.enable(part)
    other.add_peer("tcp://192.0.2.1:9651")
    address, gateway = _address(one), one.subnet.removesuffix("/64") + "1"
    daemons.wait_until(lambda: _reach(one, other, address, OPEN), 60)
    for target in (address, gateway):
        # A UDP server answers from the address of the node, whichever one was asked.
        for protocol in ("tcp", "udp") if target == address else ("tcp",):
            assert _reach(one, other, target, OPEN, protocol), (target, protocol)
            assert one.is_silent(other.name, target, CLOSED, protocol), (target, protocol)
        assert _pings(other, target)
    assert _reach(one, other, "192.0.2.1", CLOSED), "what does not come from the overlay is as it was"
    # Answers to what the host itself begins come back.
    other.serve(other.name, "tcp", 443)
    assert other.is_silent(one.name, _address(other), 443), "the other host is closed as well"
    opened = hosts.node(other.subnet, host_open=["443/tcp"])
    other.perform("overlay.enable", "mycelium.node", "overlay", hosts.node(other.subnet), opened)
    assert _reach(other, one, _address(other), 443)
    assert one.things()["mycelium.node"]["overlay"] == part
    # What is open changes in place.
    pid = _pid(one)
    shut = hosts.node(one.subnet, host_open=[f"{CLOSED}/tcp"])
    one.perform("overlay.enable", "mycelium.node", "overlay", part, shut)
    assert one.is_silent(other.name, address, OPEN)
    assert _reach(one, other, address, CLOSED)
    assert _pid(one) == pid
    one.disable(shut)
    assert one.changes_since(before) == []


def _cable(host: Any) -> str:
    return next(line.split()[1].partition("@")[0] for line in host.on_host("ip -o link").splitlines() if ": hv-" in line)


def _knocks(one: Any, other: Any, address: str) -> bool:
    """Knock at the closed port, and return whether it was heard."""
    one.is_silent(other.name, address, CLOSED)
    return "packets 0 " not in one.on_host("nft list chain inet herocloud-overlay-host in-" + _cable(one))


def _pid(host: Any) -> int | None:
    """Return the process of the daemon; nothing while it starts again."""
    lines = (host.folder / "mycelium/node/process").read_text().splitlines()
    return int(lines[3].split()[0]) if len(lines) > 3 else None


def test_a_vm_of_the_stack_is_reached_by_its_own_rules_alone(serving: Any) -> None:
    one, other = serving
    one.enable(hosts.node(one.subnet))
    other.add_peer("tcp://192.0.2.1:9651")
    guest = one.guest(1, one.subnet, open=["443/tcp"])
    one.serve(guest.namespace, "tcp", 443)
    daemons.wait_until(lambda: _reach(one, other, guest.nic["address"], 443), 60)
    assert one.is_silent(other.name, guest.nic["address"], OPEN)
    one.drop_guest(guest)


def test_the_gateway_of_a_network_is_closed_as_well(serving: Any) -> None:
    one, other = serving
    before = one.dump()
    network = one.key("shop")
    part = hosts.node(network, mode="network", key={"name": "shop"}, host_open=[f"{OPEN}/tcp"])
    one.enable(part)
    other.add_peer("tcp://192.0.2.1:9651")
    gateway = network.removesuffix("/64") + "1"
    daemons.wait_until(lambda: _reach(one, other, _address(one), OPEN), 60)
    assert one.is_silent(other.name, _address(one), CLOSED)
    if one.kind == "standin":
        # The host answers by its own node, and the real one cannot carry what comes from the /64 of another.
        assert _reach(one, other, gateway, OPEN)
        assert one.is_silent(other.name, gateway, CLOSED)
    one.on_host("nft insert rule inet herocloud-overlay-host in-" + _cable(one) + " tcp dport 22 counter")
    daemons.wait_until(lambda: _knocks(one, other, gateway), 60)
    assert one.things()["mycelium.node"]["overlay"]["cable_rules"] == "changed", "a rule of somebody else is drift"
    one.perform("overlay.enable", "mycelium.node", "overlay", part, part)
    assert one.things()["mycelium.node"]["overlay"] == part
    one.disable(part)
    assert one.changes_since(before) == []


def test_rules_that_somebody_took_away_are_drift_and_come_back(host: Any) -> None:
    parts = {
        "one": hosts.node(host.key(), host_open=["22/tcp"]),
        "shop": hosts.node(host.key("shop"), mode="network", key={"name": "shop"}),
    }
    before = host.dump()
    for stack, part in parts.items():
        host.enable(part, stack=stack)
    for rule in ("delete table inet herocloud-overlay-host", "flush chain inet herocloud-overlay-host in-mycelium"):
        host.on_host(f"nft {rule}")
        seen = {stack: host.things(stack)["mycelium.node"]["overlay"] for stack in parts}
        assert all(one["host_rules"] == "missing" for one in seen.values())
        for stack, part in parts.items():
            host.perform("overlay.enable", "mycelium.node", "overlay", seen[stack], part, stack=stack)
        assert {stack: host.things(stack)["mycelium.node"]["overlay"] for stack in parts} == parts
    for stack, part in parts.items():
        host.disable(part, stack=stack)
    assert host.changes_since(before) == []


def test_the_ports_that_a_stack_opened_are_closed_when_it_goes(host: Any) -> None:
    subnet = host.key()
    parts = {"one": hosts.node(subnet, host_open=["22/tcp", "80/tcp"]), "two": hosts.node(subnet, host_open=["80/tcp"])}
    for stack, part in parts.items():
        host.enable(part, stack=stack)
    assert "dport 22 " in _rules(host)
    host.disable(parts["one"], stack="one")
    assert "dport 22 " not in _rules(host)
    assert "dport 80 " in _rules(host)
    assert host.things("two")["mycelium.node"]["overlay"] == parts["two"]
    host.disable(parts["two"], stack="two")


def _rules(host: Any) -> str:
    return str(host.on_host("nft list table inet herocloud-overlay-host"))


def test_the_rules_are_there_before_the_interface_and_through_a_death_of_the_daemon(host: Any) -> None:
    part = hosts.node(host.key())
    worker = host.worker("mycelium.effect:2:kill")
    with pytest.raises(EOFError):
        host.enable(part, worker=worker)
    assert "closed" in _rules(host)
    host.enable(part)
    pid = _pid(host)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert "closed" in _rules(host)
    # Seen first: while it starts again, its record says nothing of a process.
    daemons.wait_until(lambda: host.things()["mycelium.node"]["overlay"] == part and _pid(host) not in (pid, None), 60)
    host.disable(part)


def test_the_host_of_an_adopted_daemon_is_left_as_it_is(host: Any) -> None:
    part = hosts.node(host.key())
    words = daemons.command(host.kind, host.folder / "mycelium/keys/host.key", daemons.Ports(), tun="mycelium")
    daemon = daemons.Daemon(words, daemons.Ports(), host.folder.parent / "operator.log", host.name, {})
    daemons.wait_until(lambda: "400::/7" in host.on_host("ip -6 route"))
    host.enable(part)
    assert "herocloud-overlay-host" not in host.on_host("nft list tables")
    host.disable(part)
    daemon.stop()
