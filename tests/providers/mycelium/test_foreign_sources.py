"""What comes in from the uplink is not forwarded into the overlay in the name of a VM, or at all where the host did not forward before."""

import errno
import sys
from typing import Any

import hosts
import pytest

pytestmark = pytest.mark.root

SEND = """
import socket
sending = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sending.bind(('{source}', 0))
sending.sendto(b'x', ('{target}', 53))
# By the same way to the host itself, which answers that nobody listens: the first packet was judged by then.
print(socket.socket(socket.AF_INET6, socket.SOCK_STREAM).connect_ex(('2001:db8::1', 9)))
"""
TARGET = "5ff:1:2:3::1"


@pytest.fixture(params=["0", "1"], ids=["a host that did not forward", "a host that forwarded before"])
def forwarded(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def outside(host: Any, forwarded: str) -> Any:
    """Return a host on the overlay whose uplink leads to a machine that uses it as its router."""
    host.subnet = host.key()
    host.on_host(f"sysctl -q -w net.ipv6.conf.all.forwarding={forwarded}")
    host.enable(hosts.node(host.subnet))
    host.outside = f"{host.name}-out"
    host.namespace(host.outside)
    host.on_host(f"ip link add up0 type veth peer name eth0 netns {host.outside}")
    host.on_host("ip address add 2001:db8::1/64 dev up0 nodad")
    host.on_host("ip link set up0 up")
    for line in ("address add 2001:db8::2/64 dev eth0 nodad", "link set eth0 up", "-6 route add 400::/7 via 2001:db8::1"):
        host.within(host.outside, "ip", *line.split())
    return host


def _into_the_overlay(host: Any, source: str) -> bool:
    """Return whether a packet with this source leaves by the interface of the daemon."""
    host.within(host.outside, "ip", "address", "add", f"{source}/128", "dev", "eth0", "nodad")

    rules = ("add table ip6 seen", "add chain ip6 seen out { type filter hook postrouting priority 0 ; }", "flush chain ip6 seen out")
    for rule in (*rules, f"add rule ip6 seen out oifname mycelium ip6 saddr {source} counter"):
        host.on_host(f"nft {rule}")
    answer = host.within(host.outside, sys.executable, "-c", SEND.format(source=source, target=TARGET))
    assert int(answer) == errno.ECONNREFUSED
    return "packets 0 " not in host.on_host("nft list chain ip6 seen out")


def test_nothing_from_the_uplink_goes_into_the_overlay_that_did_not_before(outside: Any, forwarded: str) -> None:
    prefix = outside.subnet.removesuffix("::/64")
    assert _into_the_overlay(outside, "5aa:1:2:3::9") == (forwarded == "1")
    assert not _into_the_overlay(outside, f"{prefix}:ff0f:102:304:506")
