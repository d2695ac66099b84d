"""A rehearsal runs the real executor on a copy, proves that the plan after it is empty, and touches nothing."""

import pytest

from herocloud.apply import rehearsal as apply_rehearsal
from herocloud.apply.steering import Options
from herocloud.plan import planner
from herocloud.plan.scope import PlanOptions


def rehearse(site, plan) -> apply_rehearsal.Rehearsal:
    return apply_rehearsal.rehearse(plan, site.recorded(), site.look(), site.host, options=Options(), tell=site.events.append)


def left_to_do(site, text, rehearsal) -> list[str]:
    desired = site.desire(text)
    after = planner.plan(desired, rehearsal.recorded, rehearsal.observed, site.host_for(desired), PlanOptions())
    return [f"{change.address} {change.action.value}" for change in after.changing]


@pytest.mark.parametrize("edit", [("", ""), ("vcpus: 2", "vcpus: 3"), ("d.qcow2", "e.qcow2"), ("count: 2", "count: 1")])
def test_the_plan_after_a_rehearsal_is_empty_and_nothing_was_touched(site, shop, edit) -> None:
    site.apply(shop)
    before = site.everything()
    changed = shop.replace(*edit) if edit[0] else shop
    rehearsal = rehearse(site, site.plan(changed))
    assert not rehearsal.result.failed
    assert left_to_do(site, changed, rehearsal) == []
    assert site.everything() == before


def test_a_first_apply_can_be_rehearsed(site, shop) -> None:
    rehearsal = rehearse(site, site.plan(shop))
    assert left_to_do(site, shop, rehearsal) == []
    assert not (site.folder / "state.db").exists()


def test_a_plan_for_a_real_hypervisor_runs_on_the_simulator(site, shop) -> None:
    plan = site.plan(shop)
    steps = tuple(step._replace(provider="cloud-hypervisor") for step in plan.steps)
    assert not rehearse(site, plan._replace(steps=steps)).result.failed


def test_misbehaviour_of_the_world_is_not_rehearsed(site, shop) -> None:
    plan = site.plan(shop)
    site.misbehave('{address: "*", fail: "out of order"}')
    assert not rehearse(site, plan).result.failed


def test_nothing_is_left_behind(site, shop, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    rehearse(site, site.plan(shop))
    assert set(tmp_path.iterdir()) - before == {site.folder / "stack.yaml"}
