"""Nothing is made from, hung on, or taken away under something else against the laws of a host."""

from typing import Any

import pytest

from herocloud.model.errors import Conflict, Permanent
from herocloud.providers.simulator import world

PORT = {"host_port": 8080, "protocol": "tcp", "vm": "web", "port": 80, "address": "10.42.0.2"}


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ("disk", "disk of shop/vm.web does not exist"),
        ("seed", "seed of shop/vm.web does not exist"),
        ("nic.0", "nic.0 of shop/vm.web does not exist"),
    ],
)
def test_a_machine_needs_its_parts_when_it_is_made(bench: Any, shapes: Any, part: str, says: str) -> None:
    bench.image()
    bench.network()
    parts = shapes.vm_parts(1)
    for kind, name in (("disk.create", "disk"), ("seed.write", "seed"), ("tap.create", "nic.0")):
        if name != part:
            bench.perform(kind, "vm.web", name, None, parts[name])
    with pytest.raises(Permanent, match=says):
        bench.perform("vm.create", "vm.web", "machine", None, parts["machine"])
    assert bench.part("vm.web", "machine") is None


@pytest.mark.parametrize("part", ["disk", "seed", "nic.0"])
def test_a_machine_whose_part_is_gone_does_not_boot(bench: Any, part: str) -> None:
    bench.vm(boot=False)
    world.remove_part(bench.folder, "vm.web", part)
    with pytest.raises(Permanent, match=f"{part} of shop/vm.web does not exist"):
        bench.power("vm.boot", "vm.web", "running")
    assert bench.part("vm.web", "power") == "stopped"


@pytest.mark.parametrize("gone", ["network.lan", "volume.data"])
def test_a_machine_whose_network_or_volume_is_gone_does_not_boot(bench: Any, gone: str) -> None:
    bench.volume()
    bench.vm(boot=False, volumes=[{"volume": "data", "readonly": False}])
    world.remove_thing(bench.folder, gone)
    with pytest.raises(Permanent, match=r"does not exist, and `vm.web` needs it"):
        bench.power("vm.boot", "vm.web", "running")


def test_a_disk_needs_its_image(bench: Any, shapes: Any) -> None:
    with pytest.raises(Permanent, match="image shop/debian does not exist"):
        bench.perform("disk.create", "vm.web", "disk", None, shapes.vm_parts(1)["disk"])


def test_a_machine_that_boots_a_kernel_needs_its_image(bench: Any, shapes: Any) -> None:
    machine = shapes.machine(root=None, seed=None, nics=[], payload={"kernel": "/boot/vmlinuz", "initramfs": None, "cmdline": None})
    with pytest.raises(Permanent, match="image shop/tiny does not exist"):
        bench.perform("vm.create", "vm.tiny", "machine", None, machine, spec={"image": "tiny"})
    bench.image("tiny")
    assert bench.perform("vm.create", "vm.tiny", "machine", None, machine, spec={"image": "tiny"}) == machine


def test_a_tap_needs_its_network(bench: Any, shapes: Any) -> None:
    with pytest.raises(Permanent, match="network shop/lan does not exist"):
        bench.perform("tap.create", "vm.web", "nic.0", None, shapes.vm_parts(1)["nic.0"])


def test_a_tap_of_the_overlay_and_a_peer_need_the_node(bench: Any, shapes: Any) -> None:
    nic = {**shapes.vm_parts(1)["nic.0"], "network": "mycelium", "address": "45a::1"}
    peer = {"endpoint": "tcp://192.0.2.1:9651"}
    with pytest.raises(Permanent, match="overlay shop does not exist"):
        bench.perform("tap.create", "vm.web", "nic.0", None, nic)
    with pytest.raises(Permanent, match="overlay shop does not exist"):
        bench.perform("peer.add", "peer.tcp://192.0.2.1:9651", "peer", None, peer)
    bench.perform("overlay.enable", "mycelium.node", "overlay", None, {"addresses": True, "subnet": "45a::/64"})
    assert bench.perform("tap.create", "vm.web", "nic.0", None, nic) == nic
    assert bench.perform("peer.add", "peer.tcp://192.0.2.1:9651", "peer", None, peer) == peer


@pytest.mark.parametrize(("part", "kind"), [("disk", "disk.delete"), ("seed", "seed.delete"), ("nic.0", "tap.delete")])
def test_what_a_machine_holds_is_not_taken_away(bench: Any, part: str, kind: str) -> None:
    parts = bench.vm(boot=False)
    with pytest.raises(Conflict, match=r"Device or resource busy.*in use by `vm.web`"):
        bench.perform(kind, "vm.web", part, parts[part], None)
    assert bench.part("vm.web", part) == parts[part]


