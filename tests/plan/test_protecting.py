"""Protection is kept in the state, so that losing a block does not lose the machine."""

import pytest

from herocloud.model.words import Action


@pytest.fixture(name="world")
def _world(build, pretend):
    host = build.host()
    stack = build.desired(build.image(), build.volume(protect=True), build.vm("db", protect=True), build.vm("web"))
    return pretend.run(pretend.World(), pretend.World().plan(stack, host), host)


def test_a_block_that_is_gone_does_not_lift_it(build, world) -> None:
    plan = world.plan(build.desired(build.image(), build.vm("web")), build.host())
    assert {change.address: change.protected for change in plan.changing} == {"vm.db": True, "volume.data": True}
    assert not plan.applyable
    assert plan.blocked
    assert {found.code for found in plan.diagnostics} == {"protected"}


def test_a_replacement_is_stopped_and_an_update_is_not(build, world) -> None:
    around = [build.volume(protect=True), build.vm("web")]
    replaced = world.plan(build.desired(build.image(sha256="another"), around, build.vm("db", protect=True)), build.host())
    assert [change.address for change in replaced.changing if change.protected] == ["vm.db"]
    updated = world.plan(build.desired(build.image(), around, build.vm("db", protect=True, vcpus=2)), build.host())
    assert updated.applyable


def test_saying_so_in_the_block_lifts_it(build, world) -> None:
    around = [build.image(sha256="another"), build.volume(protect=True), build.vm("web")]
    plan = world.plan(build.desired(around, build.vm("db", protect=False)), build.host())
    assert not plan.blocked
    assert next(change.action for change in plan.changing if change.address == "vm.db") is Action.REPLACE


def test_destroying_is_blocked_and_still_shown(build, world) -> None:
    plan = world.plan(build.desired(), build.host(), destroy=True)
    assert len(plan.changing) == 4
    assert plan.blocked
