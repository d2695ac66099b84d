"""A key that was replaced: the daemon is started again with it, and the bridge gets the new gateway while VMs are connected to it."""

from typing import Any

import daemons
import hosts
import pytest

pytestmark = [pytest.mark.root, pytest.mark.timeout(240)]


@pytest.mark.parametrize("mode", ["host", "network"])
def test_a_new_key_moves_everything_in_place_and_leaves_nothing_of_the_old_one(host: Any, mode: str) -> None:
    before = host.dump()
    name = "host" if mode == "host" else "shop"
    host.key("host")
    if mode == "network":
        host.key("shop")
    old = host.order({"verb": "subnet", "name": name})
    part = hosts.node(old, mode=mode, key={"name": name})
    host.enable(part)
    guest = host.guest(1, old, open=["80/tcp"])
    # With a connected VM, the bridge cannot go away and come back.
    path = host.folder / f"mycelium/keys/{name}.key"
    path.write_bytes(bytes(range(32)))
    new = host.order({"verb": "subnet", "name": name})
    wanted = {**part, "subnet": new}
    assert host.things()["mycelium.node"]["overlay"] == part, "nothing happens by itself"
    host.perform("overlay.enable", "mycelium.node", "overlay", part, wanted)
    assert host.things()["mycelium.node"]["overlay"] == wanted
    assert host.probe("overlay.enable", "mycelium.node", "overlay", part, wanted)[0] == "DONE"
    prefix = old.removesuffix("::/64")
    assert prefix not in host.on_host("ip -6 route show table all").replace(f"{prefix}:ff0f", "")
    assert f"{prefix}::1" not in host.on_host("ip -6 address")
    assert len([words for words in host.processes() if "tun-name mycelium" in words]) == 1
    card = host.guest(2, new, open=["80/tcp"])
    other = host.guest(3, new)
    host.serve(card.namespace, "tcp", 80)
    daemons.wait_until(lambda: host.call(other.namespace, card.nic["address"], 80, patience=5) == other.nic["address"])
    for one in (guest, card, other):
        host.drop_guest(one)
    host.disable(wanted)
    assert host.changes_since(before) == []
    assert host.processes() == []
