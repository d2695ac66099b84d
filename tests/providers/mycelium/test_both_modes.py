"""Stacks of both modes on one host, which come and go in every order: one node with one key, and nothing left of whoever has gone."""

import itertools
import json
import os
import signal
from typing import Any

import daemons
import hosts
import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

BRIDGE = "hb-mycelium"


def _parts(host: Any) -> dict[str, dict[str, Any]]:
    """Return the parts of two stacks in the /64 of the host's node and of one with a network."""
    subnet = host.key()
    network = hosts.node(host.key("shop"), mode="network", key={"name": "shop"})
    return {"one": hosts.node(subnet), "two": hosts.node(subnet), "shop": network}


def _uplinks(host: Any, forwarding: str) -> None:
    """Give a host an interface that listens for routers and one that does not."""
    for name, value in (("up0", 1), ("up1", 0)):
        host.on_host(f"ip link add {name} type veth peer name {name}-far")
        host.on_host(f"ip link set {name} up")
        host.on_host(f"sysctl -q -w net.ipv6.conf.{name}.accept_ra={value}")
    host.on_host(f"sysctl -q -w net.ipv6.conf.all.forwarding={forwarding}")


def _setting(host: Any, name: str) -> str:
    return str(host.on_host(f"sysctl -n net.ipv6.conf.{name}").strip())


def _bridges(host: Any) -> list[str]:
    return [line.split()[1].rstrip(":") for line in host.on_host("ip -o link").splitlines() if ": hb-my" in line]


def _pid(host: Any) -> int:
    return int((host.folder / "mycelium/node/process").read_text().splitlines()[3].split()[0])


def _settled(host: Any) -> dict[str, Any]:
    """Return a dump in which no address is still being tried."""
    daemons.wait_until(lambda: "tentative" not in host.on_host("ip -6 address"), 15)
    return dict(host.dump())


def _shown(host: Any) -> str:
    """Return the command of the node of the host, without its keeper's."""
    (command,) = [words for words in host.processes() if "--tun-name mycelium" in words and "herocloud-keeper" not in words]
    return str(command)


@pytest.mark.parametrize("forwarding", ["0", "1"])
def test_what_stacks_of_both_modes_needed_goes_with_the_last_that_needs_it(host: Any, forwarding: str) -> None:
    if host.kind == "live" and forwarding == "1":
        pytest.skip("nothing differs for the daemon")
    parts = _parts(host)
    _uplinks(host, forwarding)
    before = host.dump()
    orders = list(itertools.permutations(parts))
    for number, order in enumerate(orders if host.kind == "standin" else orders[::3]):
        for stack in (*order[number % 3 :], *order[: number % 3]):
            host.enable(parts[stack], stack=stack)
        # A host that forwarded before ignored these routers before.
        assert _setting(host, "up0.accept_ra") == {"0": "2", "1": "1"}[forwarding]
        assert _setting(host, "up1.accept_ra") == "0"
        for gone, stack in enumerate(order, 1):
            host.disable(parts[stack], stack=stack)
            rest = order[gone:]
            assert host.things(stack) == {}
            assert (BRIDGE in _bridges(host)) == bool({"one", "two"} & {*rest}), f"{order} after {stack}"
            assert len(_bridges(host)) == len({parts[one]["mode"] for one in rest}), f"{order} after {stack}"
            for other in rest:
                assert host.things(other)["mycelium.node"]["overlay"] == parts[other], f"{order} after {stack}"
        assert host.changes_since(before) == [], order
        assert host.processes() == []


def test_an_uplink_that_came_while_the_host_forwarded_for_us_is_put_back_too(host: Any) -> None:
    parts = _parts(host)
    _uplinks(host, "0")
    host.enable(parts["one"], stack="one")
    host.on_host("ip link add late0 type veth peer name late1")
    host.on_host("sysctl -q -w net.ipv6.conf.late0.accept_ra=1")
    host.enable(parts["two"], stack="two")
    assert _setting(host, "late0.accept_ra") == "2"
    host.disable(parts["one"], stack="one")
    host.disable(parts["two"], stack="two")
    assert [_setting(host, f"{name}.accept_ra") for name in ("up0", "up1", "late0")] == ["1", "0", "1"]
    assert _setting(host, "all.forwarding") == "0"


@pytest.mark.parametrize("first", ["one", "shop"])
def test_a_second_key_for_the_node_of_the_host_is_refused_and_does_not_restart_it(host: Any, first: str) -> None:
    parts = _parts(host)
    host.key("other")
    file = host.folder / "mycelium/keys/other.key"
    parts["one"] = hosts.node(host.order({"verb": "subnet", "name": "other"}), key={"file": str(file)})
    second = "shop" if first == "one" else "one"
    before = host.dump()
    host.enable(parts[first], stack=first)
    pid, seen = _pid(host), _settled(host)
    with pytest.raises(hosts.Refusal, match=f"Conflict: .*with another key: stack `{first}` relies on"):
        host.enable(parts[second], stack=second)
    assert _pid(host) == pid
    host.undo("overlay.enable", "mycelium.node", "overlay", None, parts[second], stack=second)
    assert host.changes_since(seen) == []
    assert host.things(first)["mycelium.node"]["overlay"] == parts[first]
    host.disable(parts[first], stack=first)
    assert host.changes_since(before) == []


