"""Whatever a stranger with root does to a network or a tap is seen as the field it changes, and one update mends it."""

import re
from typing import Any

import pytest

pytestmark = pytest.mark.root

ALL_CHAINS = ["forward", "raw", "incoming", "here", "leaving"]
UNLIMITED_UPLOAD = {"rate": {"download": 2_000_000, "upload": None}}

NETWORK = {
    "down": ("ip link set hb-lan down", {"up": False}),
    "another MTU": ("ip link set hb-lan mtu 1300", {"mtu": 1300}),
    "another MAC": ("ip link set hb-lan address 06:00:00:00:00:99", {"mac": "06:00:00:00:00:99"}),
    "spanning tree": ("ip link set hb-lan type bridge stp_state 1", {"stp": True}),
    "another alias": ("ip link set hb-lan alias foo", {"mark": "changed"}),
    "an alias of another state": ("ip link set hb-lan alias herocloud:0123:shop:network.lan:network", {"mark": "changed"}),
    "another alias, and another MAC": (
        "ip link set hb-lan alias foo; ip link set hb-lan address 06:00:00:00:00:99",
        {"mark": "changed", "mac": "06:00:00:00:00:99"},
    ),
    "no gateway": ("ip address delete 10.42.0.1/24 dev hb-lan", {"gateway": None}),
    "another gateway": (
        "ip address delete 10.42.0.1/24 dev hb-lan; ip address add 10.42.0.9/24 dev hb-lan",
        {"gateway": "10.42.0.9"},
    ),
    "another range": (
        "ip address delete 10.42.0.1/24 dev hb-lan; ip address add 10.49.0.1/16 dev hb-lan",
        {"gateway": "10.49.0.1", "cidr": "10.49.0.0/16", "rules_range": "10.42.0.0/24"},
    ),
    "one more address": ("ip address add 10.77.0.1/24 dev hb-lan", {"addresses": ["10.77.0.1/24"]}),
    "no route": ("ip route delete 10.42.0.0/24 dev hb-lan", {"route": "missing"}),
    "a hole before its route": (
        "ip route prepend blackhole 10.42.0.0/24",
        {"routes": ["10.42.0.0/24 to nowhere (blackhole)"]},
    ),
    "a hole instead of its route": (
        "ip route delete 10.42.0.0/24 dev hb-lan; ip route add blackhole 10.42.0.0/24",
        {"route": "missing", "routes": ["10.42.0.0/24 to nowhere (blackhole)"]},
    ),
    "a hole for some packets": (
        "ip route add blackhole 10.42.0.0/24 tos 0x10",
        {"routes": ["10.42.0.0/24 to nowhere (blackhole)"]},
    ),
    "a route with the address of somebody else": (
        "ip route change 10.42.0.0/24 dev hb-lan src 127.0.0.1",
        {"route": "missing", "routes": ["10.42.0.0/24 to hb-lan"]},
    ),
    "a route through a guest": (
        "ip route replace 10.42.0.0/24 dev hb-lan via 10.42.0.9 onlink",
        {"route": "missing", "routes": ["10.42.0.0/24 to hb-lan"]},
    ),
    "a gateway that the host does not take for its own": (
        "ip route delete local 10.42.0.1 dev hb-lan table local",
        {"route": "missing"},
    ),
    "no answers where the host is": ("sysctl -w net.ipv4.conf.all.arp_ignore=8", {"silent": True}),
    "no question where a guest is": ("sysctl -w net.ipv4.neigh.hb-lan.mcast_solicit=0", {"asking": False}),
    "a question in a day": ("sysctl -w net.ipv4.neigh.hb-lan.retrans_time_ms=86400000", {"asking": False}),
    "no forwarding": ("sysctl -w net.ipv4.ip_forward=0", {"forwarding": False}),
    "no forwarding on the bridge": ("sysctl -w net.ipv4.conf.hb-lan.forwarding=0", {"forwarding": False}),
    "no answers to the loopback": ("sysctl -w net.ipv4.conf.hb-lan.route_localnet=0", {"loopback": False}),
    "no rules at all": ("nft flush ruleset", {"nat": False, "forward": [], "rules": ALL_CHAINS, "loopback": True}),
    "no address translation": (
        "nft flush chain inet herocloud leaving-hb-lan",
        {"nat": False, "rules": ["forward", "leaving"]},
    ),
    "no published port": (
        "nft flush chain inet herocloud incoming-hb-lan",
        {"forward": [], "rules": ["here"], "loopback": True},
    ),
    "a range of ports instead of the published one": (
        (
            "nft flush chain inet herocloud incoming-hb-lan; nft add rule inet herocloud incoming-hb-lan "
            "fib daddr type local tcp dport 8000-9000 dnat ip to 10.42.0.2:80 comment vm.g1"
        ),
        {
            "forward": [{"host_port": None, "vm": "vm.g1", "port": 80, "protocol": "tcp", "address": "10.42.0.2"}],
            "rules": ["incoming", "here"],
        },
    ),
    "a chain that forbids nothing": ("nft flush chain inet herocloud forward-hb-lan", {"rules": ["forward"]}),
    "another mark on its ports": (
        "ip link set hb-lan alias herocloud:5d41402abc4b2a76b9719d911017c592:shop:network.lan:network",
        {"ports": "changed"},
    ),
    "one more rule": ("nft add rule inet herocloud forward-hb-lan accept", {"rules": ["forward"]}),
    "a table that sleeps": ("nft table inet herocloud { flags dormant; }", {"rules": ALL_CHAINS, "table": "switched off"}),
    "another policy": ("nft chain inet herocloud forward-hb-lan { policy drop; }", {"rules": ["forward"]}),
    "another priority": (
        (
            "nft delete chain inet herocloud raw-hb-lan; "
            "nft add chain inet herocloud raw-hb-lan { type filter hook prerouting priority -200; }; "
            "nft add rule inet herocloud raw-hb-lan iifname hb-lan ip daddr 127.0.0.0/8 drop comment loopback"
        ),
        {"rules": ["raw"]},
    ),
    "a chain that is hooked in nowhere": (
        (
            "nft delete chain inet herocloud raw-hb-lan; nft add chain inet herocloud raw-hb-lan; "
            "nft add rule inet herocloud raw-hb-lan iifname hb-lan ip daddr 127.0.0.0/8 drop comment loopback"
        ),
        {"rules": ["raw"]},
    ),
    "a rule about another interface": (
        (
            "nft flush chain inet herocloud raw-hb-lan; "
            "nft add rule inet herocloud raw-hb-lan iifname br9 ip daddr 127.0.0.0/8 drop comment loopback"
        ),
        {"rules": ["raw"]},
    ),
    "one more chain": (
        "nft add chain inet herocloud more { type filter hook forward priority -5; policy accept; }; nft add rule inet herocloud more drop",
        {"surplus": ["chain more"]},
    ),
    "one more chain that a rule jumps to": (
        (
            "nft add chain inet herocloud more; nft add rule inet herocloud more accept; "
            "nft insert rule inet herocloud forward-hb-lan jump more"
        ),
        {"surplus": ["chain more"], "rules": ["forward"]},
    ),
    "one more set and a map": (
        (
            "nft add set inet herocloud some { type ipv4_addr; }; nft add map inet herocloud where { type ipv4_addr : verdict; }; "
            "nft insert rule inet herocloud forward-hb-lan ip saddr @some accept; "
            "nft insert rule inet herocloud forward-hb-lan ip saddr vmap @where"
        ),
        {"surplus": ["map where", "set some"], "rules": ["forward"]},
    ),
    "no memory of where guests are": ("ip link set hb-lan type bridge ageing_time 0", {"settings": ["br_ageing_time"]}),
    "forwarding of frames for bridges": ("ip link set hb-lan type bridge group_fwd_mask 8", {"settings": ["br_group_fwd_mask"]}),
    "no ARP": ("ip link set hb-lan arp off", {"settings": ["noarp"]}),
    "an IPv6 address": ("ip address add fd00::1/64 dev hb-lan nodad", {"addresses": ["fd00::1/64"]}),
    "a MAC that is fixed behind another port": (
        "bridge fdb add 02:00:00:00:00:77 dev hc-v1-0 master static",
        {"entries": ["02:00:00:00:00:77 behind hc-v1-0"]},
    ),
    "a MAC that is fixed behind the host": (
        "bridge fdb add 02:00:00:00:00:77 dev hb-lan self permanent",
        {"entries": ["02:00:00:00:00:77 behind hb-lan"]},
    ),
    "a MAC that somebody outside has learned": (
        "bridge fdb add 02:00:00:00:00:77 dev hc-v1-0 master dynamic extern_learn",
        {"entries": ["02:00:00:00:00:77 behind hc-v1-0"]},
    ),
    "an address that is fixed to a MAC": (
        "ip neighbor replace 10.42.0.9 lladdr 02:00:00:00:00:77 nud permanent dev hb-lan",
        {"entries": ["10.42.0.9 is 02:00:00:00:00:77"]},
    ),
    "an address that needs no question": (
        "ip neighbor replace 10.42.0.9 lladdr 02:00:00:00:00:77 nud noarp dev hb-lan",
        {"entries": ["10.42.0.9 is 02:00:00:00:00:77"]},
    ),
    "an address that the host answers for": ("ip neighbor add proxy 10.42.0.9 dev hb-lan", {"entries": ["10.42.0.9 answered for"]}),
    "an IPv6 address that is fixed": (
        "ip -6 neighbor replace fd00::9 lladdr 02:00:00:00:00:77 nud permanent dev hb-lan",
        {"entries": ["fd00::9 is 02:00:00:00:00:77"]},
    ),
    "a queue that is too short": ("tc qdisc add dev hb-lan root bfifo limit 3000", {"queues": ["bfifo on hb-lan"]}),
    "a hook in front": ("tc qdisc add dev hb-lan clsact", {"queues": ["clsact on hb-lan"]}),
}

