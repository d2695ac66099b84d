"""The daemon of a host: adopted or run, restarted when its settings change, with the peers that stacks declare and no others."""

import json
from typing import Any

import daemons
import hosts
import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

MINE, THEIRS = "tcp://192.0.2.7:9651", "tcp://192.0.2.8:9651"


def _begin(host: Any, key: str = "host.key", *more: str) -> "daemons.Daemon":
    """Start a daemon as an operator would, on the usual ports."""
    words = daemons.command(host.kind, host.folder / "mycelium/keys" / key, daemons.Ports(), *more, tun="mycelium")
    daemon = daemons.Daemon(words, daemons.Ports(), host.folder.parent / f"operator-{key}.log", host.name, {})
    daemons.wait_until(lambda: "400::/7" in host.on_host("ip -6 route") and _peers(host) is not None)
    return daemon


def _peers(host: Any) -> list[str] | None:
    said = host.within(host.name, "curl", "-s", "http://127.0.0.1:8989/api/v1/admin/peers", check=False)
    return sorted(f"tcp://{one['endpoint']['addr']['socket']}" for one in json.loads(said)) if said else None


def test_one_that_runs_is_adopted_and_left_as_it_was(host) -> None:
    part = hosts.node(host.key())
    daemon = _begin(host, "host.key", "--peers", THEIRS)
    before = host.dump()
    host.enable(part)
    host.add_peer(MINE)
    host.add_peer(THEIRS)
    assert _peers(host) == [MINE, THEIRS]
    assert host.things()["mycelium.node"]["overlay"] == part
    host.remove_peer(MINE)
    host.remove_peer(THEIRS)
    assert _peers(host) == [THEIRS], "it was there before, and stays"
    host.disable(part)
    assert daemon.process.poll() is None
    assert host.changes_since(before) == []
    assert daemon.stop() == 0


def test_one_with_another_key_is_refused_with_both_subnets(host) -> None:
    subnet, other = host.key(), host.key("other")
    daemon = _begin(host, "other.key")
    with pytest.raises(hosts.Refusal, match=f"has another key: its subnet is {other}, and the plan's is {subnet}"):
        host.enable(hosts.node(subnet))
    daemon.stop()


@pytest.mark.parametrize(
    ("mode", "runs", "words"), [("adopt", False, "no overlay daemon answers on port 8989"), ("manage", True, "say `daemon: adopt`")]
)
def test_who_insists_on_one_way_does_not_get_the_other(host, mode, runs, words) -> None:
    part = hosts.node(host.key(), daemon=mode)
    daemon = _begin(host) if runs else None
    with pytest.raises(hosts.Refusal, match=words):
        host.enable(part)
    if daemon is not None:
        daemon.stop()


def test_peers_that_an_adopted_daemon_forgot_are_seen_and_brought_back(host) -> None:
    part = hosts.node(host.key())
    daemon = _begin(host)
    host.enable(part)
    host.add_peer(MINE)
    daemon.stop()
    assert host.things()["mycelium.node"]["overlay"]["node"] == "not running"
    assert host.things()[f"peer.{MINE}"]["peer"] == {"endpoint": MINE}, "nothing is known to be missing while nobody answers"
    daemon = _begin(host)
    seen = {"endpoint": MINE, "known": False}
    assert host.things()[f"peer.{MINE}"]["peer"] == seen
    host.perform("peer.add", f"peer.{MINE}", "peer", seen, {"endpoint": MINE})
    assert _peers(host) == [MINE]
    host.remove_peer(MINE)
    host.disable(part)
    daemon.stop()


def test_another_program_on_the_usual_port_is_not_taken_for_a_daemon(host) -> None:
    part = hosts.node(host.key())
    host.start(host.name, "-m", "http.server", "8989", "--bind", "127.0.0.1")
    daemons.wait_until(lambda: "404" in host.within(host.name, "curl", "-sI", "http://127.0.0.1:8989/none", check=False))
    host.enable(part)
    assert json.loads((host.folder / "mycelium/node/settings.json").read_text())["api"] == 8990
    assert host.things()["mycelium.node"]["overlay"] == part
    host.disable(part)


