"""Guests reach each other, the host, the outside through address translation, and are reached through published ports."""

from typing import Any

import pytest

pytestmark = pytest.mark.root


def test_two_guests_of_a_network_reach_each_other_and_the_host(site: Any) -> None:
    site.network()
    one, two = site.guest(1), site.guest(2)
    site.serve(two.namespace, "tcp", 80)
    site.serve(site.host, "tcp", 81)
    assert site.call(one.namespace, "10.42.0.3", 80) == "10.42.0.2"
    assert site.call(one.namespace, "10.42.0.1", 81) == "10.42.0.2"
    assert site.call(site.host, "10.42.0.3", 80) == "10.42.0.1"


def test_a_guest_reaches_the_outside_under_the_address_of_the_host(site: Any) -> None:
    outside = site.outside()
    site.network(nat=True)
    guest = site.guest(1)
    site.serve(outside, "tcp", 80)
    site.serve(outside, "udp", 53)
    assert site.call(guest.namespace, "192.0.2.2", 80) == "192.0.2.1"
    assert site.call(guest.namespace, "192.0.2.2", 53, "udp") == "192.0.2.1"


def test_without_translation_a_network_is_routed_under_its_own_addresses_both_ways(site: Any) -> None:
    outside = site.outside()
    site.network(nat=False)
    guest = site.guest(1)
    site.within(outside, "ip", "route", "add", "10.42.0.0/24", "via", "192.0.2.1")
    site.serve(outside, "tcp", 80)
    site.serve(guest.namespace, "tcp", 81)
    assert site.call(guest.namespace, "192.0.2.2", 80) == "10.42.0.2"
    assert site.call(outside, "10.42.0.2", 81) == "192.0.2.2"


def test_behind_translation_nobody_outside_can_begin(site: Any) -> None:
    outside = site.outside()
    site.network(nat=True)
    guest = site.guest(1)
    site.within(outside, "ip", "route", "add", "10.42.0.0/24", "via", "192.0.2.1")
    site.serve(guest.namespace, "tcp", 80)
    assert site.is_refused(outside, "10.42.0.2", 80)
    assert site.call(site.host, "10.42.0.2", 80) == "10.42.0.1"


@pytest.fixture(params=["frames pass the firewall", "frames pass by the firewall"])
def published(site: Any, shapes: Any, request: Any) -> Any:
    """Return a site on which port 8080 leads to port 80 of guest 1, and 5353/udp to its port 53.

    Containers like to have bridged frames filtered as if they were routed, which changes where a translated packet goes.
    """
    setting = "/proc/sys/net/bridge/bridge-nf-call-iptables"
    value = str(int("pass the" in request.param))
    site.within(site.host, "sh", "-c", f"test ! -e {setting} || echo {value} > {setting}")
    site.out = site.outside()
    site.network(forward=[shapes.forward(8080, 1, 80), shapes.forward(5353, 1, 53, "udp")])
    site.one, site.two = site.guest(1), site.guest(2)
    site.serve(site.one.namespace, "tcp", 80)
    site.serve(site.one.namespace, "udp", 53)
    return site


def test_a_published_port_answers_the_outside(published: Any) -> None:
    assert published.call(published.out, "192.0.2.1", 8080) == "192.0.2.2"
    assert published.call(published.out, "192.0.2.1", 5353, "udp") == "192.0.2.2"
    assert published.is_refused(published.out, "192.0.2.1", 8081)


def test_a_published_port_answers_the_host_itself_on_every_address_of_its(published: Any) -> None:
    assert published.call(published.host, "192.0.2.1", 8080) == "192.0.2.1"
    assert published.call(published.host, "10.42.0.1", 8080) == "10.42.0.1"
    assert published.call(published.host, "127.0.0.1", 8080) == "10.42.0.1"
    assert published.call(published.host, "127.0.0.1", 5353, "udp") == "10.42.0.1"


def test_a_published_port_answers_guests_of_the_same_network_and_the_very_guest(published: Any) -> None:
    assert published.call(published.two.namespace, "192.0.2.1", 8080) == "10.42.0.1"
    assert published.call(published.one.namespace, "192.0.2.1", 8080) == "10.42.0.1"


def test_guests_do_not_reach_what_listens_on_the_hosts_loopback(published: Any) -> None:
    published.serve(published.host, "tcp", 9000)
    guest = published.two.namespace
    published.within(guest, "ip", "link", "set", "lo", "down")
    published.within(guest, "ip", "address", "flush", "dev", "lo")
    published.within(guest, "ip", "route", "add", "127.0.0.1/32", "via", "10.42.0.1")
    published.within(guest, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet")
    assert published.is_refused(guest, "127.0.0.1", 9000)
    assert published.call(guest, "10.42.0.1", 9000) == "10.42.0.3"
