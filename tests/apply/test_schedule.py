"""The graph: every step after what it needs, lanes and parallelism kept, failures spread, and no more than linear work."""

from collections.abc import Iterator
from typing import Any

import effort
from hypothesis import given
from hypothesis import strategies as st

from herocloud.apply.schedule import Walk
from herocloud.model.steps import KINDS, LANES, Step


def needs_of(steps: list[Step]) -> dict[str, tuple[str, ...]]:
    return {step.id: step.needs for step in steps}


def a_step(number: int, kind: str, needs: set[int]) -> Step:
    return Step(f"vm.v{number}/{kind}", f"vm.v{number}", kind, "fake", "p", None, 1, tuple(sorted(needs)))


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    """Steps of which each needs some earlier ones, in any order."""
    steps: list[Step] = []
    for number in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from(["image.fetch", "disk.create", "vm.boot", "tap.create", "record.write"]))
        chosen = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        step = a_step(number, kind, set())
        steps.append(step._replace(needs=tuple(steps[one].id for one in sorted(chosen))))
    return draw(st.permutations(steps))


@given(graphs(), st.integers(1, 6), st.randoms(use_true_random=False), st.floats(0, 0.4))
def test_any_graph_is_walked_within_its_bounds(steps, parallelism, random, failing) -> None:
    walk = Walk(steps, needs_of(steps), parallelism)
    running: list[Step] = []
    ended: dict[str, str] = {}
    while True:
        for step in walk.take():
            assert all(ended.get(need) == "done" for need in step.needs)
            running.append(step)
        assert len(running) <= parallelism
        lanes = [KINDS[step.kind].lane for step in running]
        assert all(lanes.count(lane) <= LANES[lane] for lane in lanes)
        if not running:
            break
        step = running.pop(random.randrange(len(running)))
        if random.random() < failing:
            ended[step.id] = "failed"
            for skipped in walk.fail(step):
                assert skipped.id not in ended, "told once"
                ended[skipped.id] = "skipped"
        else:
            ended[step.id] = "done"
            walk.complete(step)
    assert set(ended) == {step.id for step in steps}
    assert walk.rest() == []
    for step in steps:
        blocked = any(ended[need] != "done" for need in step.needs)
        assert (ended[step.id] == "skipped") == blocked


def chains(count: int) -> Iterator[Step]:
    for number in range(count):
        base = f"vm.v{number}"
        previous: tuple[Any, ...] = ()
        for kind in ("disk.create", "seed.write", "tap.create", "vm.create", "vm.boot"):
            yield Step(f"{base}/{kind}", base, kind, "fake", "p", None, 1, previous)
            previous = (f"{base}/{kind}",)


def test_the_work_of_a_walk_grows_with_its_steps_and_no_faster() -> None:
    def walk_all(steps: list[Step]) -> int:
        walk = Walk(steps, needs_of(steps), 10)
        done = 0
        while taken := walk.take():
            for step in taken:
                walk.complete(step)
                done += 1
        return done

    few, small = effort.calls_of(lambda: walk_all(list(chains(1_000))))
    many, large = effort.calls_of(lambda: walk_all(list(chains(10_000))))
    assert (few, many) == (5_000, 50_000)
    assert large < 12 * small


def test_the_work_of_a_failure_grows_with_what_it_skips_and_no_faster() -> None:
    root = Step("image.i/image.fetch", "image.i", "image.fetch", "fake", "p", None, 1)

    def fail_first(count: int) -> int:
        steps = [root, *(step if step.needs else step._replace(needs=(root.id,)) for step in chains(count))]
        walk = Walk(steps, needs_of(steps), 10)
        (first,) = walk.take()
        return len(walk.fail(first))

    (few, small), (many, large) = (effort.calls_of(lambda count=count: fail_first(count)) for count in (1_000, 10_000))
    assert (few, many) == (5_000, 50_000)
    assert large < 12 * small
