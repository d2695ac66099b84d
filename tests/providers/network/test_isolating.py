"""Who may not reach whom: guests of an isolated network, and guests of different networks, also when they try by hand."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.root

ME, NEIGHBOUR = "02:00:00:00:00:01", "02:00:00:00:00:02"


def _gateway_mac(site: Any) -> str:
    return str(site.on_host("cat /sys/class/net/hb-lan/address").strip())


def _arrives(site: Any, frame: bytes, mark: bytes, until: Callable[..., Any]) -> bool:
    """Send a frame from guest 1, then let the host knock at guest 2; tell whether the frame was there when the knock was."""
    site.two.seen()
    site.one.send(frame)
    site.knock(site.host, "10.42.0.3")
    seen: list[bytes] = []

    def knocked() -> bool:
        seen.extend(site.two.seen())
        # The host asks for port 9 of UDP.
        return any(frame[12:14] == b"\x08\x00" and frame[36:38] == b"\0\x09" for frame in seen)

    until(knocked)
    return any(mark in frame for frame in seen)


@pytest.fixture
def apart(site: Any) -> Any:
    site.network(isolated=True)
    site.one, site.two = site.guest(1), site.guest(2)
    return site


def test_isolated_guests_reach_the_host_and_the_outside_and_not_each_other(apart: Any) -> None:
    outside = apart.outside()
    apart.serve(outside, "tcp", 80)
    apart.serve(apart.host, "tcp", 80)
    apart.serve(apart.two.namespace, "tcp", 80)
    assert apart.call(apart.one.namespace, "10.42.0.1", 80) == "10.42.0.2"
    assert apart.call(apart.one.namespace, "192.0.2.2", 80) == "192.0.2.1"
    assert apart.call(apart.host, "10.42.0.3", 80) == "10.42.0.1"
    assert apart.is_refused(apart.one.namespace, "10.42.0.3", 80)


@pytest.mark.parametrize("way", ["to everybody", "to the neighbour", "through the gateway"])
def test_raw_frames_of_an_isolated_guest_do_not_arrive(apart: Any, frames: Any, until: Callable[..., Any], way: str) -> None:
    # The bridge and the host know where the neighbour is, so nothing but the isolation stands in the way.
    apart.knock(apart.host, "10.42.0.3")
    target = {"to everybody": frames.EVERYBODY, "to the neighbour": NEIGHBOUR, "through the gateway": _gateway_mac(apart)}[way]
    frame = frames.ethernet(ME, frames.IPV4, frames.ipv4("10.42.0.2", "10.42.0.3", b"psst"), target)
    assert not _arrives(apart, frame, b"psst", until)
    open_part = {**apart.part("network.lan", "network"), "isolated": False}
    apart.perform("network.update", "network.lan", "network", {**open_part, "isolated": True}, open_part)
    assert _arrives(apart, frame, b"psst", until)


def test_isolation_is_switched_on_and_off_while_guests_talk(site: Any, shapes: Any) -> None:
    joined = site.network()
    site.one, site.two = site.guest(1), site.guest(2)
    site.serve(site.two.namespace, "udp", 53)
    apart = shapes.network(isolated=True)
    assert site.call(site.one.namespace, "10.42.0.3", 53, "udp") == "10.42.0.2"
    site.perform("network.update", "network.lan", "network", joined, apart)
    assert site.is_refused(site.one.namespace, "10.42.0.3", 53, "udp")
    assert (site.part("network.lan", "network"), site.part("vm.g1", "nic.0")) == (apart, site.one.nic)
    site.undo("network.update", "network.lan", "network", joined, apart)
    assert site.call(site.one.namespace, "10.42.0.3", 53, "udp") == "10.42.0.2"


def test_a_tap_that_comes_later_is_isolated_from_the_start(site: Any) -> None:
    site.network(isolated=True)
    one = site.guest(1)
    late = site.guest(2)
    site.serve(late.namespace, "tcp", 80)
    assert site.is_refused(one.namespace, "10.42.0.3", 80)


def test_isolated_guests_do_not_reach_each_other_through_a_published_port(site: Any, shapes: Any) -> None:
    outside = site.outside()
    site.network(isolated=True, forward=[shapes.forward(8080, 2, 80)])
    one, two = site.guest(1), site.guest(2)
    site.serve(two.namespace, "tcp", 80)
    assert site.call(outside, "192.0.2.1", 8080) == "192.0.2.2"
    assert site.is_refused(one.namespace, "192.0.2.1", 8080)


def test_guests_of_two_networks_meet_at_published_ports_only(site: Any, shapes: Any) -> None:
    site.outside()
    site.network(forward=[shapes.forward(8080, 1, 80)])
    site.network("dmz", cidr="10.43.0.0/24", gateway="10.43.0.1", nat=False)
    site.one, other = site.guest(1), site.guest(2, network="dmz", address="10.43.0.3")
    site.serve(site.one.namespace, "tcp", 80)
    site.serve(site.one.namespace, "tcp", 81)
    site.serve(other.namespace, "tcp", 80)
    assert site.is_refused(site.one.namespace, "10.43.0.3", 80)
    assert site.is_refused(other.namespace, "10.42.0.2", 80)
    assert site.call(other.namespace, "192.0.2.1", 8080) == "10.43.0.3"
    assert site.is_refused(other.namespace, "10.42.0.2", 81)
