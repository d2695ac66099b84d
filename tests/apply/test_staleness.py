"""Staleness names the fact that changed; the same plan twice is not staleness."""

import pytest

from herocloud.apply import staleness
from herocloud.model.errors import Stale
from herocloud.model.plans import Fact
from herocloud.plan import facts
from herocloud.providers.simulator import world

SIZE = Fact("observed:shop/vm.a", "d1", "running")
OTHER = Fact("record:shop/vm.b", "d2", "recorded")


def test_only_the_facts_that_the_steps_read_are_compared(step, plan) -> None:
    steps = [step("vm.a/vm.boot", facts=(SIZE.key,))]
    whole = plan(steps, facts=(SIZE, OTHER))
    now = {SIZE.key: SIZE, OTHER.key: OTHER._replace(digest="x", says="not recorded")}
    assert staleness.check_facts(whole, steps, now) == []
    assert [found.address for found in staleness.check_facts(whole, None, now)] == ["vm.b"]


def test_a_stale_plan_names_fact_planned_and_present_value(plan) -> None:
    with pytest.raises(Stale) as raised:
        staleness.refuse_stale(plan([], facts=(SIZE,)), {SIZE.key: SIZE._replace(digest="x", says="stopped")})
    (found,) = raised.value.diagnostics
    assert "`observed:shop/vm.a` was planned with: running. Now it is: stopped." in found.detail


def test_what_nobody_looked_at_again_is_not_stale(plan) -> None:
    staleness.refuse_stale(plan([], facts=(SIZE,)), {})


def now(site, plan) -> dict[str, Fact]:
    return dict(facts.current_facts([fact.key for fact in plan.facts], site.recorded(), site.look(), site.host))


def test_a_change_elsewhere_does_not_make_a_plan_stale(site, shop) -> None:
    site.apply(shop)
    plan = site.plan(shop.replace("vcpus: 2", "vcpus: 3"))
    world.set_power(site.folder, "vm.web[0]", "stopped")
    staleness.refuse_stale(plan, now(site, plan))


def test_a_change_of_what_is_to_be_changed_does(site, shop) -> None:
    site.apply(shop)
    plan = site.plan(shop.replace("vcpus: 2", "vcpus: 3"))
    world.set_power(site.folder, "vm.db", "stopped")
    with pytest.raises(Stale, match=r"vm\.db"):
        staleness.refuse_stale(plan, now(site, plan))


def applied_before(site, plan) -> bool:
    with site.store() as store:
        return staleness.applied_before(plan, store.load_plan(plan.id), store.recorded(), site.look())


def test_a_plan_that_was_applied_is_known_by_what_it_left(site, shop) -> None:
    plan = site.plan(shop)
    assert not applied_before(site, plan)
    site.run(plan)
    with pytest.raises(Stale):
        staleness.refuse_stale(plan, now(site, plan))
    assert applied_before(site, plan)


@pytest.mark.parametrize("spoil", ["the world", "the records"])
def test_a_plan_whose_result_has_changed_since_is_stale_and_not_done(site, shop, spoil) -> None:
    plan = site.plan(shop)
    site.run(plan)
    if spoil == "the world":
        world.set_power(site.folder, "vm.db", "stopped")
    else:
        site.apply(shop.replace("vcpus: 2", "vcpus: 3"))
    assert not applied_before(site, plan)


def test_a_deletion_that_was_applied_is_known_by_what_is_gone(site, shop) -> None:
    site.apply(shop)
    plan = site.plan(shop, destroy=True)
    site.run(plan)
    assert applied_before(site, plan)
    site.apply(shop)
    assert not applied_before(site, plan)


def test_facts_of_changes_that_have_begun_no_longer_bind(step, plan) -> None:
    steps = [step("vm.a/disk.create"), step("vm.a/vm.boot"), step("vm.b/disk.create")]
    binding = staleness.binding_steps(plan(steps), {"vm.a/disk.create": "intent", "vm.b/disk.create": "skipped"})
    assert [one.id for one in binding] == ["vm.b/disk.create"]


def test_capacity_is_not_asked_again_half_way(step, plan) -> None:
    drawn = Fact("capacity:disk=5", "enough", "enough is free")
    steps = [step("vm.b/disk.create", facts=(drawn.key,))]
    assert staleness.broken_steps(plan(steps, facts=(drawn,)), steps, {drawn.key: drawn._replace(digest="short")}) == {}
