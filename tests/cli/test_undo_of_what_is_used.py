"""An `undo` of an older apply refuses to take away what something newer relies on, before it touches anything."""

import json

import pytest

LAN = """\
stack: shop
images: {d: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}}
networks: {lan: {cidr: 10.7.0.0/24}}
volumes: {data: {size: 1 GiB}}
"""
X = "  x: {image: d, memory: 1 GiB, networks: [lan]}\n"
Y = "  y: {image: d, memory: 1 GiB, networks: [lan], volumes: [data]}\n"


@pytest.fixture
def used_later(herocloud) -> None:
    """Make `vm.y` with a later apply, on the network, image and volume of the first one."""
    herocloud.write(f"{LAN}vms:\n{X}")
    herocloud.done("apply", "-y", "-q")
    herocloud.write(f"{LAN}vms:\n{X}{Y}")
    herocloud.done("apply", "-y", "-q")


@pytest.mark.usefixtures("used_later")
def test_undo_names_the_newer_user_and_the_way_out(herocloud) -> None:
    ran = herocloud("undo", "apply-1", "-y")
    assert ran.code == 1, ran.both
    assert "Something newer relies on it" in ran.both
    assert "`vm.y` of stack `shop` came after" in ran.both
    assert "undo the later apply first" in ran.both
    for address in ("network.lan", "image.d", "volume.data"):
        assert f"relies on `{address}`" in ran.both


@pytest.mark.usefixtures("used_later")
def test_the_refused_undo_has_touched_nothing(herocloud) -> None:
    before = herocloud.done("state", "list").out
    herocloud("undo", "apply-1", "-y")
    assert herocloud.done("state", "list").out == before
    document = json.loads(herocloud.done("plan", "--json").out)
    assert [change for change in document["resource_changes"] if change["change"]["actions"] != ["no-op"]] == []


@pytest.mark.usefixtures("used_later")
def test_it_can_be_undone_once_the_newer_user_is_gone(herocloud) -> None:
    herocloud.done("undo", "apply-2", "-y")
    herocloud.done("undo", "apply-1", "-y")
    assert "vm." not in herocloud.done("state", "list").out


def test_a_network_that_would_get_its_old_name_back_is_used_as_well(herocloud) -> None:
    herocloud.write(f"{LAN}vms:\n{X}")
    herocloud.done("apply", "-y", "-q")
    renamed = LAN.replace("lan:", "net:") + "moved: [{from: network.lan, to: network.net}]\n"
    herocloud.write(f"{renamed}vms:\n{X.replace('[lan]', '[net]')}")
    herocloud.done("apply", "-y", "-q")
    herocloud.write(f"{renamed}vms:\n{X.replace('[lan]', '[net]')}{Y.replace('[lan]', '[net]')}")
    herocloud.done("apply", "-y", "-q")
    ran = herocloud("undo", "apply-2", "-y")
    assert ran.code == 1, ran.both
    assert "relies on `network.net`" in ran.both