def test_a_volume_in_use_is_not_deleted(bench: Any, shapes: Any) -> None:
    bench.volume()
    bench.vm(volumes=[{"volume": "data", "readonly": True}])
    with pytest.raises(Conflict, match=r"volume shop/data is in use by `vm.web`"):
        bench.perform("volume.delete", "volume.data", "volume", shapes.volume(), None)


def test_a_network_with_taps_is_not_deleted(bench: Any) -> None:
    bench.vm()
    with pytest.raises(Conflict, match=r"network shop/lan is in use by `vm.web`"):
        bench.perform("network.delete", "network.lan", "network", bench.part("network.lan", "network"), None)


def test_an_overlay_with_peers_is_not_disabled(bench: Any) -> None:
    node = {"addresses": True, "subnet": "45a::/64"}
    bench.perform("overlay.enable", "mycelium.node", "overlay", None, node)
    bench.perform("peer.add", "peer.tcp://192.0.2.1:9651", "peer", None, {"endpoint": "tcp://192.0.2.1:9651"})
    with pytest.raises(Conflict, match=r"in use by `peer.tcp://192.0.2.1:9651`"):
        bench.perform("overlay.disable", "mycelium.node", "overlay", node, None)


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("mac", "MAC address 52:54:00:00:00:01 is taken"),
        ("address", "address 10.42.0.2 in network shop/lan is taken"),
        ("tap", "tap ht1-0 is taken"),
    ],
)
def test_a_name_or_address_is_given_out_once(bench: Any, shapes: Any, field: str, says: str) -> None:
    taken = bench.vm()["nic.0"]
    with pytest.raises(Conflict, match=f"{says} by `vm.web` of stack `shop`"):
        bench.perform("tap.create", "vm.other", "nic.0", None, {**shapes.vm_parts(2)["nic.0"], field: taken[field]})
    assert bench.thing("vm.other") is None


def test_a_bridge_is_made_once(bench: Any) -> None:
    bench.network()
    with pytest.raises(Conflict, match=r"bridge hb-lan is taken by `network.lan`"):
        bench.perform("network.create", "network.dmz", "network", None, {"cidr": "10.43.0.0/24", "bridge": "hb-lan"})


def test_a_volume_has_one_writer(bench: Any, shapes: Any) -> None:
    bench.volume()
    bench.vm("vm.a", volumes=[{"volume": "data", "readonly": False}])
    with pytest.raises(Conflict, match=r'Failed to get "write" lock: volume shop/data is attached read-write to `vm.a`'):
        bench.vm("vm.b", volumes=[{"volume": "data", "readonly": False}])
    bench.vm("vm.c", volumes=[{"volume": "data", "readonly": True}])
    bench.change("vm.detach", "vm.a", "machine", volumes=[])
    bench.change("vm.attach", "vm.c", "machine", volumes=[{"volume": "data", "readonly": False}])
    assert bench.part("vm.c", "machine")["volumes"] == [{"volume": "data", "readonly": False}]


TAKEN = {
    "the range": ({"cidr": "10.42.0.0/24"}, "this host has 10.42.0.0/24 on `network.lan` of stack `shop`"),
    "a part of the range": ({"cidr": "10.42.0.128/25"}, "this host has 10.42.0.0/24 on `network.lan` of stack `shop`"),
    "the port": ({"cidr": "10.43.0.0/24", "forward": [PORT]}, "port 8080/tcp of this host is published by `network.lan`"),
}


@pytest.mark.parametrize(("wanted", "says"), TAKEN.values(), ids=TAKEN)
def test_no_network_gets_what_another_one_has(bench: Any, wanted: dict[str, Any], says: str) -> None:
    bench.network()
    bench.change("network.update", "network.lan", "network", forward=[PORT])
    other = {**bench.part("network.lan", "network"), "bridge": "hb-front", "forward": [], **wanted}
    with pytest.raises((Conflict, Permanent), match=says):
        bench.perform("network.create", "network.front", "network", None, other)
    bench.perform("network.create", "network.front", "network", None, {**other, "cidr": "10.44.0.0/24", "forward": []})
    with pytest.raises((Conflict, Permanent), match=says):
        bench.change("network.update", "network.front", "network", **wanted)
    world.remove_part(bench.folder, "network.lan", "network")
    bench.change("network.update", "network.front", "network", **wanted)


def test_a_network_that_is_taken_back_gets_no_range_that_another_one_has_by_now(bench: Any) -> None:
    bench.network()
    before = bench.part("network.lan", "network")
    bench.perform("network.delete", "network.lan", "network", before, None)
    bench.perform("network.create", "network.front", "network", None, {**before, "bridge": "hb-front"})
    with pytest.raises(Permanent, match=r"this host has 10\.42\.0\.0/24 on `network\.front`"):
        bench.undo("network.delete", "network.lan", "network", before, None)
    assert bench.thing("network.lan") is None
