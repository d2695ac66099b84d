"""Clear refusals: names and ranges that somebody else has, foreign marks, missing rights. Nothing of anybody else is touched."""

from typing import Any

import pytest

pytestmark = pytest.mark.root


def _refused(site: Any, shapes: Any, make: Any) -> str:
    before = site.dump()
    with pytest.raises(shapes.Refusal) as caught:
        make()
    assert site.changes_since(before) == []
    return str(caught.value)


@pytest.mark.parametrize("line", ["ip link add hb-lan type bridge", "ip link add hb-lan type veth peer name other"])
def test_an_interface_without_our_mark_is_never_touched(site: Any, shapes: Any, line: str) -> None:
    site.on_host(line)
    said = _refused(site, shapes, site.network)
    assert said == "Conflict: an interface `hb-lan` exists and carries no mark of herocloud, so it is left alone; rename or remove it"
    step = ("network.create", "network.lan", "network", None, shapes.network())
    assert site.probe(*step)[0] == "CONTRADICTED"
    _refused(site, shapes, lambda: site.undo(*step))


@pytest.mark.parametrize("name", ["hc-v1-0", "hi-v1-0"])
def test_the_name_of_a_tap_may_be_taken_too(site: Any, shapes: Any, name: str) -> None:
    site.network()
    site.on_host(f"ip link add {name} type veth peer name other")
    said = _refused(site, shapes, lambda: site.nic(1, rate={"download": None, "upload": 1000}))
    assert f"an interface `{name}` exists" in said


def test_a_tap_of_another_vm_and_a_network_of_another_state_are_named(site: Any, shapes: Any) -> None:
    site.network()
    site.nic(1)
    other = ("tap.create", "vm.other", "nic.0", None, shapes.nic(1))
    said = _refused(site, shapes, lambda: site.perform(*other))
    assert said == "Conflict: the interface `hc-v1-0` belongs to `vm.g1` of stack `shop`, part nic.0"
    mine = ("network.create", "network.lan", "network", None, shapes.network())
    said = _refused(site, shapes, lambda: site.perform(*mine, lineage="another"))
    assert "belongs to `network.lan` of stack `shop` of another state, 5d41402abc4b2a76b9719d911017c592" in said
    assert site.probe(*mine, lineage="another")[0] == "CONTRADICTED"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("ip address add 10.42.0.7/16 dev wire", "10.42.0.7/16 on `wire`"),
        ("ip address add 10.42.0.7/32 dev wire", "10.42.0.7/32 on `wire`"),
        ("ip route add 10.0.0.0/8 dev wire", "the route to 10.0.0.0/8 through `wire`"),
        ("ip route add 10.42.0.128/25 dev wire", "the route to 10.42.0.128/25 through `wire`"),
    ],
)
def test_a_range_that_the_host_has_is_refused_by_name(site: Any, shapes: Any, lines: str, said: str) -> None:
    site.on_host("ip link add wire type veth peer name other")
    site.on_host("ip link set wire up")
    site.on_host(lines)
    assert _refused(site, shapes, site.network) == (
        f"Permanent: `network.lan` wants 10.42.0.0/24, and this host has {said}; give the network another `cidr`"
    )


def test_a_range_of_another_network_is_refused_with_its_owner(site: Any, shapes: Any) -> None:
    site.network("dmz")
    assert "10.42.0.1/24 on `hb-dmz`, which is `network.dmz` of stack `shop`" in _refused(site, shapes, site.network)


def test_ways_out_are_no_claim_on_what_lies_in_them(site: Any) -> None:
    site.on_host("ip link add wire type veth peer name other")
    site.on_host("ip link set wire up")
    for route in ("default", "0.0.0.0/1", "128.0.0.0/1"):
        site.on_host(f"ip route add {route} dev wire")
    assert site.network() == site.part("network.lan", "network")


def test_a_port_that_another_network_publishes_is_refused(site: Any, shapes: Any) -> None:
    site.network(forward=[shapes.forward(8080, 1, 80)])
    fields = {"cidr": "10.43.0.0/24", "gateway": "10.43.0.1", "forward": [shapes.forward(8080, 2, 80, address="10.43.0.2")]}
    said = _refused(site, shapes, lambda: site.network("dmz", **fields))
    assert said == "Conflict: port 8080/tcp of this host is published by `network.lan` of stack `shop` already"
    site.network("dmz", **{**fields, "forward": [shapes.forward(8080, 2, 80, "udp", address="10.43.0.2")]})


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_port_is_not_taken_from_a_program_that_listens_on_it(site: Any, shapes: Any, protocol: str) -> None:
    site.serve(site.host, protocol, 8080)
    said = _refused(site, shapes, lambda: site.network(forward=[shapes.forward(8080, 1, 80, protocol)]))
    assert f"a program of this host listens on port 8080/{protocol}, which `network.lan` would take from it" in said
    site.network(forward=[shapes.forward(8080, 1, 80, "udp" if protocol == "tcp" else "tcp")])


def test_a_program_that_begins_to_listen_on_a_published_port_is_in_nobodys_way(site: Any, shapes: Any) -> None:
    part = site.network(forward=[shapes.forward(8080, 1, 80)])
    site.serve(site.host, "tcp", 8080)
    site.perform("network.update", "network.lan", "network", part, {**part, "isolated": True})
    assert site.part("network.lan", "network") == {**part, "isolated": True}


def test_a_published_port_needs_somewhere_to_lead(site: Any, shapes: Any) -> None:
    said = _refused(site, shapes, lambda: site.network(forward=[shapes.forward(8080, 1, 80, address=None)]))
    assert said == "Permanent: `network.lan` publishes port 8080/tcp for `vm.g1`, which has no address on it"


def test_a_nic_needs_its_network(site: Any, shapes: Any) -> None:
    assert _refused(site, shapes, lambda: site.nic(1)) == "Permanent: `network.lan` does not exist, and `vm.g1` hangs on it"


def test_a_name_that_no_interface_can_have_is_refused(site: Any, shapes: Any) -> None:
    site.network()
    assert "15 lower-case letters" in _refused(site, shapes, lambda: site.nic(1, tap="hc-v1234567890-0"))


PROGRAM = """
from pathlib import Path
from herocloud.model.errors import Permanent
from herocloud.model.steps import Step
from herocloud.providers.network import driving
from herocloud.providers.seam import Work
work = Work(Step("x", "network.lan", "network.create", "network", "network", None, {"bridge": "hb-lan"}), "s", {}, "l", "p")
for verb in ("perform", "probe", "undo"):
    try:
        getattr(driving.NetworkDriver(Path()), verb)(work)
    except Permanent as error:
        print(error)
"""


def test_without_the_capability_nothing_is_begun(site: Any) -> None:
    assert site.as_nobody(PROGRAM) == "networks need CAP_NET_ADMIN, which this process does not have; run it as root\n" * 3
