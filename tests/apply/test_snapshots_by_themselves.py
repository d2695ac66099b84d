"""The policy `snapshots: {keep, every, memory}`: parsed, planned, counted and shown."""

from typing import Any

import pytest

from herocloud.model.words import Action
from herocloud.plan import capacity, snapshots
from herocloud.stack import export

GIB = 1024**3
STACK = """\
stack: shop
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
volumes:
  data: {size: 20 GiB}
vms:
  db: {image: debian, volumes: [data], memory: 2 GiB, hypervisor: simulator}
"""
KEPT = STACK.replace("memory: 2 GiB,", "memory: 2 GiB, snapshots: {keep: 3, every: 1 d, memory: true},")


def _used(site: Any) -> int:
    return capacity.used(site.recorded(), site.look()).disk


def test_a_new_vm_takes_the_room_for_all_of_them(site) -> None:
    plan = site.plan(KEPT)
    assert plan.capacity.disk.after == (30 + 3 * 32) * GIB
    site.run(plan)
    assert _used(site) == plan.capacity.disk.after
    assert site.changes(KEPT) == []


def test_a_policy_is_added_and_taken_away_live_with_its_room(site) -> None:
    site.apply(STACK)
    plan = site.plan(KEPT)
    assert [(change.address, change.action) for change in plan.changing] == [("vm.db", Action.UPDATE)]
    assert [step.kind for step in plan.steps] == ["record.write"]
    assert plan.capacity.disk.after - plan.capacity.disk.before == 96 * GIB
    site.run(plan)
    back = site.plan(STACK)
    assert back.capacity.disk.after - back.capacity.disk.before == -96 * GIB
    site.run(back)
    assert _used(site) == 30 * GIB


def test_a_policy_that_does_not_fit_is_refused(site) -> None:
    site.host = site.host._replace(disk=100 * GIB, disk_free=100 * GIB)
    with pytest.raises(AssertionError, match="does-not-fit-disk"):
        site.plan(KEPT)


def test_a_scheduled_snapshot_fills_room_that_is_promised_and_one_on_request_comes_on_top(site) -> None:
    site.apply(KEPT)
    before = _used(site)
    for name, scheduled, more in (("auto", True, 0), ("mine", False, 30 * GIB)):
        record = site.recorded().records["shop"]["vm.db"]
        taking = snapshots.Taking(name, 1_700_000_000, scheduled=scheduled)
        plan = snapshots.plan_taking([record], taking, site.recorded(), site.look(), site.host)
        assert plan.capacity.disk.after - plan.capacity.disk.before == more
        assert not site.run(plan).failed
        assert _used(site) - before == more


def test_a_removal_gives_the_room_back_that_was_not_filled(site) -> None:
    site.apply(KEPT)
    plan = site.plan("stack: shop\n", purge=True)
    assert plan.capacity.disk.after == 0
    site.run(plan)
    assert _used(site) == 0


def test_an_export_of_yaml_says_the_policy_as_it_was_written(site) -> None:
    site.apply(KEPT)
    text = export.export_yaml(site.recorded().records["shop"].values(), "shop")
    assert "snapshots: {keep: 3, every: 1 d, memory: true}" in text
    assert site.changes(text.replace("images:\n", "images:\n", 1)) == []