def test_ports_next_to_taken_ones_are_chosen(host) -> None:
    part = hosts.node(host.key())
    host.serve(host.name, "tcp", 8990)
    host.serve(host.name, "udp", 9651)
    host.enable(part)
    chosen = json.loads((host.folder / "mycelium/node/settings.json").read_text())
    assert chosen == {"port": 9652, "api": 8989, "rpc": 8991, "tun": "mycelium"}
    host.disable(part)


def test_other_interfaces_for_discovery_restart_it_and_nothing_else_does(host) -> None:
    part = hosts.node(host.key(), daemon="manage")
    host.on_host("ip link add lan0 type veth peer name lan1")
    host.enable(part)
    first = _pid(host)
    host.add_peer(MINE)
    host.perform("overlay.enable", "mycelium.node", "overlay", part, part)
    assert _pid(host) == first
    wanted = {**part, "interfaces": ["lan0"]}
    host.perform("overlay.enable", "mycelium.node", "overlay", part, wanted)
    assert _pid(host) != first
    assert any("--peer-discovery-interface lan0" in words for words in host.processes())
    assert _peers(host) == [MINE], "its peers are in its configuration"
    assert host.things()["mycelium.node"]["overlay"] == wanted
    host.remove_peer(MINE)
    host.disable(wanted)
    assert host.processes() == []


def test_two_stacks_share_one_node_and_the_last_takes_it_away(host) -> None:
    part = hosts.node(host.key())
    before = host.dump()
    host.enable(part)
    host.enable(part, stack="other")
    host.add_peer(MINE)
    host.add_peer(MINE, stack="other")
    host.remove_peer(MINE)
    assert _peers(host) == [MINE]
    host.disable(part)
    assert host.things() == {}
    assert host.things("other")["mycelium.node"]["overlay"] == part
    host.remove_peer(MINE, stack="other")
    assert _peers(host) == []
    host.disable(part, stack="other")
    assert host.changes_since(before) == []
    assert host.processes() == []


def test_a_bridge_that_vms_use_is_not_taken_away(host) -> None:
    subnet = host.key()
    part = hosts.node(subnet)
    host.enable(part)
    card = host.guest(1, subnet)
    with pytest.raises(hosts.Refusal, match="Conflict: the overlay is in use: `hc-v1-0`"):
        host.disable(part)
    host.drop_guest(card)
    host.disable(part)


def test_an_interface_that_listens_for_routers_goes_on_doing_so(host) -> None:
    part = hosts.node(host.key())
    host.on_host("ip link add up0 type veth peer name up1")
    host.on_host("sysctl -q -w net.ipv6.conf.up0.accept_ra=1")
    before = host.dump()
    host.enable(part)
    assert host.on_host("sysctl -n net.ipv6.conf.up0.accept_ra").strip() == "2"
    assert host.on_host("sysctl -n net.ipv6.conf.all.forwarding").strip() == "1"
    host.disable(part)
    assert host.changes_since(before) == []


@pytest.mark.parametrize("damage", ["ip link set hb-mycelium mtu 1500", "ip -6 route flush dev hb-mycelium proto kernel",
                                    "sysctl -q -w net.ipv6.conf.all.forwarding=0", "nft flush chain inet herocloud-overlay forward",
                                    "ip address add 400::9/64 dev hb-mycelium", "ip link del hb-mycelium",
                                    "sysctl -q -w net.ipv6.conf.hb-mycelium.disable_ipv6=1"])  # fmt: skip
def test_what_somebody_changed_is_drift_that_is_mended(host, damage) -> None:
    part = hosts.node(host.key())
    before = host.dump()
    host.enable(part)
    host.on_host(damage)
    seen = host.things()["mycelium.node"]["overlay"]
    assert seen != part
    host.perform("overlay.enable", "mycelium.node", "overlay", seen, part)
    assert host.things()["mycelium.node"]["overlay"] == part
    host.disable(part)
    assert host.changes_since(before) == []


def test_a_foreign_bridge_is_left_alone(host) -> None:
    host.on_host("ip link add hb-mycelium type bridge")
    with pytest.raises(hosts.Refusal, match="carries no mark of herocloud"):
        host.enable(hosts.node(host.key()))


def _pid(host: Any) -> int:
    return int((host.folder / "mycelium/node/process").read_text().splitlines()[3].split()[0])