NIC = {
    "down": ("ip link set hc-v1-0 down", {"up": False}),
    "another MTU": ("ip link set hc-v1-0 mtu 1300", {"mtu": 1300}),
    "another alias": ("ip link set hc-v1-0 alias foo", {"mark": "changed"}),
    "another alias, and another MAC": (
        "ip link set hc-v1-0 alias foo; ip link set hc-v1-0 address 06:00:00:00:00:99",
        {"mark": "changed"},
    ),
    "another alias of the device for the upload": ("ip link set hi-v1-0 alias foo", {"mark": "changed"}),
    "on no bridge": ("ip link set hc-v1-0 nomaster", {"bridge": "none"}),
    "on another bridge": ("ip link add br9 type bridge; ip link set hc-v1-0 master br9", {"bridge": "br9"}),
    "isolated": ("bridge link set dev hc-v1-0 isolated on", {"isolated": True}),
    "no hairpin": ("bridge link set dev hc-v1-0 hairpin off", {"hairpin": False}),
    # What the guard sends through the device of a limited upload goes with it.
    "no guard": ("nft delete table netdev herocloud", {"guard": "missing", **UNLIMITED_UPLOAD, "detour": "hi-v1-0"}),
    "an empty guard": ("nft flush chain netdev herocloud hc-v1-0", {"guard": "missing", **UNLIMITED_UPLOAD, "detour": "hi-v1-0"}),
    "a guard with a hole": ("nft insert rule netdev herocloud hc-v1-0 accept", {"guard": "changed"}),
    "a table that sleeps": ("nft table netdev herocloud { flags dormant; }", {"guard": "changed", "table": "switched off"}),
    "a guard that lets the rest pass": ("nft chain netdev herocloud hc-v1-0 { policy accept; }", {"guard": "changed"}),
    "a guard with another priority": (
        (
            "nft delete chain netdev herocloud hc-v1-0; "
            "nft add chain netdev herocloud hc-v1-0 { type filter hook ingress device hc-v1-0 priority 9; policy drop; }; "
            "{put back}"
        ),
        {"guard": "changed"},
    ),
    "a guard of another device": (
        (
            "nft delete chain netdev herocloud hc-v1-0; "
            "nft add chain netdev herocloud hc-v1-0 { type filter hook ingress device lo priority 0; policy drop; }; "
            "{put back}"
        ),
        {"guard": "changed", "surplus": ["chain hc-v1-0"]},
    ),
    "one more chain at the tap": (
        (
            "nft add chain netdev herocloud first { type filter hook ingress device hc-v1-0 priority -5; policy accept; }; "
            "nft add rule netdev herocloud first fwd to lo"
        ),
        {"surplus": ["chain first"]},
    ),
    "one more chain at the host": (
        "nft add chain netdev herocloud lo { type filter hook ingress device lo priority 0; policy accept; }",
        {"surplus": ["chain lo"]},
    ),
    "one more set": ("nft add set netdev herocloud some { type ether_addr; }", {"surplus": ["set some"]}),
    "a port that does not learn": ("bridge link set dev hc-v1-0 learning off", {"settings": ["learning"]}),
    "a port that is not flooded": ("bridge link set dev hc-v1-0 flood off", {"settings": ["flood"]}),
    "a port without broadcasts": ("bridge link set dev hc-v1-0 bcast_flood off", {"settings": ["bcast_flood"]}),
    "a port without multicast": ("bridge link set dev hc-v1-0 mcast_flood off", {"settings": ["mcast_flood"]}),
    "a port that answers for others": ("ip link set hc-v1-0 type bridge_slave proxy_arp on", {"settings": ["proxy_arp"]}),
    "a port that hides its neighbors": ("bridge link set dev hc-v1-0 neigh_suppress on", {"settings": ["neigh_suppress"]}),
    "an address": ("ip address add 10.77.0.1/24 dev hc-v1-0", {"addresses": ["10.77.0.1/24"]}),
    "an IPv6 address": ("ip address add fd00::1/64 dev hc-v1-0 nodad", {"addresses": ["fd00::1/64"]}),
    "a hook in front of the guard": ("tc qdisc add dev hc-v1-0 clsact", {"queues": ["clsact on hc-v1-0"]}),
    "an older hook in front of the guard": ("tc qdisc add dev hc-v1-0 ingress", {"queues": ["ingress on hc-v1-0"]}),
    "another burst": (
        "tc qdisc replace dev hc-v1-0 root handle 1: tbf rate 16mbit burst 900000 limit 132000",
        {"queues": ["another bucket on hc-v1-0"]},
    ),
    "another limit of what waits": (
        "tc qdisc replace dev hc-v1-0 root handle 1: tbf rate 16mbit burst 32000 limit 2000000",
        {"queues": ["another bucket on hc-v1-0"]},
    ),
    "a queue in that of the download": (
        "tc qdisc add dev hc-v1-0 parent 1:1 handle 2: bfifo limit 1",
        {"queues": ["bfifo inside tbf on hc-v1-0"]},
    ),
    "a queue in that of the upload": (
        "tc qdisc add dev hi-v1-0 parent 1:1 handle 2: bfifo limit 1",
        {"queues": ["bfifo inside tbf on hi-v1-0"]},
    ),
    "no room for a single frame": ("ip link set hc-v1-0 txqueuelen 0", {"settings": ["txqueuelen"]}),
    "a mode in which it waits for somebody": ("ip link set hc-v1-0 mode dormant", {"settings": ["mode"]}),
    "another burst of the upload": (
        "tc qdisc replace dev hi-v1-0 root handle 1: tbf rate 8mbit burst 900000 limit 66000",
        {"queues": ["another bucket on hi-v1-0"]},
    ),
    "another queue instead of the limit": (
        "tc qdisc replace dev hc-v1-0 root handle 2: bfifo limit 3000",
        {"queues": ["bfifo on hc-v1-0"], "rate": {"download": None, "upload": 1_000_000}},
    ),
    "no download limit": ("tc qdisc delete dev hc-v1-0 root", {"rate": {"download": None, "upload": 1_000_000}}),
    "no upload limit": ("tc qdisc delete dev hi-v1-0 root", UNLIMITED_UPLOAD),
    "no device for the upload": ("ip link delete hi-v1-0", UNLIMITED_UPLOAD),
    "another rate": (
        "tc qdisc change dev hc-v1-0 root tbf rate 8mbit burst 20000 latency 50ms",
        {"rate": {"download": 1_000_000, "upload": 1_000_000}, "queues": ["another bucket on hc-v1-0"]},
    ),
}  # fmt: skip


