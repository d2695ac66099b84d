"""What holds for every stack: plans settle, never exceed the host, and deletion undoes creation."""

import random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as some

from herocloud.kits import jsons
from herocloud.model import plan_codec
from herocloud.model.hosts import Uplink
from herocloud.model.words import Action

# A limit that strikes inside of a draw makes Hypothesis believe that the strategy is flaky: on a busy machine these need their time.
pytestmark = [pytest.mark.world, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module", name="check")
def _check(build, pretend):
    def settled(world, desired, host):
        again = world.plan(desired, host)
        assert [(change.address, change.action, change.fields) for change in again.changing] == []
        assert again.drift == ()

    return settled


def _thorough(examples):
    return settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def _property(invent, body, *strategies, examples=100):
    _thorough(examples)(given(*strategies)(body))()


def test_a_plan_once_applied_leaves_nothing_to_plan(build, pretend, invent, check) -> None:
    def body(stack, seed):
        host = build.host(40)
        world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host, order=random.Random(seed))
        check(world, stack, host)

    _property(invent, body, invent.stacks(), some.integers(0, 2**32))


def test_any_stack_turns_into_any_other_and_then_rests(build, pretend, invent, check) -> None:
    def body(first, second, seed):
        host, order = build.host(40), random.Random(seed)
        world = pretend.run(pretend.World(), pretend.World().plan(first, host), host, order=order)
        change = world.plan(second, host)
        assume(not change.errored)
        check(pretend.run(world, change, host, order=order), second, host)

    same = invent.stacks(names=("web", "db"), checksums=("one",))
    _property(invent, body, invent.stacks(), invent.stacks(), some.integers(0, 2**32), examples=100)
    _property(invent, body, same, same, some.integers(0, 2**32), examples=200)


def test_no_order_of_steps_exceeds_a_host_that_is_just_large_enough(build, pretend, invent) -> None:
    def body(first, second, seed, slices, disk, huge, speed):
        host = build.host(slices, disk=disk, cpus=slices, hugepages=huge, uplink=Uplink("eth0", speed))
        order = random.Random(seed)
        start = pretend.World().plan(first, host)
        assume(not start.errored)
        world = pretend.run(pretend.World(), start, host, order=order)
        change = world.plan(second, host, purge=True)
        assume(not change.errored)
        # The pretended world refuses a step that would exceed a limit.
        pretend.run(world, change, host, order=order)
        for level in change.capacity:
            assert level.limit is None or level.peak <= level.limit
            assert level.peak >= max(level.before, level.after)

    _property(
        invent, body, invent.stacks(), invent.stacks(), some.integers(0, 2**32), some.integers(2, 9), some.integers(20, 40),
        some.none() | some.integers(0, 5).map(lambda count: count * 4 * 1024**3), some.sampled_from([500, 1000, 4000]), examples=200,
    )  # fmt: skip


def test_what_fits_the_uplink_before_and_after_fits_on_the_way(build, pretend, invent, check) -> None:
    def body(first, second, seed):
        host, order = build.host(8, uplink=Uplink("eth0", 500)), random.Random(seed)
        world = pretend.run(pretend.World(), pretend.World().plan(first, host), host, order=order)
        # The pretended world asserts that the plan can be made, and refuses a step that would exceed the uplink.
        check(pretend.run(world, world.plan(second, host), host, order=order), second, host)

    _property(invent, body, invent.linked(), invent.linked(), some.integers(0, 2**32), examples=200)


def test_an_apply_cut_off_anywhere_is_completed_by_the_next(build, pretend, invent, check) -> None:
    def body(first, second, seed, cut):
        host, order = build.host(40), random.Random(seed)
        world = pretend.run(pretend.World(), pretend.World().plan(first, host), host, order=order, stop_after=cut)
        change = world.plan(second, host)
        assume(not change.errored)
        world = pretend.run(world, change, host, order=order, stop_after=cut // 2 + 1)
        last = world.plan(second, host)
        assume(not last.errored)
        check(pretend.run(world, last, host, order=order), second, host)

    _property(invent, body, invent.stacks(), invent.stacks(), some.integers(0, 2**32), some.integers(1, 40), examples=200)


def test_destroying_leaves_no_record_and_every_slice_free(build, pretend, invent) -> None:
    def body(stack, seed):
        host, order = build.host(40), random.Random(seed)
        world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host, order=order)
        gone = world.plan(stack, host, destroy=True)
        assert {change.action for change in gone.changing} <= {Action.DELETE}
        world = pretend.run(world, gone, host, order=order)
        assert world.recorded.records["shop"] == {}
        assert world.observed.things["shop"] == {}
        assert gone.capacity.slices.after == 0

    _property(invent, body, invent.stacks(), some.integers(0, 2**32))


def test_the_same_inputs_give_the_same_bytes(build, pretend, invent) -> None:
    def body(first, second):
        host = build.host(40)
        world = pretend.run(pretend.World(), pretend.World().plan(first, host), host)
        one, other = (jsons.dumps(plan_codec.encode_plan(world.plan(second, host))) for _ in range(2))
        assert one == other

    _property(invent, body, invent.stacks(), invent.stacks())


def test_a_filed_plan_reads_back_whole(build, pretend, invent) -> None:
    def body(stack):
        plan = pretend.World().plan(stack, build.host(40))
        assert plan_codec.decode_plan(jsons.loads(jsons.dumps(plan_codec.encode_plan(plan)))) == plan

    _property(invent, body, invent.stacks(), examples=50)
