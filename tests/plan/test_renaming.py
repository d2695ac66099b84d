"""Renames that keep the machine, and renames that look forgotten."""

from herocloud.model.words import Action, Reason
from herocloud.model.worlds import Move


def _world(build, pretend, *resources):
    host = build.host()
    return pretend.run(pretend.World(), pretend.World().plan(build.desired(build.image(), *resources), host), host), host


def test_a_moved_vm_keeps_its_machine(build, pretend) -> None:
    world, host = _world(build, pretend, build.vm("www"))
    stack = build.desired(build.image(), build.vm("web"), moved=(Move("vm.www", "vm.web"),))
    plan = world.plan(stack, host)
    [change] = plan.changing
    assert (change.action, change.previous_address, change.sid) == (Action.MOVE, "vm.www", world.recorded.records["shop"]["vm.www"].sid)
    after = pretend.run(world, plan, host)
    assert set(after.recorded.records["shop"]) == {"image.debian12", "vm.web"}
    assert after.plan(stack, host).changing == ()


def test_the_guest_of_a_moved_vm_keeps_its_name(build, pretend) -> None:
    world, host = _world(build, pretend, build.vm("www"))
    plan = world.plan(build.desired(build.image(), build.vm("web"), moved=(Move("vm.www", "vm.web"),)), host)
    assert [(change.action, change.reason) for change in plan.changing] == [(Action.MOVE, Reason.MOVED)]
    assert [step.kind for step in plan.steps] == ["vm.move"]
    assert plan.changing[0].after["hostname"] == "www"


def test_a_move_and_a_change_are_one_change(build, pretend) -> None:
    world, host = _world(build, pretend, build.vm("www"))
    stack = build.desired(build.image(), build.vm("web", vcpus=2), moved=(Move("vm.www", "vm.web"),))
    plan = world.plan(stack, host)
    assert [(change.action, change.previous_address) for change in plan.changing] == [(Action.UPDATE, "vm.www")]
    assert [step.kind for step in plan.steps] == ["vm.move", "vm.resize"]
    assert pretend.run(world, plan, host).plan(stack, host).changing == ()


def test_a_counted_name_moves_with_all_its_vms(build, pretend) -> None:
    world, host = _world(build, pretend, build.vms("www", 3))
    plan = world.plan(build.desired(build.image(), build.vms("web", 3), moved=(Move("vm.www", "vm.web"),)), host)
    assert {change.previous_address for change in plan.changing} == {"vm.www[0]", "vm.www[1]", "vm.www[2]"}
    assert all(change.action is not Action.CREATE for change in plan.changing)


def test_a_vm_that_becomes_counted_moves_to_the_first(build, pretend) -> None:
    world, host = _world(build, pretend, build.vm("web"))
    plan = world.plan(build.desired(build.image(), build.vms("web", 2), moved=(Move("vm.web", "vm.web[0]"),)), host)
    assert {change.address: change.previous_address for change in plan.changing} == {"vm.web[0]": "vm.web", "vm.web[1]": None}


def test_a_move_made_long_ago_is_silent(build, pretend) -> None:
    world, host = _world(build, pretend, build.vm("web"))
    plan = world.plan(build.desired(build.image(), build.vm("web"), moved=(Move("vm.www", "vm.web"),)), host)
    assert (plan.changing, plan.diagnostics) == ((), ())


def test_a_move_onto_something_recorded_is_refused(build, pretend) -> None:
    world, host = _world(build, pretend, build.vm("web"), build.vm("www"))
    plan = world.plan(build.desired(build.image(), build.vm("web"), moved=(Move("vm.www", "vm.web"),)), host)
    assert [found.code for found in plan.diagnostics] == ["bad-move"]


def test_a_forgotten_rename_is_pointed_out(build, pretend) -> None:
    world, host = _world(build, pretend, build.vm("www", vcpus=2))
    plan = world.plan(build.desired(build.image(), build.vm("web", vcpus=2)), host)
    [found] = plan.diagnostics
    assert (found.code, found.hint) == ("looks-renamed", "to keep the machine, write `moved: [{from: vm.www, to: vm.web}]`")
    assert plan.applyable


def test_vms_that_ask_for_different_things_are_no_rename(build, pretend) -> None:
    world, host = _world(build, pretend, build.vm("www", vcpus=2))
    assert world.plan(build.desired(build.image(), build.vm("web", vcpus=4)), host).diagnostics == ()


def test_a_moved_volume_keeps_its_data_where_it_is(build, pretend) -> None:
    world, host = _world(build, pretend, build.volume("data"))
    stack = build.desired(build.image(), build.volume("archive", size=30), moved=(Move("volume.data", "volume.archive"),))
    plan = world.plan(stack, host)
    assert [step.kind for step in plan.steps] == ["volume.move", "volume.grow"]
    after = pretend.run(world, plan, host)
    assert after.observed.things["shop"]["volume.archive"].parts["volume"]["path"] == "volumes/shop/data.raw"
    assert after.plan(stack, host).changing == ()


def test_a_volume_moves_under_a_running_machine(build, pretend) -> None:
    world, host = _world(build, pretend, build.volume("data"), build.vm("db", volumes=["data"]))
    stack = build.desired(
        build.image(), build.volume("archive"), build.vm("db", volumes=["archive"]), moved=(Move("volume.data", "volume.archive"),)
    )
    after = pretend.run(world, world.plan(stack, host), host)
    assert after.plan(stack, host).changing == ()


def test_a_move_on_a_full_host_counts_its_machine_once(build, pretend) -> None:
    host = build.host(1)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.image(), build.vm("www")), host), host)
    plan = world.plan(build.desired(build.image(), build.vm("web"), moved=(Move("vm.www", "vm.web"),)), host)
    assert plan.diagnostics == ()
    assert plan.capacity.slices[:3] == (1, 1, 1)


def test_what_has_its_new_name_already_is_not_renamed_again(build, pretend) -> None:
    world, host = _world(build, pretend, build.vm("db"))
    things = dict(world.observed.things["shop"])
    things["vm.store"] = things.pop("vm.db")._replace(address="vm.store")
    half = world._replace(observed=world.observed._replace(things={"shop": things}))
    stack = build.desired(build.image(), build.vm("store"), moved=(Move("vm.db", "vm.store"),))
    assert [step.kind for step in world.plan(stack, host).steps] == ["vm.move"]
    plan = half.plan(stack, host)
    assert [step.kind for step in plan.steps] == ["record.write"]
    assert [change.previous_address for change in plan.changing] == ["vm.db"]