@pytest.fixture
def made(site: Any, shapes: Any) -> Any:
    site.lan = site.network(forward=[shapes.forward(8080, 1, 80)])
    site.one = site.nic(1, rate={"download": 2_000_000, "upload": 1_000_000})
    assert (site.part("network.lan", "network"), site.part("vm.g1", "nic.0")) == (site.lan, site.one)
    return site


def _obey(made: Any, commands: str, guard: str = "") -> None:
    """Run the commands of a row; `{put back}` loads the rules of the guard again, into whatever chain there is by then."""
    for line in re.split(r"; (?=(?:nft|ip|tc|bridge) |\{put)", commands):
        if line != "{put back}":
            made.on_host(line)
            continue
        for rule in (text.strip() for text in guard.splitlines() if "comment" in text):
            made.within(made.host, "nft", f"add rule netdev herocloud hc-v1-0 {rule}")


@pytest.mark.parametrize("what", NETWORK)
def test_drift_of_a_network_is_seen_by_its_field_and_mended(made: Any, until: Any, what: str) -> None:
    commands, drift = NETWORK[what]
    clean = made.dump()
    _obey(made, commands)
    if "nud noarp" in commands:
        # The kernel forgets it again when it comes to know that the bridge has no carrier, up to a second after that was made.
        until(lambda: _obey(made, commands) or made.part("network.lan", "network") == {**made.lan, **drift})
    seen = made.part("network.lan", "network")
    assert seen == {**made.lan, **drift}
    made.perform("network.update", "network.lan", "network", seen, made.lan)
    if what == "no rules at all":
        made.perform("tap.update", "vm.g1", "nic.0", made.part("vm.g1", "nic.0"), made.one)
    else:
        assert made.changes_since(clean) == []
    assert (made.part("network.lan", "network"), made.part("vm.g1", "nic.0")) == (made.lan, made.one)


