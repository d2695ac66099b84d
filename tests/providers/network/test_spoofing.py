"""A guest that ignores its seed and really tries takes nobody's MAC or address on an IPv4 network, with or without a rate limit.

After each attempt the guest sends an honest frame. What a neighbour has seen once that arrives is all it will ever see.
"""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.root

ME, MINE = "02:00:00:00:00:01", "10.42.0.2"
NEIGHBOUR, HIS = "02:00:00:00:00:02", "10.42.0.3"
GATEWAY = "10.42.0.1"
NOBODY = "0.0.0.0"  # noqa: S104  (an address in a frame)
HONEST = b"an honest packet"
LIMITED = {"download": None, "upload": 10_000_000}


@pytest.fixture(params=[None, LIMITED], ids=["unlimited", "limited"])
def pair(site: Any, frames: Any, request: Any) -> Any:
    """Return a site with a guest that tries and a neighbour that watches."""
    site.network()
    site.one, site.two = site.guest(1, rate=request.param), site.guest(2)
    site.knock(site.host, HIS)
    site.two.seen()
    return site


def _frames_of(frames: Any) -> dict[str, bytes]:
    ethernet, ipv4, arp = frames.ethernet, frames.ipv4, frames.arp
    mine = ipv4(MINE, HIS, b"tricked")
    return {
        "a foreign MAC": ethernet(NEIGHBOUR, frames.IPV4, mine),
        "a foreign MAC in a frame to bridges": ethernet(NEIGHBOUR, frames.IPV4, mine, frames.BRIDGES),
        "the address of a neighbour": ethernet(ME, frames.IPV4, ipv4(HIS, GATEWAY)),
        "the address of the gateway": ethernet(ME, frames.IPV4, ipv4(GATEWAY, HIS)),
        "an address from elsewhere": ethernet(ME, frames.IPV4, ipv4("198.51.100.7", HIS)),
        "no address, as for DHCP": ethernet(ME, frames.IPV4, ipv4(NOBODY, "255.255.255.255")),
        "an ARP answer for a neighbour": ethernet(ME, frames.ARP, arp(ME, HIS, GATEWAY)),
        "an ARP answer for the gateway": ethernet(ME, frames.ARP, arp(ME, GATEWAY, HIS)),
        "an ARP question as a neighbour": ethernet(ME, frames.ARP, arp(ME, HIS, HIS, operation=1)),
        "an ARP answer with a foreign MAC inside": ethernet(ME, frames.ARP, arp(NEIGHBOUR, MINE, HIS)),
        "ARP for another kind of hardware": ethernet(ME, frames.ARP, arp(ME, MINE, HIS, hardware=6)),
        "a VLAN tag": ethernet(ME, frames.IPV4, mine, tags=(0x8100,)),
        "a VLAN tag before ARP": ethernet(ME, frames.ARP, arp(ME, MINE, HIS), tags=(0x8100,)),
        "a provider's VLAN tag": ethernet(ME, frames.IPV4, mine, tags=(0x88A8,)),
        "two VLAN tags": ethernet(ME, frames.IPV4, mine, tags=(0x88A8, 0x8100)),
        "a router advertisement": ethernet(ME, frames.IPV6, frames.ipv6("fe80::1", "ff02::1", frames.router_advert("fe80::1", "ff02::1"))),
        "a spanning tree": ethernet(ME, 38, b"\x42\x42\x03" + bytes(35), frames.BRIDGES),
        "another kind of frame": ethernet(ME, 0x88CC, bytes(46)),
    }


def _arrives(site: Any, frames: Any, until: Callable[..., Any], frame: bytes) -> bool:
    return bool(frames.arrives(site, until, frame, frames.ethernet(ME, frames.IPV4, frames.ipv4(MINE, HIS, HONEST)), HONEST))


def test_no_trick_reaches_a_neighbour(pair: Any, frames: Any, until: Callable[..., Any]) -> None:
    assert [trick for trick, frame in _frames_of(frames).items() if _arrives(pair, frames, until, frame)] == []


def test_without_its_rules_every_trick_reaches_the_neighbour(pair: Any, frames: Any, until: Callable[..., Any]) -> None:
    # What shows that the test above can fail: nothing but the rules stops these frames.
    pair.on_host("nft flush ruleset")
    assert [trick for trick, frame in _frames_of(frames).items() if not _arrives(pair, frames, until, frame)] == []


def test_no_trick_teaches_the_host_or_the_bridge_anything(pair: Any, frames: Any, until: Callable[..., Any]) -> None:
    for frame in _frames_of(frames).values():
        assert not _arrives(pair, frames, until, frame)
    learned = [line.split()[2] for line in pair.on_host("bridge fdb show br hb-lan").splitlines() if line.startswith(NEIGHBOUR)]
    assert learned == ["hc-v2-0"]
    known = pair.on_host(f"ip neighbour show {HIS} dev hb-lan")
    assert f"lladdr {NEIGHBOUR}" in known


def test_an_honest_guest_is_not_in_the_way_of_its_own_rules(pair: Any, frames: Any, until: Callable[..., Any]) -> None:
    probe = frames.ethernet(ME, frames.ARP, frames.arp(ME, NOBODY, MINE, operation=1))
    announcement = frames.ethernet(ME, frames.ARP, frames.arp(ME, MINE, MINE, operation=1))
    assert _arrives(pair, frames, until, probe)
    assert _arrives(pair, frames, until, announcement)


def test_a_new_address_is_allowed_from_the_moment_it_is_applied_and_the_old_one_no_longer(site: Any, shapes: Any) -> None:
    site.network()
    one, two = site.guest(1), site.guest(2)
    site.serve(two.namespace, "udp", 53)
    site.within(one.namespace, "ip", "address", "delete", "10.42.0.2/24", "dev", "eth0")
    site.within(one.namespace, "ip", "address", "add", "10.42.0.77/24", "dev", "eth0")
    assert site.is_refused(one.namespace, "10.42.0.3", 53, "udp")
    site.perform("tap.update", "vm.g1", "nic.0", one.nic, {**one.nic, "address": "10.42.0.77"})
    assert site.call(one.namespace, "10.42.0.3", 53, "udp") == "10.42.0.77"
    assert site.part("vm.g1", "nic.0") == shapes.nic(1, address="10.42.0.77")
