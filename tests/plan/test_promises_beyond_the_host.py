"""An apply that failed may leave two VMs which both are promised the same room: only what is there counts then."""

import pytest

from herocloud.model.hosts import Uplink
from herocloud.model.words import Action
from herocloud.plan import facts, orphans, past_apply, snapshots, undo
from tests.plan.building import GIB

_RATE = {"network": "lan", "rate": {"download": 1000, "upload": None}}
_DISK = {"size": 25 * GIB, "direct": False, "rate": None}
_FAST_DISK = {"size": 10 * GIB, "direct": False, "rate": {"bandwidth": 1000, "iops": None}}
_HUGE = {"hugepages": True, "mergeable": False, "hotplug": None}

ROOMS = {
    "bandwidth": ({"uplink": Uplink("eth0", 500)}, {"networks": [_RATE]}, "tap.create", "tap.delete"),
    "vCPUs": ({"cpus": 1}, {"vcpus": 4}, "vm.create", "vm.delete"),
    "huge pages": ({"hugepages": 4 * GIB}, {"memory": 4 * GIB, "memory_options": _HUGE}, "vm.create", "vm.delete"),
    "disk bandwidth": ({"limit_disk_io": 500}, {"root_disk": _FAST_DISK}, "vm.create", "vm.delete"),
    "disk": ({"disk": 30, "limit_disk": 45 * GIB}, {"root_disk": _DISK, "networks": ["lan"]}, "disk.create", "disk.delete"),
}
"""By resource: a host with room for one VM, what a VM asks for, the step that takes it and the one that gives it back."""


@pytest.fixture(name="scene", params=ROOMS)
def _scene(request, build, pretend):
    """One VM makes room for another, in an apply that ended after the other was begun and before the one let go of anything."""
    more, asked, taker, giver = ROOMS[request.param]
    host = build.host(4, **more)
    one, other = (build.desired(build.image(), build.network(), build.vm(name, **asked)) for name in ("one", "other"))
    world = pretend.run(pretend.World(), pretend.World().plan(one, host), host)
    plan = world.plan(other, host, purge=True)
    before = world.recorded.records["shop"]
    world = _run_only(pretend, world, plan, host, _begins_other)
    now = world.recorded.records["shop"]
    assert not now["vm.other"].complete
    failed = past_apply.Past(1, plan, {step.id: "done" for step in plan.steps if _begins_other(step)}, before, now, now)
    return host, world, one, other, f"vm.other/{taker}", f"vm.one/{giver}", failed


def _begins_other(step) -> bool:
    return step.address == "vm.other" and not step.needs


def _run_only(pretend, world, plan, host, chosen):
    """Run some steps of a plan, and nothing that needs others."""
    steps = tuple(step for step in plan.steps if chosen(step))
    assert steps
    return pretend.run(world, plan._replace(steps=steps), host)


def _both(build, one, other):
    return build.desired(*{resource.address: resource for resource in (*one.resources, *other.resources)}.values())


def _awaited(plan, name) -> set[str]:
    """Return all that a step waits for, directly or not."""
    needs = {step.id: step.needs for step in plan.steps}
    found, left = set(), [name]
    while left:
        new = [need for need in needs[left.pop()] if need not in found]
        found.update(new)
        left += new
    return found


def _exceeded(plan) -> list[str]:
    return [name for name, level in plan.capacity._asdict().items() if level.limit is not None and level.peak > level.limit]


def test_what_was_begun_waits_for_the_room_that_another_still_has(scene) -> None:
    host, world, _, other, taker, giver, _ = scene
    plan = world.plan(other, host, purge=True)
    assert not plan.errored
    assert giver in _awaited(plan, taker)
    assert _exceeded(plan) == []


def test_room_for_one_is_not_given_to_both(scene, build) -> None:
    host, world, one, other, *_ = scene
    plan = world.plan(_both(build, one, other), host, purge=True)
    assert any(found.code.startswith("does-not-fit-") for found in plan.diagnostics)


def test_what_was_begun_and_goes_gives_nothing_back_that_it_never_had(scene) -> None:
    host, world, one, *_ = scene
    plan = world.plan(one, host, purge=True)
    assert [change.address for change in plan.changes if change.action is Action.DELETE] == ["vm.other"]
    assert not plan.errored
    assert _exceeded(plan) == []


