"""Get ready first, then interrupt: no machine stops before everything that could be had without touching it is there."""

from hypothesis import assume, given, settings
from hypothesis import strategies as some

from herocloud.model.steps import KINDS
from herocloud.plan import preparation


def _ancestors(plan) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {}
    for step in plan.steps:
        known[step.id] = {need for direct in step.needs for need in (direct, *known[direct])}
    return known


def _unready(plan) -> list[tuple[str, str]]:
    """Pairs of a stop and a fetch or network that it does not wait for, although it could."""
    above = _ancestors(plan)
    stops = [step.id for step in plan.steps if step.kind in ("vm.stop", "vm.detach", "vm.delete")]
    first = [stop for stop in stops if not above[stop] & set(stops)]
    fetches = [step.id for step in plan.steps if step.kind in ("image.fetch", "network.create") and not above[step.id] & set(stops)]
    return [(stop, fetch) for stop in first for fetch in fetches if fetch not in above[stop]]


def test_a_new_image_is_here_before_any_of_its_vms_stops(build, pretend) -> None:
    host = build.host()
    old = build.desired(build.image(), build.vms("web", 2), build.vm("db"))
    new = build.desired(build.image(sha256="two"), build.vms("web", 2), build.vm("db"))
    world = pretend.run(pretend.World(), pretend.World().plan(old, host), host)
    plan = world.plan(new, host)
    assert next(step.kind for step in plan.steps if step.kind in ("image.fetch", "vm.stop")) == "image.fetch"
    assert _unready(plan) == []


def test_a_stop_waits_for_a_fetch_that_another_change_needs(build, pretend) -> None:
    host = build.host()
    old = build.desired(build.image(), build.vm("db"))
    new = build.desired(
        build.image(),
        build.image("alpine"),
        build.vm("db", cpu={"max": 8, "affinity": None, "topology": None}),
        build.vm("new", image="alpine"),
    )
    world = pretend.run(pretend.World(), pretend.World().plan(old, host), host)
    plan = world.plan(new, host)
    stop = next(step for step in plan.steps if step.kind == "vm.stop")
    assert "image.alpine/image.fetch" in stop.needs


def test_no_stop_comes_before_a_fetch_in_any_plan(build, pretend, invent) -> None:
    @settings(max_examples=60)
    @given(invent.stacks(), invent.stacks())
    def check(first, second) -> None:
        host = build.host(40)
        start = pretend.World().plan(first, host)
        assume(not start.errored)
        change = pretend.run(pretend.World(), start, host).plan(second, host)
        assume(not change.errored)
        assert _unready(change) == []

    check()


def test_waiting_never_makes_a_circle(build) -> None:
    from herocloud.model.ids import StepId
    from herocloud.model.steps import Step

    @given(some.lists(some.tuples(some.sampled_from(sorted(KINDS)), some.sets(some.integers(0, 30), max_size=3)), max_size=31))
    def check(drawn) -> None:
        steps = [
            Step(StepId(f"s{number}"), "vm.a", kind, "p", "part", None, None, tuple(f"s{need}" for need in sorted(needs) if need < number))
            for number, (kind, needs) in enumerate(drawn)
        ]
        from herocloud.plan import order

        waits = preparation.wait_for_preparations(steps, {})
        assert len(order.sort_steps(steps, waits)) == len(steps)

    check()
