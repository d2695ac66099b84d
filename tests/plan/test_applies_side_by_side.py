"""Applies of different addresses of one stack run at once, and each is promised what no other one was promised."""

import random

import pytest

from herocloud.model.applies import Pending
from herocloud.model.hosts import ImageNeed, Uplink
from herocloud.plan import capacity, facts, imperative_vms, overpromised, reservations, snapshots
from tests.plan.building import GIB

_RATE = {"network": "lan", "rate": {"download": 300, "upload": None}}
_FAST_DISK = {"size": 10 * GIB, "direct": False, "rate": {"bandwidth": 300, "iops": None}}
_HUGE = {"hugepages": True, "mergeable": False, "hotplug": None}

ROOMS = {
    "vCPUs": ({"cpus": 16}, {"vcpus": 20}),
    "memory": ({"reserve_memory": 28 * GIB}, {"memory": 4 * GIB}),
    "huge pages": ({"hugepages": 13 * GIB}, {"memory": 4 * GIB, "memory_options": _HUGE}),
    "RAM outside of huge pages": ({"hugepages": 28 * GIB}, {"memory": 4 * GIB}),
    "disk": ({"limit_disk": 65 * GIB}, {"root_disk": {"size": 20 * GIB, "direct": False, "rate": None}}),
    "disk bandwidth": ({"limit_disk_io": 500}, {"root_disk": _FAST_DISK}),
    "bandwidth": ({"uplink": Uplink("eth0", 500)}, {"networks": [_RATE]}),
    "slices": ({"slices": 3}, {}),
}
"""By resource: a host with room for three VMs, and what each VM asks for."""
_ASKING = 8


def _admit(world, plan, address):
    """Write a plan down as an apply of one address at which somebody is at work."""
    recorded = world.recorded
    number = len(recorded.unfinished) + 1
    pending = Pending(number, plan.id, plan.stack, plan.operation, "running", 0.0, address=address, alive=True)
    held = {record.address: record for record in reservations.reserve(plan, recorded.records.get(plan.stack, {}))}
    reserved = {**recorded.reserved, plan.stack: {**recorded.reserved.get(plan.stack, {}), **held}}
    return world._replace(recorded=recorded._replace(unfinished=(*recorded.unfinished, pending), reserved=reserved))


def _exceeded(world, host):
    """Return what all that is recorded and reserved together exceeds."""
    held = capacity.used(overpromised.as_counted(reservations.occupied(world.recorded, None), world.observed, host, None), world.observed)
    return [name for name, limit in capacity.limits(host).items() if limit is not None and capacity.amount_of(held, name) > limit]


def _added(build, world, host, name, asked):
    networks = [] if "network.lan" in world.recorded.records["shop"] else [build.network()]
    return imperative_vms.plan_added("shop", [*networks, build.vm(name, **asked)], world.recorded, world.observed, host)


@pytest.fixture(name="standing")
def _standing(build, pretend):
    """A stack in which an image and a network are, and no VM yet."""

    def stand(room):
        more, asked = ROOMS[room]
        host = build.host(**{"slices": 10, "disk": 200, **more})
        world = pretend.World()
        return host, pretend.run(world, world.plan(build.desired(build.image(), build.network()), host), host), asked

    return stand


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("room", ROOMS)
def test_eight_at_once_are_promised_no_more_than_there_is(build, pretend, standing, room, seed) -> None:
    host, world, asked = standing(room)
    order = random.Random(f"{room} {seed}")
    admitted = []
    for number in range(_ASKING):
        name = f"vm-{number}"
        plan = _added(build, world, host, name, asked)
        if plan.errored:
            assert [found.code for found in plan.diagnostics if found.is_error]
            continue
        admitted.append(name)
        world = _admit(world, plan, f"vm.{name}")
        steps = order.randrange(len(plan.steps) + 1)
        if steps:
            reached = pretend.run(
                world, plan, build.host(99, disk=999, hugepages=host.hugepages and 99 * GIB), order=order, stop_after=steps
            )
            world = reached._replace(recorded=reached.recorded._replace(outputs=world.recorded.outputs))
        assert _exceeded(world, host) == []
    assert len(admitted) == 3


@pytest.mark.parametrize("room", ROOMS)
def test_what_another_was_admitted_with_makes_an_older_plan_stale(build, standing, room) -> None:
    host, world, asked = standing(room)
    older = _added(build, world, host, "late", asked)
    for name in ("a", "b", "c"):
        world = _admit(world, _added(build, world, host, name, asked), f"vm.{name}")
    taken = reservations.occupied(world.recorded, "shop", ["vm.late"])
    now = facts.current_facts([fact.key for fact in older.facts], taken, world.observed, host, plan_of="shop")
    changed = [fact.key.partition(":")[0] for fact in older.facts if now[fact.key].digest != fact.digest]
    assert "slice" in changed
    assert room == "slices" or "capacity" in changed


