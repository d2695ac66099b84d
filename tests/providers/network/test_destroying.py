"""Destroy leaves the host as it was before: links, addresses, routes, rules, queues and settings, compared dump by dump."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.root

OWN_FIREWALL = """
nft add table inet firewall
nft add chain inet firewall forward { type filter hook forward priority 10 ; policy accept ; }
nft add rule inet firewall forward ip daddr 203.0.113.0/24 drop
nft add table netdev watch
ip link add mine type veth peer name other
ip address add 198.51.100.1/24 dev mine
ip link set mine up
tc qdisc add dev mine root tbf rate 10mbit burst 20000 latency 50ms
"""


def _apply(site: Any, shapes: Any) -> list[tuple[Any, ...]]:
    """Make two networks with guests' taps, and return the steps that made them."""
    lan = shapes.network(forward=[shapes.forward(8080, 1, 80)])
    dmz = shapes.network("dmz", cidr="10.43.0.0/24", gateway="10.43.0.1", isolated=True, nat=False)
    limited = shapes.nic(2, network="dmz", address="10.43.0.3", rate={"download": 10_000_000, "upload": 5_000_000})
    steps = [
        ("network.create", "network.lan", "network", None, lan),
        ("network.create", "network.dmz", "network", None, dmz),
        ("tap.create", "vm.g1", "nic.0", None, shapes.nic(1)),
        ("tap.create", "vm.g2", "nic.0", None, limited),
    ]
    for step in steps:
        site.perform(*step)
    return steps


def _destroy(site: Any, steps: list[tuple[Any, ...]]) -> None:
    for kind, address, part, _, made in reversed(steps):
        site.perform(kind.replace("create", "delete"), address, part, made, None)


@pytest.mark.parametrize("forwarding", ["0", "1"])
def test_destroy_leaves_the_host_as_it_was(site: Any, shapes: Any, forwarding: str) -> None:
    for line in OWN_FIREWALL.strip().splitlines():
        site.on_host(line)
    site.on_host(f"sysctl -w net.ipv4.ip_forward={forwarding}")
    site.on_host("sysctl -w net.ipv4.conf.all.accept_redirects=0")
    site.on_host("sysctl -w net.ipv4.conf.mine.forwarding=1")
    before = site.dump()
    steps = _apply(site, shapes)
    during = site.dump()
    assert {name for name in before if before[name] == during[name]} <= {"neighbours"}
    _destroy(site, steps)
    assert site.changes_since(before) == []


def test_undo_of_everything_leaves_the_host_as_it_was(site: Any, shapes: Any) -> None:
    before = site.dump()
    for step in reversed(_apply(site, shapes)):
        site.undo(*step)
    assert site.changes_since(before) == []


def test_an_undone_destroy_brings_everything_back(site: Any, shapes: Any) -> None:
    steps = _apply(site, shapes)
    seen = site.observe()
    _destroy(site, steps)
    for kind, address, part, _, made in steps:
        site.undo(kind.replace("create", "delete"), address, part, made, None)
    assert site.observe() == seen


def test_the_hosts_own_firewall_has_the_last_word(site: Any) -> None:
    outside = site.outside()
    site.network()
    guest = site.guest(1)
    site.serve(outside, "tcp", 80)
    assert site.call(guest.namespace, "192.0.2.2", 80) == "192.0.2.1"
    site.on_host("nft add table inet firewall")
    site.on_host("nft add chain inet firewall forward { type filter hook forward priority 10 ; policy drop ; }")
    assert site.is_refused(guest.namespace, "192.0.2.2", 80)


def test_while_another_state_has_networks_here_forwarding_stays_on(site: Any, shapes: Any) -> None:
    before = site.dump()
    lan, dmz = shapes.network(), shapes.network("dmz", cidr="10.43.0.0/24", gateway="10.43.0.1")
    site.perform("network.create", "network.lan", "network", None, lan)
    site.perform("network.create", "network.dmz", "network", None, dmz, lineage="another", stack="other")
    site.perform("network.delete", "network.lan", "network", lan, None)
    assert site.on_host("cat /proc/sys/net/ipv4/ip_forward") == "1\n"
    assert site.observe()["other@another"]["network.dmz"]["parts"]["network"] == dmz
    site.perform("network.delete", "network.dmz", "network", dmz, None, lineage="another", stack="other")
    assert site.changes_since(before) == []


def test_rules_of_taps_that_were_removed_by_hand_go_with_the_network(site: Any, until: Callable[..., Any]) -> None:
    before = site.dump()
    part = site.network()
    site.nic(1)
    site.on_host("ip link delete hc-v1-0")
    site.perform("network.delete", "network.lan", "network", part, None)
    assert site.changes_since(before) == []


def test_a_network_with_a_tap_on_it_is_not_removed(site: Any, shapes: Any) -> None:
    part = site.network()
    site.nic(1)
    with pytest.raises(shapes.Refusal, match=r"Conflict: `network.lan` is in use: `hc-v1-0` of `vm.g1` of stack `shop`"):
        site.perform("network.delete", "network.lan", "network", part, None)
    assert site.part("network.lan", "network") == part
