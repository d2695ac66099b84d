"""On the overlay, where a neighbour's address could be taken inside the /64 that all guests share, nobody takes it."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.root

SUBNET = "45a:1:2:3"
GATEWAY = f"{SUBNET}::1"
ME, MINE, MY_LOCAL = "02:00:00:00:00:01", f"{SUBNET}:ff0f::1", "fe80::ff:fe00:1"
NEIGHBOUR, HIS, HIS_LOCAL = "02:00:00:00:00:02", f"{SUBNET}:ff0f::2", "fe80::ff:fe00:2"
ALL = "ff02::1"
HONEST = b"an honest packet"
TCP = 6
UDP = 17


@pytest.fixture(params=[None, {"download": None, "upload": 10_000_000}], ids=["unlimited", "limited"])
def pair(site: Any, request: Any) -> Any:
    """Return a site with the bridge of the overlay and two guests on it."""
    for line in (
        "ip link add hb-mycelium mtu 1400 type bridge stp_state 0 mcast_snooping 0",
        f"ip address add {GATEWAY}/64 dev hb-mycelium nodad",
        "ip link set hb-mycelium up",
    ):
        site.on_host(line)
    site.one = site.guest(1, network="mycelium", address=MINE, rate=request.param)
    site.two = site.guest(2, network="mycelium", address=HIS, open=["80/tcp"])
    for card, address in ((site.one, MINE), (site.two, HIS)):
        site.within(card.namespace, "ip", "address", "add", f"{address}/64", "dev", "eth0", "nodad")
        site.within(card.namespace, "ip", "link", "set", "eth0", "mtu", "1400")
    return site


def _tricks(frames: Any) -> dict[str, bytes]:
    def packet(source: str, target: str, body: bytes, protocol: int = 58) -> bytes:
        return bytes(frames.ethernet(ME, frames.IPV6, frames.ipv6(source, target, body, protocol)))

    own, theirs = frames.advert(MINE, ALL, HIS, ME), frames.advert(HIS, ALL, HIS, ME)
    text = frames.udp(b"tricked" * 8)
    return {
        "an advertisement of a neighbour's address": packet(MINE, ALL, own),
        "an advertisement under a neighbour's address": packet(HIS, ALL, theirs),
        "an advertisement of the gateway": packet(MINE, ALL, frames.advert(MINE, ALL, GATEWAY, ME)),
        "an advertisement of a neighbour's local address": packet(MY_LOCAL, ALL, frames.advert(MY_LOCAL, ALL, HIS_LOCAL, ME)),
        "an advertisement behind options": packet(MINE, ALL, frames.behind_options(own), 60),
        "an advertisement in a fragment": packet(MINE, ALL, frames.behind_fragment(own), 44),
        "a doubt about a neighbour's address": packet("::", ALL, frames.solicit("::", ALL, HIS)),
        "a question as a neighbour": packet(HIS, ALL, frames.solicit(HIS, ALL, GATEWAY)),
        "a router advertisement": packet(MY_LOCAL, ALL, frames.router_advert(MY_LOCAL, ALL)),
        "a router advertisement behind options": packet(MY_LOCAL, ALL, frames.behind_options(frames.router_advert(MY_LOCAL, ALL)), 60),
        "a redirect": packet(MY_LOCAL, ALL, frames.redirect(MY_LOCAL, ALL, HIS)),
        "a packet of a neighbour": packet(HIS, ALL, text, UDP),
        "a packet of a neighbour's local address": packet(HIS_LOCAL, ALL, text, UDP),
        "a packet of another prefix": packet("2001:db8::7", ALL, text, UDP),
        "a service on the own local address": packet(MY_LOCAL, ALL, text, UDP),
        "a foreign MAC": bytes(frames.ethernet(NEIGHBOUR, frames.IPV6, frames.ipv6(MINE, ALL, text, UDP))),
        "a VLAN tag": bytes(frames.ethernet(ME, frames.IPV6, frames.ipv6(MINE, ALL, text, UDP), tags=(0x8100,))),
        "IPv4": bytes(frames.ethernet(ME, frames.IPV4, frames.ipv4("10.42.0.2", "255.255.255.255"))),
        "ARP": bytes(frames.ethernet(ME, frames.ARP, frames.arp(ME, "10.42.0.2", "10.42.0.3"))),
    }


def _arrives(site: Any, frames: Any, until: Callable[..., Any], frame: bytes) -> bool:
    return bool(
        frames.arrives(site, until, frame, frames.ethernet(ME, frames.IPV6, frames.ipv6(MINE, ALL, frames.udp(HONEST * 3), UDP)), HONEST)
    )


def test_no_trick_reaches_a_neighbour(pair: Any, frames: Any, until: Callable[..., Any]) -> None:
    assert [trick for trick, frame in _tricks(frames).items() if _arrives(pair, frames, until, frame)] == []


def test_without_its_rules_every_trick_reaches_the_neighbour(pair: Any, frames: Any, until: Callable[..., Any]) -> None:
    pair.on_host("nft flush ruleset")
    assert [trick for trick, frame in _tricks(frames).items() if not _arrives(pair, frames, until, frame)] == []


def test_what_an_honest_guest_needs_passes(pair: Any, frames: Any, until: Callable[..., Any]) -> None:
    needed = {
        "asking for a neighbour": (MINE, frames.solicit(MINE, ALL, HIS)),
        "asking under the local address": (MY_LOCAL, frames.solicit(MY_LOCAL, ALL, HIS)),
        "doubting the own address": ("::", frames.solicit("::", ALL, MINE)),
        "doubting the own local address": ("::", frames.solicit("::", ALL, MY_LOCAL)),
        "advertising the own address": (MINE, frames.advert(MINE, ALL, MINE, ME)),
        "advertising the own local address": (MY_LOCAL, frames.advert(MY_LOCAL, ALL, MY_LOCAL, ME)),
    }
    sent = {what: frames.ethernet(ME, frames.IPV6, frames.ipv6(source, ALL, body)) for what, (source, body) in needed.items()}
    assert [what for what, frame in sent.items() if not _arrives(pair, frames, until, frame)] == []


def test_guests_of_the_overlay_reach_each_other_and_are_seen_as_they_were_made(pair: Any) -> None:
    pair.serve(pair.two.namespace, "tcp", 80, "ipv6")
    assert pair.call(pair.one.namespace, HIS, 80) == MINE
    assert pair.part("vm.g1", "nic.0") == pair.one.nic
    assert pair.part("vm.g2", "nic.0") == pair.two.nic
    assert pair.on_host("cat /sys/class/net/hc-v1-0/mtu").strip() == "1400"


def test_a_nic_of_the_overlay_waits_for_its_bridge(site: Any, shapes: Any) -> None:
    with pytest.raises(shapes.Refusal, match="the overlay has no bridge"):
        site.nic(1, network="mycelium", address=MINE)
