"""A plan of one VM is drafted over an excerpt of its stack: it is the plan that the whole stack gives, and counts all of it."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from herocloud.model.applies import Pending
from herocloud.plan import excerpt, imperative_vms, reservations, vm_power
from herocloud.plan.draft import World
from tests.plan.building import GIB

pytestmark = pytest.mark.timeout(600)

_NAMES = tuple(f"vm-{number}" for number in range(6))


@some.composite
def _stacks(draw, build):
    """VMs and images alone; some need another VM, and some share an image."""
    resources = [build.image("debian12"), build.image("alpine")]
    for number, name in enumerate(_NAMES):
        needs = draw(some.sampled_from([(), (), tuple(f"vm.{other}" for other in _NAMES[:number][-1:])]))
        fields = {
            "image": draw(some.sampled_from(["debian12", "alpine"])),
            "slices": draw(some.sampled_from([1, 2])),
            "memory": draw(some.sampled_from([None, GIB])),
            "vcpus": draw(some.sampled_from([1, 2])),
            "state": draw(some.sampled_from(["running", "stopped", "paused"])),
            "labels": draw(some.sampled_from([{}, {"tier": "data"}])),
        }
        resources.append(build.vm(name, needs=needs, **fields))
    return build.desired(resources)


def _at_work(world, host, plan, address, order):
    """Admit a plan as an apply of one address, and let it come some way; it may also be left there by a failure."""
    number = len(world.recorded.unfinished) + 1
    pending = Pending(number, plan.id, plan.stack, plan.operation, "running", 0.0, address=address, alive=True)
    held = {record.address: record for record in reservations.reserve(plan, world.recorded.records[plan.stack])}
    return pending, held


@pytest.mark.world
def test_an_excerpt_gives_the_plan_that_the_whole_stack_gives(build, pretend, monkeypatch) -> None:
    excerpts = []

    def body(stack, seed, slices, busy, left):
        order, host = random.Random(seed), build.host(slices)
        world = pretend.run(pretend.World(), pretend.World().plan(stack, build.host(40)), build.host(40), order=order)
        for name in order.sample(_NAMES, busy):
            record = world.recorded.records["shop"][f"vm.{name}"]
            plan = vm_power.plan_power(order.choice(["stop", "start", "delete"]), record, world.recorded, world.observed, host)
            if plan.errored or not plan.steps:
                continue
            pending, held = _at_work(world, host, plan, record.address, order)
            reached = pretend.run(world, plan, build.host(99), order=order, stop_after=order.randrange(len(plan.steps)))
            reserved = {"shop": {**world.recorded.reserved.get("shop", {}), **held}}
            unfinished = (*world.recorded.unfinished, *(() if left else (pending,)))
            recorded = reached.recorded._replace(unfinished=unfinished, reserved=reserved, outputs=world.recorded.outputs)
            world = reached._replace(recorded=recorded)

        def plans():
            for address, record in world.recorded.records["shop"].items():
                if record.kind == "vm" and address in world.observed.things["shop"]:
                    for action in ("start", "stop", "restart", "pause", "delete"):
                        yield vm_power.plan_power(action, record, world.recorded, world.observed, host)
            added = build.vm("new", image="alpine", slices=1)
            yield imperative_vms.plan_added("shop", [added], world.recorded, world.observed, host)
            yield imperative_vms.plan_added("shop", [build.image("other"), build.vm("new", image="other")], *world[:2], host)

        cut = excerpt.cut

        def count(*args):
            part = cut(*args)
            excerpts.append(part is not None)
            return part

        with monkeypatch.context() as patch:
            patch.setattr(excerpt, "cut", count)
            short = list(plans())
            patch.setattr(excerpt, "cut", lambda *_: None)
            whole = list(plans())
        for one, other in zip(short, whole, strict=True):
            assert one._replace(changes=one.changing) == other._replace(changes=other.changing)

    strategies = (_stacks(build), some.integers(0, 2**32), some.integers(8, 16), some.integers(0, 3), some.booleans())
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    settings(max_examples=60, deadline=None, suppress_health_check=checks)(given(*strategies)(body))()
    assert excerpts.count(True) > len(excerpts) / 4


@pytest.fixture(name="standing")
def _standing(build, pretend):
    def stand(*more):
        host = build.host()
        resources = [build.image(), *more, *(build.vm(name) for name in _NAMES)]
        return pretend.run(pretend.World(), pretend.World().plan(build.desired(resources), host), host), host

    return stand


def test_a_plan_of_one_vm_has_nothing_of_the_others(standing, build) -> None:
    world, host = standing()
    record = world.recorded.records["shop"]["vm.vm-3"]
    stopped = vm_power.plan_power("stop", record, world.recorded, world.observed, host)
    added = imperative_vms.plan_added("shop", [build.vm("new")], world.recorded, world.observed, host)
    assert [change.address for change in stopped.changes] == ["image.debian12", "vm.vm-3"]
    assert [change.address for change in added.changes] == ["image.debian12", "vm.new"]
    assert added.capacity.slices.before == len(_NAMES)


def test_a_network_between_vms_makes_the_whole_stack_count(standing, build) -> None:
    world, host = standing(build.network())
    world = World(world.recorded, world.observed, host)
    assert excerpt.cut(world, "shop", frozenset({"vm.vm-3"}), ()) is None


def test_what_a_failure_left_makes_the_whole_stack_count(standing) -> None:
    world, host = standing()
    records = dict(world.recorded.records["shop"])
    records["vm.vm-1"] = records["vm.vm-1"]._replace(complete=False)
    recorded = world.recorded._replace(records={"shop": records})
    assert excerpt.cut(World(recorded, world.observed, host), "shop", frozenset({"vm.vm-3"}), ()) is None
