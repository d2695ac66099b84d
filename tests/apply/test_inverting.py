"""`undo` takes a finished apply back by a plan of its own: world, data and records are as they were."""

from typing import Any

import pytest

from herocloud.model.errors import Refused
from herocloud.model.plans import Plan
from herocloud.model.words import Action, Impact, Reason
from herocloud.operations import reversal
from herocloud.plan.lost_data import Kept
from herocloud.plan.past_apply import Past
from herocloud.plan.undo import plan_undo
from herocloud.providers.simulator import world


def undo(site: Any, plan: str | None = None) -> Plan:
    """Make the plan that takes an apply back, the newest unless one is named."""
    with site.store() as store:
        chosen = reversal.choose(store.applies(), plan)
        applied = next(one for one in store.load_plan(chosen.plan) if one.apply == chosen.apply)
        stack = applied.plan.stack
        kept = [Kept(step.address) for step in applied.plan.steps]
        past = Past(
            applied.apply,
            applied.plan,
            applied.states,
            store.records_at(applied.serial - 1).get(stack, {}),
            store.records_at(applied.serial).get(stack, {}),
            store.recorded().records.get(stack, {}),
        )
        return plan_undo(past, store.recorded(), site.look(), site.host, kept)


LARGER = ("memory: 4 GiB, vcpus: 2, cpu: {max: 4}", "memory: 4 GiB, vcpus: 4, cpu: {max: 4}")
COLD = ("cpu: {max: 4}", "cpu: {max: 8}")
WITHOUT_DB = ("  db: {image: debian, networks: [lan], volumes: [{volume: data}], memory: 4 GiB, vcpus: 2, cpu: {max: 4}}\n", "")
WITHOUT_DATA = (WITHOUT_DB[0], WITHOUT_DB[1]), ("volumes:\n  data: {size: 20 GiB}\n", "")
OTHER_IMAGE = ("d.qcow2", "e.qcow2")
STOPPED = ("vcpus: 2,", "vcpus: 2, state: stopped,")
PAUSED = ("vcpus: 2,", "vcpus: 2, state: paused,")
FEWER = ("count: 2", "count: 1")
PROTECTED = ("{size: 20 GiB}", "{size: 20 GiB, protect: true}")
RENAMED = ("  db: {", "  store: {"), ("vms:\n", "moved:\n  - {from: vm.db, to: vm.store}\nvms:\n")


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param([LARGER], id="live update"),
        pytest.param([COLD], id="reboot"),
        pytest.param([WITHOUT_DB], id="deleted VM"),
        pytest.param(WITHOUT_DATA, id="deleted VM and volume"),
        pytest.param([OTHER_IMAGE], id="replacement"),
        pytest.param([STOPPED], id="stopped"),
        pytest.param([PAUSED], id="paused"),
        pytest.param([FEWER], id="count shrank"),
        pytest.param([PROTECTED], id="protection only"),
        pytest.param(RENAMED, id="renamed"),
        pytest.param([LARGER, FEWER, PROTECTED], id="a mixture"),
    ],
)
def test_undoing_a_change_restores_world_data_and_records(site, shop, edits) -> None:
    site.apply(shop)
    before = site.everything()
    changed = shop
    for old, new in edits:
        assert old in changed
        changed = changed.replace(old, new)
    applied = site.plan(changed)
    assert not site.run(applied).failed
    assert site.everything() != before
    plan = undo(site)
    assert not plan.errored, plan.diagnostics
    assert {change.reason for change in plan.changing} == {Reason.UNDO}
    result = site.run(plan, undoes=applied.id)
    assert not result.failed, result
    assert_same(site.everything(), before)
    assert site.changes(shop) == []


def assert_same(now: Any, before: Any) -> None:
    assert now[1] == before[1]
    assert now[0].things == before[0].things


def test_undoing_the_first_apply_leaves_nothing(site, shop) -> None:
    site.apply(shop)
    plan = undo(site)
    assert {change.action for change in plan.changing} == {Action.DELETE}
    assert not site.run(plan).failed
    assert site.recorded().records == {}
    assert site.look().things == {}


def test_data_written_since_a_creation_goes_into_a_tombstone(site, shop) -> None:
    site.apply(shop)
    written = world.contents(site.folder, "volume.data")
    plan = undo(site)
    volume = next(change for change in plan.changing if change.address == "volume.data")
    assert (volume.impact, volume.note) == (Impact.DATA, "20 GiB of data is kept for 7 days")
    site.run(plan)
    assert f"shop/volume.data/volume/{written['volume']}" in world.snapshot(site.folder).tombstones


def test_an_undo_can_be_undone(site, shop) -> None:
    site.apply(shop)
    changed = shop.replace(*LARGER)
    applied = site.plan(changed)
    site.run(applied)
    there = site.everything()
    back = undo(site)
    site.run(back, undoes=applied.id)
    assert not site.run(undo(site, back.id)).failed
    assert_same(site.everything(), there)


def test_nothing_is_taken_back_twice(site, shop) -> None:
    site.apply(shop)
    applied = site.plan(shop.replace(*LARGER))
    site.run(applied)
    site.run(undo(site), undoes=applied.id)
    with pytest.raises(Refused, match="taken back already"):
        undo(site, applied.id)


def test_what_a_later_apply_touched_is_not_taken_back(site, shop) -> None:
    site.apply(shop)
    first = site.plan(shop.replace(*LARGER))
    site.run(first)
    site.apply(shop.replace(*LARGER).replace(*COLD))
    plan = undo(site, first.id)
    assert [(found.code, found.address) for found in plan.diagnostics] == [("undo-touched", "vm.db")]


def test_what_changed_behind_our_back_is_not_taken_back(site, shop) -> None:
    site.apply(shop)
    site.apply(shop.replace(*LARGER))
    world.set_power(site.folder, "vm.db", "stopped")
    assert [found.code for found in undo(site).diagnostics] == ["undo-drifted"]


def test_a_disk_that_grew_stays(site, shop) -> None:
    site.apply(shop)
    site.apply(shop.replace("{size: 20 GiB}", "{size: 30 GiB}"))
    assert [(found.code, found.address) for found in undo(site).diagnostics] == [("undo-grown", "volume.data")]


def test_a_slice_that_somebody_else_got_is_named(site, shop) -> None:
    site.apply(shop)
    applied = site.plan(shop.replace(*WITHOUT_DB))
    site.run(applied)
    site.apply(shop.replace(*WITHOUT_DB).replace("count: 2", "count: 3"))
    codes = {found.code for found in undo(site, applied.id).diagnostics}
    assert codes == {"undo-slice-taken"}


def test_there_may_be_nothing_to_undo(site) -> None:
    with pytest.raises(Refused, match="nothing to undo"):
        undo(site)