def test_a_plan_is_fresh_as_long_as_nothing_changes(scene) -> None:
    host, world, _, other, *_ = scene
    plan = world.plan(other, host, purge=True)
    now = facts.current_facts([fact.key for fact in plan.facts], world.recorded, world.observed, host, plan_of=plan.stack)
    assert [fact for fact in plan.facts if now[fact.key] != fact] == []
    assert all(fact.says == "enough is free" for fact in plan.facts if fact.key.startswith("capacity:"))


def test_taking_the_apply_back_counts_what_is_there(scene) -> None:
    host, world, *_, failed = scene
    plan = undo.plan_undo(failed, world.recorded, world.observed, host, [])
    assert [change.address for change in plan.changing] == ["vm.other"]
    assert not plan.errored
    assert _exceeded(plan) == []
    level = plan.capacity
    assert all(getattr(level, name).after <= getattr(level, name).before for name in level._fields)


def test_every_kind_of_plan_counts_the_same(scene) -> None:
    host, world, _, other, *_ = scene
    state = (world.recorded, world.observed, host)
    record = world.recorded.records["shop"]["vm.one"]
    plans = [
        snapshots.plan_taking([record], snapshots.Taking("a", 1), *state),
        snapshots.plan_deletion(record, ["none"], *state, purge=True),
        orphans.plan_adoption("shop", [], *state),
        orphans.plan_removal("shop", [], *state, purge=True),
    ]
    known = world.plan(other, host, purge=True).capacity
    expected = {name: level.before for name, level in known._asdict().items()}
    for plan in plans:
        assert {name: level.before for name, level in plan.capacity._asdict().items()} == expected, plan.operation


def test_a_snapshot_for_which_there_is_room_is_not_refused(build, pretend) -> None:
    host = build.host(4, disk=30, limit_disk=44 * GIB)
    one, other = (build.desired(build.image(), build.vm(name, root_disk={**_DISK, "size": 20 * GIB})) for name in ("one", "other"))
    more = build.desired(build.image(), build.vm("other", root_disk=_DISK))
    world = pretend.run(pretend.World(), pretend.World().plan(one, host), host)
    world = _run_only(pretend, world, world.plan(more, host, purge=True), host, _begins_other)
    record = world.recorded.records["shop"]["vm.one"]
    plan = snapshots.plan_taking([record], snapshots.Taking("a", 1), world.recorded, world.observed, host)
    assert plan.diagnostics == ()
    assert plan.capacity.disk.after == 40 * GIB
    assert _exceeded(world.plan(other, host, purge=True)) == []


@pytest.fixture(name="neighbours")
def _neighbours(build, pretend):
    """A VM that was begun, in a stack of its own, beside a stack in which one VM makes room for another and both promise the same."""

    def stack(name, owner, rate):
        card = {"network": "lan", "rate": {"download": rate, "upload": None}}
        network = build.network(cidr="10.43.0.0/24" if owner == "shop" else "10.44.0.0/24")
        return build.desired(build.image(), network, build.vm(name, networks=[card]), stack=owner)

    host = build.host(4, uplink=Uplink("eth0", 500))
    one, other, small = stack("one", "lab", 600), stack("other", "lab", 600), stack("small", "shop", 300)
    world = pretend.run(pretend.World(), pretend.World().plan(one, host), host)
    world = _run_only(pretend, world, world.plan(small, host), host, lambda step: not step.part.startswith(("nic.", "machine", "power")))
    world = _run_only(pretend, world, world.plan(other, host), host, _begins_other)
    return host, world, small, stack("new", "new", 300)


def test_a_stack_lives_on_what_it_was_promised_although_another_promises_too_much(neighbours) -> None:
    host, world, small, _ = neighbours
    plan = world.plan(small, host)
    assert [found.detail for found in plan.diagnostics if found.is_error] == []
    assert next(step for step in plan.steps if step.kind == "tap.create").takes.network == 0


def test_nobody_else_is_given_what_is_promised(neighbours) -> None:
    host, world, _, new = neighbours
    assert "does-not-fit-network" in [found.code for found in world.plan(new, host).diagnostics]


def test_while_the_other_stack_is_worked_on_all_that_it_promises_counts(neighbours) -> None:
    host, world, small, _ = neighbours
    reserved = {"lab": {"vm.other": world.recorded.records["lab"]["vm.other"]}}
    busy = world._replace(recorded=world.recorded._replace(reserved=reserved))
    assert [found.code for found in busy.plan(small, host).diagnostics] == ["does-not-fit-network"]
