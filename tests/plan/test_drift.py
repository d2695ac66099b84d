"""When the world is not as it was left."""

from herocloud.model.words import Action, Reason
from herocloud.plan import vm_power


def _tamper(world, address, **parts):
    thing = world.observed.things["shop"][address]
    left = {key: part for key, part in {**thing.parts, **parts}.items() if part is not None}
    things = {**world.observed.things["shop"], address: thing._replace(parts=left)}
    if not left:
        del things[address]
    return world._replace(observed=world.observed._replace(things={"shop": things}))


def _running(build, pretend):
    host = build.host()
    stack = build.desired(build.image(), build.network(), build.vm("web", networks=["lan"]))
    return pretend.run(pretend.World(), pretend.World().plan(stack, host), host), stack, host


def _settle(pretend, world, stack, host):
    plan = world.plan(stack, host)
    assert pretend.run(world, plan, host).plan(stack, host).changing == ()
    [change] = plan.changing
    return plan, change


def test_a_machine_that_stopped_is_started_again(build, pretend) -> None:
    world, stack, host = _running(build, pretend)
    plan, change = _settle(pretend, _tamper(world, "vm.web", power="stopped"), stack, host)
    assert (change.action, change.reason) == (Action.UPDATE, Reason.DRIFTED)
    assert [step.kind for step in plan.steps] == ["vm.boot"]
    assert [(drift.address, drift.part, drift.before, drift.after) for drift in plan.drift] == [("vm.web", "power", "running", "stopped")]


def test_memory_that_was_changed_by_hand_is_put_right(build, pretend) -> None:
    world, stack, host = _running(build, pretend)
    machine = world.observed.things["shop"]["vm.web"].parts["machine"]
    plan, change = _settle(pretend, _tamper(world, "vm.web", machine={**machine, "labels": {"by": "hand"}}), stack, host)
    assert (change.action, change.reason, [step.kind for step in plan.steps]) == (Action.UPDATE, Reason.DRIFTED, ["vm.update"])
    assert plan.drift[0].part == "machine.labels"


def test_a_machine_that_vanished_is_made_again_on_its_disk(build, pretend) -> None:
    world, stack, host = _running(build, pretend)
    plan, change = _settle(pretend, _tamper(world, "vm.web", machine=None, power=None), stack, host)
    assert (change.action, change.reason) == (Action.CREATE, Reason.VANISHED), "it takes the class create, not update"
    assert [step.kind for step in plan.steps] == ["vm.create", "vm.boot"]


def test_everything_gone_is_a_creation_that_says_why(build, pretend) -> None:
    world, stack, host = _running(build, pretend)
    gone = dict.fromkeys(("machine", "power", "disk", "seed", "nic.0"))
    plan, change = _settle(pretend, _tamper(world, "vm.web", **gone), stack, host)
    assert (change.action, change.reason) == (Action.CREATE, Reason.VANISHED)
    assert plan.capacity.slices[:3] == (1, 1, 1)


def test_a_tap_that_vanished_under_a_running_machine_is_plugged_in_again(build, pretend) -> None:
    world, stack, host = _running(build, pretend)
    plan, change = _settle(pretend, _tamper(world, "vm.web", **{"nic.0": None}), stack, host)
    assert change.reason is Reason.DRIFTED
    assert [step.kind for step in plan.steps] == ["vm.detach", "tap.create", "vm.attach"]


def test_without_a_look_at_the_world_the_records_are_believed(build, pretend) -> None:
    world, stack, host = _running(build, pretend)
    tampered = _tamper(world, "vm.web", power="stopped")._replace(observed=None)
    assert tampered.plan(stack, host).changing == ()


def test_what_is_there_without_a_record_is_adopted(build, pretend) -> None:
    world, stack, host = _running(build, pretend)
    records = {address: record for address, record in world.recorded.records["shop"].items() if address != "vm.web"}
    lost = world._replace(recorded=world.recorded._replace(records={"shop": records}))
    plan = lost.plan(stack, host)
    [change] = plan.changing
    assert (change.action, change.reason) == (Action.ADOPT, Reason.ADOPTED)
    assert [step.kind for step in plan.steps] == ["record.write"]
    assert pretend.run(lost, plan, host).plan(stack, host).changing == ()


