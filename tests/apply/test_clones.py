"""Clones on the simulator: the same data, and nothing else of the original."""

from typing import Any

import pytest

from herocloud.model.ids import StackName
from herocloud.plan import clones, snapshots
from herocloud.providers.simulator import world

IMPERATIVE = StackName("imperative")
STACK = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
networks:
  lan: {cidr: 10.42.0.0/24, nat: true, forward: [{host_port: 8080, vm: db, port: 80}]}
volumes:
  data: {size: 20 GiB}
  shared: {size: 5 GiB}
vms:
  db:
    {image: debian, networks: [lan], volumes: [data, {volume: shared, readonly: true}], memory: 2 GiB, hypervisor: simulator,
     protect: true, labels: {tier: data}}
"""


@pytest.fixture
def shop(site: Any) -> Any:
    site.apply(STACK)
    record = site.recorded().records["shop"]["vm.db"]
    taking = snapshots.Taking("one", 1_700_000_000)
    assert not site.run(snapshots.plan_taking([record], taking, site.recorded(), site.look(), site.host)).failed
    return site


def _plan(shop: Any, name: str = "copy", stack: str = "shop", address: str = "vm.db", **wanted: Any) -> Any:
    recorded, observed = shop.recorded(), shop.look()
    record = recorded.records[stack][address]
    part = observed.things[stack][address].parts["snapshot.one"]
    disks = {disk["disk"]: (disk["size"], snapshots.origin_of(record, "one", part, disk["disk"])) for disk in part["disks"]}
    original = clones.original_of(record, recorded.records[stack], disks)
    return clones.plan_copy(clones.Wanted(name, IMPERATIVE, "vm clone", **wanted), original, recorded, observed, shop.host)


def _records(shop: Any) -> Any:
    return shop.recorded().records["imperative"]


def test_a_clone_has_the_data_of_the_snapshot_and_not_of_now(shop) -> None:
    disk, volume = world.contents(shop.folder, "vm.db")["disk"], world.contents(shop.folder, "volume.data")["volume"]
    world.write(shop.folder, "vm.db")
    assert not shop.run(_plan(shop)).failed
    assert world.contents(shop.folder, "vm.copy")["disk"] == disk
    assert world.contents(shop.folder, "volume.copy-data")["volume"] == volume


def test_a_clone_shares_no_name_address_or_place_with_its_original(shop) -> None:
    shop.run(_plan(shop))
    old, new = shop.recorded().records["shop"]["vm.db"], _records(shop)["vm.copy"]
    nics = [record.spec["networks"][0] for record in (old, new)]
    assert {key for key in ("mac", "address", "tap") if nics[0][key] == nics[1][key]} == set()
    assert old.sid != new.sid
    assert old.parts["disk"]["path"] != new.parts["disk"]["path"]
    assert old.parts["seed"]["instance"] != new.parts["seed"]["instance"]
    assert (new.spec["hostname"], new.spec["labels"]) == ("copy", {"tier": "data"})
    assert not new.protect


def test_a_clone_of_another_stack_gets_a_network_with_a_range_of_its_own_and_no_ports(shop) -> None:
    shop.run(_plan(shop))
    network = _records(shop)["network.lan"].spec
    assert (network["cidr"], network["nat"], network["forward"]) == ("10.42.1.0/24", True, [])


def test_a_clone_of_a_clone_joins_the_network_of_its_original(shop) -> None:
    shop.run(_plan(shop))
    record = _records(shop)["vm.copy"]
    shop.run(snapshots.plan_taking([record], snapshots.Taking("one", 1), shop.recorded(), shop.look(), shop.host))
    plan = _plan(shop, "again", "imperative", "vm.copy")
    assert {change.address for change in plan.changing} == {"volume.again-copy-data", "vm.again"}
    assert not shop.run(plan).failed


def test_nothing_of_the_original_is_touched(shop) -> None:
    before = shop.recorded().records["shop"]
    assert {step.address for step in _plan(shop).steps} == {"image.debian", "network.lan", "volume.copy-data", "vm.copy"}
    shop.run(_plan(shop))
    assert shop.recorded().records["shop"] == before
    assert shop.changes(STACK) == []


def test_what_a_clone_does_not_get_is_said(shop) -> None:
    assert [found.code for found in _plan(shop).diagnostics if "shared" in found.detail] == ["clone-without"]


@pytest.mark.parametrize(("name", "code"), [("Copy", "bad-name"), ("../x", "bad-name"), ("copy", "name-taken")])
def test_a_name_that_cannot_be_is_refused(shop, name, code) -> None:
    shop.run(_plan(shop))
    plan = _plan(shop, name)
    assert plan.errored
    assert code in {found.code for found in plan.diagnostics}
    assert not plan.steps


def test_a_clone_that_does_not_fit_is_refused(shop) -> None:
    shop.host = shop.host._replace(disk=90 * 1024**3, disk_free=90 * 1024**3)
    assert [found.code for found in _plan(shop).diagnostics if found.is_error] == ["does-not-fit-disk"]


def test_taking_a_clone_back_leaves_nothing(shop) -> None:
    before = shop.everything()
    shop.misbehave("{address: vm.copy, step: vm.boot, fail: out of order}")
    result = shop.run(_plan(shop), on_failure="rollback")
    assert result.rolled_back
    things, records = shop.everything()
    assert (things.things.keys(), things.totals, records) == (before[0].things.keys(), before[0].totals, before[1])