@pytest.mark.parametrize("what", NIC)
def test_drift_of_a_tap_is_seen_by_its_field_and_mended(made: Any, what: str) -> None:
    commands, drift = NIC[what]
    guard = made.on_host("nft list chain netdev herocloud hc-v1-0")
    _obey(made, commands, guard)
    seen = made.part("vm.g1", "nic.0")
    assert seen == {**made.one, **drift}
    made.perform("tap.update", "vm.g1", "nic.0", seen, made.one)
    assert made.part("vm.g1", "nic.0") == made.one
    assert made.part("network.lan", "network") == made.lan


def test_marks_of_a_network_and_of_all_that_hangs_on_it_are_written_again(made: Any) -> None:
    clean = made.dump()
    for name in ("hb-lan", "hc-v1-0", "hi-v1-0"):
        made.within(made.host, "ip", "link", "set", name, "alias", "")
    network, card = made.part("network.lan", "network"), made.part("vm.g1", "nic.0")
    assert (network, card) == ({**made.lan, "mark": "gone"}, {**made.one, "mark": "gone"})
    made.perform("network.update", "network.lan", "network", network, made.lan)
    made.perform("tap.update", "vm.g1", "nic.0", made.part("vm.g1", "nic.0"), made.one)
    assert made.changes_since(clean) == []


