"""Traffic of guests after somebody changed the interface of a node: it flows again as soon as that is mended, also by a restart."""

from collections.abc import Callable
from typing import Any

import daemons
import hosts
import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]

ACTS = {
    ("host", "route"): "ip -6 route del 400::/7 dev mycelium",
    ("host", "down"): "ip link set mycelium down",
    ("host", "removed"): "ip link del mycelium",
    ("network", "down"): "nsenter --net=/proc/{pid}/ns/net ip link set my0 down",
    ("network", "removed"): "nsenter --net=/proc/{pid}/ns/net ip link del my0",
    ("network", "cable"): "nsenter --net=/proc/{pid}/ns/net ip link set host0 down",
}


@pytest.mark.parametrize(("mode", "act"), ACTS)
def test_guests_on_two_hosts_reach_each_other_again(make_host: Callable[..., Any], mode: str, act: str) -> None:
    one, other = make_host("a"), make_host("b")
    hosts.connect(one, other)
    own, far = one.key(), other.key()
    part = hosts.node(own) if mode == "host" else hosts.node(one.key("shop"), mode="network", key={"name": "shop"})
    one.enable(part)
    one.add_peer("tcp://192.0.2.2:9651")
    other.enable(hosts.node(far))
    guest, caller = one.guest(1, part["subnet"], open=["80/tcp"]), other.guest(2, far)
    one.serve(guest.namespace, "tcp", 80)

    def call() -> bool:
        return bool(one.call(caller.namespace, guest.nic["address"], 80, patience=5) == caller.nic["address"])

    daemons.wait_until(call, 60)
    record = one.folder / ("mycelium/node/process" if mode == "host" else "mycelium/networks/shop/process")
    one.on_host(ACTS[mode, act].format(pid=record.read_text().splitlines()[3].split()[0]))
    assert not call(), "it does not flow, and nobody said so"
    seen = one.things()["mycelium.node"]["overlay"]
    assert seen != part
    one.perform("overlay.enable", "mycelium.node", "overlay", seen, part)
    assert one.things()["mycelium.node"]["overlay"] == part
    daemons.wait_until(call, 90)
    for host, card in ((one, guest), (other, caller)):
        host.drop_guest(card)
    one.remove_peer("tcp://192.0.2.2:9651")
    one.disable(part)
    other.disable(hosts.node(far))
