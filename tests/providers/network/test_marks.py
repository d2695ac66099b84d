"""What our mark says reads back, and nobody else's alias is taken for one."""

import pytest

from herocloud.providers.network import marks
from herocloud.providers.network.marks import Mark, Port, Purpose

MARK = Mark("5d41402abc4b2a76b9719d911017c592", "shop", "vm.web[2]", "nic.0")


@pytest.mark.parametrize(
    "purpose",
    [
        Purpose("02:00:00:00:00:01", "10.42.0.2", "lan"),
        Purpose("02:00:00:00:00:01", "45a:1:2:3:ff0f::1", "mycelium"),
        Purpose("02:00:00:00:00:01", None, "lan"),
        Purpose("02:00:00:00:00:01", None, None),
    ],
)
def test_a_tap_tells_whose_it_is_and_what_for(purpose: Purpose) -> None:
    alias = marks.write_mark(MARK, purpose)
    assert (marks.read_mark(alias), marks.read_purpose(alias)) == (MARK, purpose)


@pytest.mark.parametrize("port", [Port(), Port(isolated=True), Port(hairpin=True)])
def test_a_bridge_tells_how_it_treats_its_ports(port: Port) -> None:
    mark = MARK._replace(address="network.lan", part="network")
    alias = marks.write_mark(mark, port)
    assert (marks.read_mark(alias), marks.read_port(alias), marks.read_purpose(alias)) == (mark, port, None)


def test_the_longest_names_fit_into_what_the_kernel_keeps() -> None:
    longest = MARK._replace(stack="s" * 63, address=f"vm.{'v' * 63}[9999]", part="nic.15")
    for address, network in (("255.255.255.255", "n" * 63), ("45a:1234:1234:1234:ff0f:1234:1234:1234", "mycelium")):
        alias = marks.write_mark(longest, Purpose("02:00:00:00:00:01", address, network))
        assert len(alias) <= 255
        read = marks.read_purpose(alias)
        assert (marks.read_mark(alias), read and read.address) == (longest, address)
    assert len(marks.comment_of(longest)) == 127


@pytest.mark.parametrize("alias", ["", "uplink", "herocloud", "herocloud:a:b:c", "someone:a:b:vm.c:nic.0", "a herocloud:a:b:vm.c:nic.0"])
def test_an_alias_of_somebody_else_is_no_mark(alias: str) -> None:
    assert marks.read_mark(alias) is None


@pytest.mark.parametrize(
    ("tap", "detour"), [("hc-v1-0", "hi-v1-0"), ("hc-vzzzzz-15", "hi-vzzzzz-15"), ("a-tap-with-name", "hi-a-tap-with-n")]
)
def test_the_device_of_an_upload_has_the_name_of_its_tap(tap: str, detour: str) -> None:
    assert marks.upload_device(tap) == detour
    assert len(detour) <= marks.LONGEST_NAME


def test_macs_of_the_host_are_local_stable_and_never_a_vms() -> None:
    mac = marks.own_mac("one", "hb-lan")
    assert mac == marks.own_mac("one", "hb-lan")
    assert len({mac, marks.own_mac("two", "hb-lan"), marks.own_mac("one", "hb-dmz")}) == 3
    assert mac.startswith("06:")


@pytest.mark.parametrize(("mac", "address"), [("02:00:00:00:00:01", "fe80::ff:fe00:1"), ("52:54:00:12:34:56", "fe80::5054:ff:fe12:3456")])
def test_a_link_local_address_follows_from_the_mac(mac: str, address: str) -> None:
    assert marks.link_local(mac) == address