def test_a_bridge_without_its_alias_and_its_rules_is_known_by_its_ports(made: Any) -> None:
    made.on_host("ip link set hb-lan alias foo")
    made.on_host("nft flush ruleset")
    seen = made.part("network.lan", "network")
    assert (seen["mark"], seen["cidr"], seen["bridge"]) == ("changed", "10.42.0.0/24", "hb-lan")
    made.perform("network.update", "network.lan", "network", seen, made.lan)
    assert made.part("network.lan", "network") == made.lan


def test_an_interface_of_somebody_else_is_not_taken_for_ours_by_its_name(made: Any) -> None:
    made.on_host("ip link delete hb-lan")
    made.on_host("ip link add hb-lan type bridge")
    made.on_host("ip link set hc-v1-0 nomaster")
    assert made.part("network.lan", "network") is None


def test_a_tap_that_vanished_is_gone_and_made_again(made: Any) -> None:
    made.on_host("ip link delete hc-v1-0")
    assert made.part("vm.g1", "nic.0") is None
    made.perform("tap.create", "vm.g1", "nic.0", None, made.one)
    assert made.part("vm.g1", "nic.0") == made.one


def test_a_tap_keeps_its_network_when_the_bridge_vanishes_and_is_put_back_in_place(made: Any) -> None:
    # Another network would have the running guest lose its card and get it again.
    clean = made.dump()
    made.on_host("ip link delete hb-lan")
    assert made.part("network.lan", "network") is None
    seen = made.part("vm.g1", "nic.0")
    assert seen == {**made.one, "bridge": "none"}
    made.perform("network.create", "network.lan", "network", None, made.lan)
    made.perform("tap.update", "vm.g1", "nic.0", seen, made.one)
    assert made.changes_since(clean) == []


def test_after_a_flushed_ruleset_a_guest_keeps_its_address_in_what_is_seen(made: Any) -> None:
    # Otherwise a plan would take the rules for gone with the address, and reboot the guest to give it the same one again.
    made.on_host("nft flush ruleset")
    seen = made.part("vm.g1", "nic.0")
    assert (seen["address"], seen["mac"], seen["network"]) == ("10.42.0.2", "02:00:00:00:00:01", "lan")


def test_after_a_flushed_ruleset_a_new_tap_of_an_isolated_network_is_isolated_all_the_same(site: Any) -> None:
    site.network(isolated=True)
    one = site.guest(1)
    site.on_host("nft flush ruleset")
    two = site.guest(2)
    site.serve(two.namespace, "tcp", 80)
    assert site.is_refused(one.namespace, "10.42.0.3", 80)
