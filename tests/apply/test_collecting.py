"""Orphans are listed with whose they are, deleted or adopted by a plan; tombstones go when their time is over."""

from typing import Any

import pytest

from herocloud.model.plans import Plan
from herocloud.model.words import Action
from herocloud.operations import leftovers
from herocloud.plan import orphans as planner
from herocloud.providers.seam import Tombstone
from herocloud.providers.simulator import world
from herocloud.state import edits


def forget(site: Any, *addresses: str) -> None:
    with site.store() as store:
        for address in addresses:
            edits.remove_record(store, "shop", address)


def orphans(site: Any) -> list[planner.Orphan]:
    return planner.find_orphans(site.recorded(), site.look())


def remove(site: Any, *, purge: bool = False) -> Plan:
    things = [orphan.thing for orphan in orphans(site) if not orphan.foreign]
    return planner.plan_removal("shop", things, site.recorded(), site.look(), site.host, purge=purge)


def adopt(site: Any) -> Plan:
    with site.store() as store:
        things = [orphan.thing for orphan in orphans(site) if not orphan.foreign]
        lost = {thing.address: record for thing in things if (record := store.last_record("shop", thing.address))}
        return planner.plan_adoption("shop", things, site.recorded()._replace(lost={"shop": lost}), site.look(), site.host)


def test_what_no_record_owns_is_an_orphan(site, shop) -> None:
    site.apply(shop)
    assert orphans(site) == []
    forget(site, "vm.db", "volume.data")
    assert [(orphan.thing.address, orphan.foreign) for orphan in orphans(site)] == [("volume.data", False), ("vm.db", False)]


def test_things_of_another_state_are_listed_as_foreign(site, shop) -> None:
    site.apply(shop)
    world.add_orphan(site.folder, "volume.theirs", {"volume": {"size": 1, "path": "x"}}, stack="lost")
    assert [(orphan.thing.stack, orphan.thing.address, orphan.foreign) for orphan in orphans(site)] == [("lost", "volume.theirs", True)]


@pytest.mark.parametrize("purge", [False, True])
def test_removing_orphans_leaves_nothing_of_them(site, shop, purge) -> None:
    site.apply(shop)
    forget(site, "vm.db", "volume.data", "vm.web[0]")
    plan = remove(site, purge=purge)
    assert {change.action for change in plan.changing} == {Action.DELETE}
    assert not site.run(plan).failed
    assert orphans(site) == []
    assert set(site.recorded().records["shop"]) == {"image.debian", "network.lan", "vm.web[1]"}
    assert bool(world.snapshot(site.folder).tombstones) is not purge


def test_adopting_brings_the_record_back_as_it_was(site, shop) -> None:
    site.apply(shop)
    before = site.everything()
    forget(site, "vm.db", "volume.data")
    plan = adopt(site)
    assert {change.action for change in plan.changing} == {Action.ADOPT}
    assert not site.run(plan).failed
    assert site.everything() == before
    assert site.changes(shop) == []


def test_an_adopted_slice_must_still_be_free(site, shop) -> None:
    site.apply(shop)
    forget(site, "vm.web[0]")
    site.apply(shop.replace("  web: {count: 2", "  other: {image: debian}\n  web: {count: 2").replace("count: 2", "count: 0"))
    assert {found.code for found in adopt(site).diagnostics} == {"adopt-taken"}


def test_what_was_never_recorded_is_adopted_by_a_stack_file(site, shop) -> None:
    site.apply(shop)
    lineage = site.recorded().lineage
    world.add_orphan(site.folder, "volume.found", {"volume": {"size": 1, "path": "x"}}, stack="shop", lineage=lineage)
    plan = adopt(site)
    assert [(found.code, found.address) for found in plan.diagnostics] == [("never-recorded", "volume.found")]
    assert plan.errored


def test_tombstones_go_when_their_time_is_over() -> None:
    stones = [Tombstone(key, "shop", "volume.a", 1, deleted) for key, deleted in (("old", 100.0), ("young", 900.0), ("future", 2000.0))]
    assert [stone.key for stone in leftovers.expired(stones, 1000.0, 500.0)] == ["old"]
    assert [stone.key for stone in leftovers.expired(stones, 1000.0, 0.0)] == ["old", "young"]