def test_what_is_adopted_keeps_its_sid_its_addresses_and_its_room(build, pretend) -> None:
    host = build.host()
    before = build.desired(
        build.image(), build.network(), build.vm("first", networks=["lan"]), build.vm("www", networks=["lan"], memory=1024**3)
    )
    world = pretend.run(pretend.World(), pretend.World().plan(before, host), host)
    thing = world.observed.things["shop"]["vm.www"]
    things = {address: one for address, one in world.observed.things["shop"].items() if not address.startswith("vm.")}
    things["vm.web"] = thing._replace(address="vm.web")
    records = {address: record for address, record in world.recorded.records["shop"].items() if not address.startswith("vm.")}
    lost = pretend.World(world.recorded._replace(records={"shop": records}), world.observed._replace(things={"shop": things}))
    plan = lost.plan(build.desired(build.image(), build.network(), build.vm("web", networks=["lan"], memory=1024**3)), host)
    [change] = plan.changing
    # Its guest gets another name, which it reads at boot.
    assert (change.action, change.reason, change.sid) == (Action.REBOOT, Reason.ADOPTED, thing.parts["machine"]["sid"])
    assert change.after["networks"][0]["address"] == thing.parts["nic.0"]["address"]
    assert "disk.grow" not in [step.kind for step in plan.steps]


def _with_disk(world, address, part, size):
    there = world.observed.things["shop"][address].parts[part]
    return _tamper(world, address, **{part: {**there, "size": size}})


def test_a_root_disk_that_somebody_made_larger_stays_that_large(build, pretend) -> None:
    world, stack, host = _running(build, pretend)
    size = world.observed.things["shop"]["vm.web"].parts["disk"]["size"]
    world = _with_disk(world, "vm.web", "disk", 2 * size)
    plan, change = _settle(pretend, world, stack, host)
    assert (change.action, [step.kind for step in plan.steps]) == (Action.UPDATE, ["record.write"])
    [field] = change.fields
    assert (field.path, field.before, field.after) == ("disk.size", size, 2 * size)
    assert field.why.startswith("grown outside herocloud")
    world = pretend.run(world, plan, host)
    assert world.recorded.records["shop"]["vm.web"].parts["disk"]["size"] == 2 * size
    for wanted, kinds in ((size * 3 // 2, ["record.write"]), (3 * size, ["vm.grow"])):
        larger = build.desired(
            build.image(), build.network(), build.vm("web", networks=["lan"], root_disk={"size": wanted, "direct": False, "rate": None})
        )
        assert [step.kind for step in world.plan(larger, host).steps] == kinds


def test_so_does_a_volume_and_one_that_the_stack_makes_smaller_is_refused_still(build, pretend) -> None:
    host = build.host()
    stack = build.desired(build.volume(size=20))
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    size = world.observed.things["shop"]["volume.data"].parts["volume"]["size"]
    world = _with_disk(world, "volume.data", "volume", 2 * size)
    plan, change = _settle(pretend, world, stack, host)
    assert (change.fields[0].path, change.fields[0].after, plan.errored) == ("volume.size", 2 * size, False)
    assert pretend.run(world, plan, host).plan(build.desired(build.volume(size=10)), host).errored


def test_a_disk_that_was_cut_while_its_vm_was_off_is_said_to_have_lost_data(build, pretend) -> None:
    host = build.host()
    stack = build.desired(build.image(), build.network(), build.vm("web", networks=["lan"], state="stopped"))
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    size = world.observed.things["shop"]["vm.web"].parts["disk"]["size"]
    _, change = _settle(pretend, _with_disk(world, "vm.web", "disk", size // 2), stack, host)
    assert [field.why for field in change.fields] == ["cut outside herocloud; what lay beyond is lost"]


def test_a_lost_mark_is_written_again_before_anything_stops(build, pretend) -> None:
    world, stack, host = _running(build, pretend)
    disk = world.observed.things["shop"]["vm.web"].parts["disk"]
    lost = _tamper(world, "vm.web", disk={**disk, "mark": "gone"})
    plan, change = _settle(pretend, lost, stack, host)
    assert (change.action, [(step.kind, step.after) for step in plan.steps]) == (Action.UPDATE, [("disk.grow", disk)])
    stopped = lost.plan(build.desired(build.image(), build.network(), build.vm("web", networks=["lan"], state="stopped")), host)
    first, last = stopped.steps
    assert (first.kind, first.after, last.kind, last.needs) == ("disk.grow", disk, "vm.stop", (first.id,))


def test_a_restart_with_a_lost_mark_has_no_two_steps_of_one_name(build, pretend) -> None:
    world, _, host = _running(build, pretend)
    disk = world.observed.things["shop"]["vm.web"].parts["disk"]
    lost = _tamper(world, "vm.web", disk={**disk, "mark": "gone", "file": "another file"})
    plan = vm_power.plan_power("restart", lost.recorded.records["shop"]["vm.web"], lost.recorded, lost.observed, host)
    assert not plan.errored
    kinds = [step.kind for step in plan.steps]
    assert (kinds.index("disk.grow") < kinds.index("vm.stop") < kinds.index("vm.boot"), len({step.id for step in plan.steps})) == (
        True,
        len(kinds),
    )
