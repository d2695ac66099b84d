"""A network with a node of its own in a namespace: guests are reached at its addresses, which move with the key to another host."""

import daemons
import hosts
import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


def _part(subnet):
    return hosts.node(subnet, mode="network", key={"name": "shop"})


def test_a_guest_of_a_network_is_reached_from_another_host_and_moves_with_its_key(make_host) -> None:
    one, other = make_host("a"), make_host("b")
    hosts.connect(one, other)
    before = [one.dump(), other.dump()]
    one.key()
    subnet = one.key("shop")
    far = other.key()
    part = _part(subnet)
    one.enable(part)
    one.add_peer("tcp://192.0.2.2:9651")
    other.enable(hosts.node(far))
    guest, caller = one.guest(1, subnet, open=["80/tcp"]), other.guest(2, far)
    near = one.guest(3, subnet)
    one.serve(guest.namespace, "tcp", 80)
    one.serve(guest.namespace, "tcp", 22)

    def call() -> str:
        return one.call(caller.namespace, guest.nic["address"], 80, patience=5)

    daemons.wait_until(lambda: call() == caller.nic["address"], 60)
    assert one.is_silent(caller.namespace, guest.nic["address"], 22)
    assert one.call(near.namespace, guest.nic["address"], 80) == near.nic["address"], "its neighbor goes by way of the host"
    assert one.things()["mycelium.node"]["overlay"] == part
    assert one.probe("overlay.enable", "mycelium.node", "overlay", None, part)[0] == "DONE"

    for card in (guest, near):
        one.drop_guest(card)
    one.remove_peer("tcp://192.0.2.2:9651")
    one.disable(part)
    assert one.changes_since(before[0]) == []
    assert one.processes() == []

    # The key goes to the other host, and with it the address.
    (other.folder / "mycelium/keys/shop.key").write_bytes((one.folder / "mycelium/keys/shop.key").read_bytes())
    (other.folder / "mycelium/keys/shop.key").chmod(0o600)
    other.drop_guest(caller)
    other.disable(hosts.node(far))
    other.enable(part)
    moved = other.guest(1, subnet, open=["80/tcp"])
    assert moved.nic["address"] == guest.nic["address"]
    other.drop_guest(moved)
    other.disable(part)
    assert other.changes_since(before[1]) == []


def test_a_daemon_of_a_network_that_dies_comes_back_by_itself(make_host) -> None:
    import signal

    host = make_host("a")
    host.key()
    part = _part(host.key("shop"))
    host.enable(part)
    pid = int((host.folder / "mycelium/networks/shop/process").read_text().splitlines()[3].split()[0])
    import os

    os.kill(pid, signal.SIGKILL)
    daemons.wait_until(lambda: host.things()["mycelium.node"]["overlay"] == part, 60)
    host.disable(part)
    assert host.processes() == []


@pytest.mark.parametrize("damage", ["netns", "cable", "rule", "bridge"])
def test_what_somebody_took_away_is_seen_and_mended(make_host, damage) -> None:
    host = make_host("a")
    host.key()
    part = _part(host.key("shop"))
    before = host.dump()
    host.enable(part)
    bridge = next(line.split()[1].rstrip(":") for line in host.on_host("ip -o link").splitlines() if "hb-my-" in line)
    namespace = f"herocloud-{bridge.removeprefix('hb-my-')}"
    match damage:
        case "netns":
            for pid in host.on_host(f"ip netns pids {namespace}").split():
                host.on_host(f"kill -9 {pid}")
            host.on_host(f"ip netns delete {namespace}")
        case "cable":
            host.on_host(f"ip link del hv-{bridge.removeprefix('hb-my-')}")
        case "rule":
            host.on_host("ip -6 rule del priority 31000")
        case _:
            host.on_host(f"ip link del {bridge}")
    seen = host.things()["mycelium.node"]["overlay"]
    assert seen != part
    assert host.probe("overlay.enable", "mycelium.node", "overlay", seen, part)[0] == "NOT_STARTED"
    host.perform("overlay.enable", "mycelium.node", "overlay", seen, part)
    assert host.things()["mycelium.node"]["overlay"] == part
    host.disable(part)
    assert host.changes_since(before) == []