def test_two_at_once_get_slices_cards_and_addresses_of_their_own(build, standing) -> None:
    host, world, _ = standing("vCPUs")
    plans = []
    for name in ("one", "two"):
        plan = _added(build, world, host, name, {"networks": ["lan"]})
        assert not plan.errored
        plans.append(next(change.after for change in plan.changing if change.kind == "vm"))
        world = _admit(world, plan, f"vm.{name}")
    (one,), (two,) = (spec["networks"] for spec in plans)
    assert plans[0]["slices"] != plans[1]["slices"]
    assert one["address"] != two["address"]
    assert one["mac"] != two["mac"]


def test_what_a_failure_left_counts_only_as_far_as_it_is_there(build, pretend, standing) -> None:
    host, world, asked = standing("vCPUs")
    world = pretend.run(world, _added(build, world, host, "left", asked), host, stop_after=1)
    for name in ("a", "b"):
        world = _admit(world, _added(build, world, host, name, asked), f"vm.{name}")
    assert not world.recorded.records["shop"]["vm.left"].complete
    # Three times 20 are promised on a host that lost vCPUs, and nobody works on the one of which nothing is there.
    smaller = host._replace(cpus=12)
    assert not _added(build, world, smaller, "c", {"vcpus": 8}).errored
    assert _added(build, world, smaller, "c", {"vcpus": 9}).errored


def test_what_was_cut_off_keeps_what_it_was_admitted_with(build, pretend, standing) -> None:
    host, world, asked = standing("vCPUs")
    for name in ("a", "b", "c"):
        plan = _added(build, world, host, name, asked)
        world = pretend.run(_admit(world, plan, f"vm.{name}"), plan, host, stop_after=1)
    dead = tuple(pending._replace(alive=False) for pending in world.recorded.unfinished)
    world = world._replace(recorded=world.recorded._replace(unfinished=dead))
    assert _added(build, world, host, "d", asked).errored


def test_a_plan_of_the_whole_stack_has_it_to_itself(build, standing) -> None:
    host, world, asked = standing("vCPUs")
    world = _admit(world, _added(build, world, host, "a", asked), "vm.a")
    assert reservations.occupied(world.recorded, "shop").beside == {}
    assert set(reservations.occupied(world.recorded, "shop", ["vm.b"]).beside) == {"vm.a"}
    assert reservations.occupied(world.recorded, "shop", ["vm.a"]).beside == {}


_DISK = {"size": 10 * GIB, "direct": False, "rate": None}


def _plan_of_a_fetch(build, pretend):
    host = build.host(image_needs=(("https://example.org/debian12.qcow2", ImageNeed(7 * GIB, 3 * GIB)),))
    world = pretend.World()
    return host, world, world.plan(build.desired(build.image(), build.vm(root_disk=_DISK)), host)


def _plan_of_a_new_image(build, pretend):
    host, first, second = build.host(), build.image(), build.image("debian13")
    before = build.desired(first, second, build.vm(root_disk=_DISK))
    world = pretend.run(pretend.World(), pretend.World().plan(before, host), host)
    return host, world, world.plan(build.desired(first, second, build.vm(root_disk=_DISK, image="debian13")), host)


def _plan_of_restoring(build, pretend):
    host, stack = build.host(), build.desired(build.image(), build.vm(root_disk=_DISK))
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    record = world.recorded.records["shop"]["vm.web"]
    world = pretend.run(world, snapshots.plan_taking([record], snapshots.Taking("a", 1), world.recorded, world.observed, host), host)
    record = world.recorded.records["shop"]["vm.web"]
    return host, world, snapshots.plan_restoring(record, snapshots.Restoring("a", 2, memory=False), world.recorded, world.observed, host)


def _plan_of_taking(build, pretend):
    host, stack = build.host(), build.desired(build.image(), build.vm(root_disk=_DISK))
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    record = world.recorded.records["shop"]["vm.web"]
    return host, world, snapshots.plan_taking([record], snapshots.Taking("a", 1), world.recorded, world.observed, host)


def _plan_of_growing(build, pretend):
    host, image = build.host(), build.image()
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(image, build.vm(root_disk=_DISK)), host), host)
    return host, world, world.plan(build.desired(image, build.vm(root_disk={**_DISK, "size": 30 * GIB})), host)


@pytest.mark.parametrize(
    "make", [_plan_of_a_fetch, _plan_of_a_new_image, _plan_of_restoring, _plan_of_taking, _plan_of_growing], ids=lambda make: make.__name__
)
def test_room_that_only_a_step_takes_is_held_for_it_from_its_admission(build, pretend, make) -> None:
    host, world, plan = make(build, pretend)
    assert plan.changing
    assert not plan.errored
    level = plan.capacity.disk
    admitted = _admit(world, plan, None)
    counted = overpromised.as_counted(reservations.occupied(admitted.recorded, "another"), admitted.observed, host, "another")
    held = capacity.used(counted, admitted.observed).disk
    # What a fetch gives back is another's at once in the plan, and is held for both.
    assert held == level.peak + (4 * GIB if make is _plan_of_a_fetch else 0)
    assert level.peak > level.before
