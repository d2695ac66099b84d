"""`--target` and `--exclude` never part a VM from the volume or network that it uses: both are in the plan, or neither."""

import json
from typing import Any

import pytest

STACK = """\
stack: shop
images: {{debian: {{source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}}}
networks: {{{network}: {{cidr: {cidr}}}, dmz: {{cidr: 10.43.0.0/24}}}}
volumes: {{{volume}: {{size: 1 GiB}}}}
vms:
  db: {{image: debian, memory: 1 GiB, networks: [{network}], volumes: [{volume}]}}
  web: {{count: 2, image: debian, memory: 1 GiB, networks: [dmz]}}
"""
OLD = STACK.format(network="lan", volume="data", cidr="10.41.0.0/24")
RENAMED = STACK.format(network="net", volume="log", cidr="10.41.0.0/24") + (
    "moved: [{from: volume.data, to: volume.log}, {from: network.lan, to: network.net}]\n"
)
READDRESSED = STACK.format(network="lan", volume="data", cidr="10.45.0.0/24")
WITHOUT = """\
stack: shop
images: {debian: {source: "https://example.org/debian.qcow2", unpinned: true, format: qcow2}}
networks: {dmz: {cidr: 10.43.0.0/24}}
vms:
  db: {image: debian, memory: 1 GiB}
  web: {count: 2, image: debian, memory: 1 GiB, networks: [dmz]}
"""


@pytest.fixture
def shop(herocloud: Any) -> Any:
    """Apply a stack with a VM on a volume and a network, and two on another network."""
    herocloud.write(OLD)
    herocloud.done("apply", "-y", "-q")
    return herocloud


def _changed(herocloud: Any, *words: str) -> set[str]:
    document = json.loads(herocloud.done("plan", "--json", *words).out)
    return {one["address"] for one in document["resource_changes"] if one["action"] != "no-op"}


@pytest.mark.parametrize(
    ("file", "target"),
    [
        (RENAMED, "volume.log"),
        (RENAMED, "network.net"),
        (WITHOUT, "volume.data"),
        (WITHOUT, "network.lan"),
        (READDRESSED, "network.lan"),
    ],
)
def test_a_target_takes_its_users_along(shop, file, target) -> None:
    shop.write(file)
    changed = _changed(shop, "--target", target)
    assert {target, "vm.db"} <= changed
    assert not {"vm.web[0]", "vm.web[1]"} & changed
    told = " ".join(shop("plan", "--target", target).err.split())
    assert f"What uses it comes along ({target})" in told
    assert "`vm.db` uses it: that is part of this plan too" in told
    shop.done("apply", "-y", "-q", "--target", target)
    shop.done("apply", "-y", "-q")
    assert "No changes." in shop.done("plan").out


@pytest.mark.parametrize(
    ("file", "address"),
    [(RENAMED, "volume.log"), (RENAMED, "network.net"), (WITHOUT, "volume.data"), (WITHOUT, "network.lan"), (READDRESSED, "network.lan")],
)
def test_what_an_excluded_vm_uses_stays_as_it_is(shop, file, address) -> None:
    shop.write(file)
    assert _changed(shop, "--exclude", "vm.db") == set()
    told = " ".join(shop("plan", "--exclude", "vm.db").err.split())
    assert f"It stays as it is ({address})" in told
    assert "`vm.db` uses it and is left out of this plan" in told
    assert _changed(shop, "--target", address, "--exclude", "vm.db") == set()


def test_a_change_that_does_not_concern_its_users_stays_alone(shop) -> None:
    shop.write(OLD.replace("memory: 1 GiB, networks: [lan]", "memory: 2 GiB, networks: [lan]").replace("size: 1 GiB", "size: 2 GiB"))
    assert _changed(shop, "--target", "volume.data") == {"volume.data"}
    assert _changed(shop, "--target", "network.lan") == set()


def test_a_node_that_goes_takes_the_vms_on_it_along(herocloud: Any) -> None:
    on_it = "mycelium: {}\n" + OLD.replace("networks: [lan]", "networks: [lan], mycelium: true")
    herocloud.write(on_it)
    herocloud.done("apply", "-y", "-q")
    herocloud.write(OLD)
    assert {"mycelium.node", "vm.db"} <= _changed(herocloud, "--target", "mycelium.node")
    herocloud.done("apply", "-y", "-q", "--target", "mycelium.node")
