"""A guest on one host reaches a guest on another by the address that was planned, and only where that one is open."""

import hosts
import pytest

pytestmark = pytest.mark.root


@pytest.mark.timeout(180)
def test_guests_of_two_hosts_reach_each_other_and_nothing_is_left(make_host):
    one, other = make_host("a"), make_host("b")
    hosts.connect(one, other)
    before = [one.dump(), other.dump()]
    parts = []
    for each in (one, other):
        each.subnet = each.key()
        parts.append(hosts.node(each.subnet))
        each.enable(parts[-1])
    other.add_peer("tcp://192.0.2.1:9651")
    first, second = one.guest(1, one.subnet), other.guest(2, other.subnet, open=["80/tcp", "53/udp"])
    near = other.guest(3, other.subnet, open=["80/tcp"])
    for protocol, port in (("tcp", 80), ("udp", 53), ("tcp", 22)):
        other.serve(second.namespace, protocol, port)
    other.serve(near.namespace, "tcp", 80)
    one.serve(first.namespace, "tcp", 80)

    assert one.call(first.namespace, second.nic["address"], 80, patience=30) == first.nic["address"]
    assert one.call(first.namespace, second.nic["address"], 53, "udp") == first.nic["address"]
    assert one.is_silent(first.namespace, second.nic["address"], 22), "closed"
    assert other.is_silent(second.namespace, first.nic["address"], 80), "closed, although the other way is open"
    # Neighbors in one /64 go through the host, and are judged there too.
    assert other.call(second.namespace, near.nic["address"], 80) == second.nic["address"]
    assert other.is_silent(near.namespace, second.nic["address"], 22)
    things = other.things()
    assert things["mycelium.node"]["overlay"] == parts[1]
    assert things["peer.tcp://192.0.2.1:9651"]["peer"] == {"endpoint": "tcp://192.0.2.1:9651"}
    assert things["vm.g2"]["nic.0"] == second.nic

    one.drop_guest(first)
    other.drop_guest(second)
    other.drop_guest(near)
    other.remove_peer("tcp://192.0.2.1:9651")
    for each, part in zip((one, other), parts, strict=True):
        each.disable(part)
        assert each.things() == {}
    assert [one.changes_since(before[0]), other.changes_since(before[1])] == [[], []]
    assert [one.processes(), other.processes()] == [[], []]
    for each in (one, other):
        assert sorted(str(path.relative_to(each.folder)) for path in each.folder.rglob("*") if path.is_file()) == [
            "mycelium/keys/.lock",
            "mycelium/keys/host.key",
            "state.lineage",
        ], "the key stays: it is an identity"