def test_a_network_without_addresses_has_the_node_of_the_host_run_with_the_key_of_the_host(host: Any) -> None:
    parts = _parts(host)
    host.key("other")
    before = host.dump()
    bare = hosts.node(None, mode="network", key={"name": "shop"})
    host.enable(bare)
    assert "/host.key" in _shown(host)
    other = host.order({"verb": "subnet", "name": "other"})
    with pytest.raises(hosts.Refusal, match="with another key: stack `shop` relies on"):
        host.enable(hosts.node(other, key={"name": "other"}), stack="one")
    host.undo("overlay.enable", "mycelium.node", "overlay", None, hosts.node(other, key={"name": "other"}), stack="one")
    host.enable(parts["one"], stack="one")
    host.disable(bare)
    host.disable(parts["one"], stack="one")
    assert host.changes_since(before) == []
    assert host.processes() == []


def test_a_key_file_beside_a_network_is_an_error_of_the_plan(host: Any) -> None:
    host.key()
    host.key("shop")
    host.key("other")
    before = host.dump()
    host.become_whole()
    (host.folder / "stack.yaml").write_text("stack: shop\nmycelium: {mode: network}\n")
    host.herocloud("apply", "-y")
    pid, seen = _pid(host), _settled(host)
    text = f'stack: first\nmycelium: {{key: {{file: "{host.folder}/mycelium/keys/other.key"}}}}\n'
    (host.folder / "first.yaml").write_text(text)
    said = host.herocloud("apply", "-y", "-f", "first.yaml", code=1)
    assert "A host has one overlay node" in said
    assert "the network of stack `shop` has the node of this host run with the key `host`" in said.replace("\n", " ")
    assert (_pid(host), host.changes_since(seen)) == (pid, [])
    host.herocloud("destroy", "-y")
    host.herocloud("apply", "-y", "-f", "first.yaml")
    said = host.herocloud("apply", "-y", code=1)
    assert "A host has one overlay node" in said
    host.herocloud("destroy", "-y", "-f", "first.yaml")
    assert host.changes_since(before) == []


def test_the_daemon_discovers_peers_where_the_stacks_that_are_left_want_it(host: Any) -> None:
    parts = _parts(host)
    wanted = {"one": ["lan0"], "two": ["lan0", "lan2"], "shop": []}
    for name in ("lan0", "lan2"):
        host.on_host(f"ip link add {name} type veth peer name {name}-far")
    before = host.dump()
    for stack, interfaces in wanted.items():
        parts[stack]["interfaces"] = interfaces
        host.enable(parts[stack], stack=stack)
    assert _discovered(host) == ["lan0", "lan2"]
    host.add_peer("tcp://192.0.2.7:9651", stack="one")
    pid = _pid(host)
    host.disable(parts["two"], stack="two")
    assert _discovered(host) == ["lan0"]
    assert _pid(host) != pid
    for stack in ("one", "shop"):
        assert host.things(stack)["mycelium.node"]["overlay"] == parts[stack]
    assert "192.0.2.7" in host.on_host("curl -s http://127.0.0.1:8989/api/v1/admin/peers"), "peers of others come back"
    pid = _pid(host)
    host.remove_peer("tcp://192.0.2.7:9651", stack="one")
    host.disable(parts["one"], stack="one")
    assert _discovered(host) == []
    assert "--disable-peer-discovery" in _shown(host)
    pid = _pid(host)
    host.disable(parts["shop"])
    assert host.changes_since(before) == []
    assert host.processes() == []
    assert pid


def _discovered(host: Any) -> list[str]:
    words = _shown(host).split()
    return [words[at + 1] for at, word in enumerate(words) if word == "--peer-discovery-interface"]


@pytest.mark.parametrize("mode", ["host", "network"])
def test_who_adopts_takes_the_daemon_that_herocloud_runs_for_another_stack(host: Any, mode: str) -> None:
    parts = _parts(host)
    first = {**parts["one"], "daemon": "manage"}
    wanted = {**parts["two" if mode == "host" else "shop"], "daemon": "adopt"}
    before = host.dump()
    with pytest.raises(hosts.Refusal, match="no overlay daemon answers"):
        host.enable(wanted)
    host.undo("overlay.enable", "mycelium.node", "overlay", None, wanted)
    host.enable(first, stack="one")
    pid = _pid(host)
    host.enable(wanted)
    assert _pid(host) == pid
    assert host.things()["mycelium.node"]["overlay"] == wanted
    host.disable(first, stack="one")
    assert _pid(host) == pid, "it stays for the one that adopted it"
    assert host.things()["mycelium.node"]["overlay"] == wanted
    host.disable(wanted)
    assert host.changes_since(before) == []
    assert host.processes() == []


def test_after_a_reboot_the_one_that_adopts_may_be_brought_back_first(host: Any) -> None:
    parts = _parts(host)
    wanted = {**parts["two"], "daemon": "adopt"}
    host.enable(parts["one"], stack="one")
    host.enable(wanted, stack="two")
    port = json.loads((host.folder / "mycelium/node/settings.json").read_text())["api"]
    for name in ("herocloud-keeper", "--tun-name"):
        for pid in host.on_host(f"ip netns pids {host.name}").split():
            if name in host.within(host.name, "cat", f"/proc/{pid}/cmdline", check=False):
                os.kill(int(pid), signal.SIGKILL)
    daemons.wait_until(lambda: host.processes() == [], 30)
    host.perform("overlay.enable", "mycelium.node", "overlay", wanted, wanted, stack="two")
    assert f"127.0.0.1:{port}" in _shown(host)
    host.disable(wanted, stack="two")
    host.disable(parts["one"], stack="one")
    assert host.processes() == []


def test_a_stack_whose_vms_have_daemons_of_their_own_keeps_no_node(host: Any) -> None:
    parts = _parts(host)
    before = host.dump()
    guests = hosts.node(None, mode="guest", addresses=True)
    host.enable(parts["one"], stack="one")
    host.enable(guests, stack="two")
    host.disable(parts["one"], stack="one")
    assert host.changes_since(before) == []
    assert host.processes() == []
    host.disable(guests, stack="two")
