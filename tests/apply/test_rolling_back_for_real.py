"""A failure at each step of a ten-VM apply, on the real state and the simulator: exactly the world and the records before it."""

import pytest

from herocloud.model.words import Status

TEN = """\
stack: farm
images:
  debian: {source: "https://example.org/d.qcow2", unpinned: true, format: qcow2}
networks:
  lan: {cidr: 10.42.0.0/24}
volumes:
  data: {size: 20 GiB}
vms:
  web: {count: 9, image: debian, networks: [lan], memory: 2 GiB}
  db: {image: debian, networks: [lan], volumes: [{volume: data}], memory: 4 GiB}
"""


@pytest.mark.parametrize(
    "kind", ["image.fetch", "network.create", "volume.create", "disk.create", "seed.write", "tap.create", "vm.create", "vm.boot"]
)
def test_a_failure_at_any_step_of_this_kind_ends_in_the_world_before(site, kind) -> None:
    plan = site.plan(TEN)
    steps = [step for step in plan.steps if step.kind == kind]
    assert steps
    for step in steps:
        site.misbehave(f'{{address: "{step.address}", step: "{kind}", fail: "out of order"}}')
        before = site.everything()
        result = site.run(plan, on_failure="rollback")
        assert result.rolled_back, result.notes
        assert [outcome.step for outcome in result.outcomes if outcome.status is Status.FAILED] == [step.id]
        assert site.everything()[1] == before[1] == {}
        seen = site.everything()[0]
        assert (seen.things, seen.claims, seen.uses, seen.tombstones) == ({}, {}, (), {})
    site.behave()
    site.apply(TEN)
    assert site.changes(TEN) == []


@pytest.mark.parametrize("at", ["before", "half", "after"])
def test_a_failure_in_an_update_leaves_data_and_records_as_they_were(site, at) -> None:
    site.apply(TEN)
    before = site.everything()
    changed = (
        TEN.replace("memory: 4 GiB", "memory: 4 GiB, vcpus: 2").replace("count: 9", "count: 5").replace("20 GiB", "20 GiB, protect: true")
    )
    site.misbehave(f'{{address: vm.db, step: "vm.*", at: {at}, fail: "out of order"}}')
    result = site.run(site.plan(changed), on_failure="rollback")
    assert result.rolled_back, result
    after = site.everything()
    assert after[1] == before[1]
    assert (after[0].things, after[0].claims, after[0].tombstones) == (before[0].things, before[0].claims, before[0].tombstones)
    site.behave()
    assert site.changes(TEN) == []
