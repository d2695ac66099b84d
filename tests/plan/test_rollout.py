"""Instances of one block are interrupted one after the other, as many at once as the block allows."""

import pytest

from herocloud.plan import rollout


def _plan(build, pretend, count: int, together: str | None = None):
    host = build.host()
    more = {} if together is None else {"max_unavailable": together}
    old = build.desired(build.image(), build.vms("web", count))
    new = build.desired(
        build.image(), [vm._replace(**more) for vm in build.vms("web", count, cpu={"max": 8, "affinity": None, "topology": None})]
    )
    world = pretend.run(pretend.World(), pretend.World().plan(old, host), host)
    return world.plan(new, host)


def _down_at_once(plan) -> int:
    """Walk the steps as early as possible and count how many machines are down together."""
    level: dict[str, int] = {}
    spans = {}
    for step in plan.steps:
        level[step.id] = 1 + max((level[need] for need in step.needs), default=0)
        begin, _ = spans.get(step.address, (level[step.id], 0))
        spans[step.address] = (begin if step.kind != "vm.stop" else level[step.id], level[step.id])
    moments = range(1, max(level.values()) + 1)
    return max(sum(1 for begin, end in spans.values() if begin <= moment <= end) for moment in moments)


def test_one_at_a_time_where_the_file_says_nothing(build, pretend) -> None:
    assert _down_at_once(_plan(build, pretend, 4)) == 1


def test_as_many_at_once_as_the_block_allows(build, pretend) -> None:
    assert _down_at_once(_plan(build, pretend, 4, "2")) == 2
    assert _down_at_once(_plan(build, pretend, 4, "50%")) == 2


@pytest.mark.parametrize(
    ("text", "count", "expected"), [("1", 9, 1), ("3", 9, 3), ("25%", 8, 2), ("25%", 3, 1), ("100%", 7, 7), ("1%", 50, 1)]
)
def test_a_share_is_rounded_down_but_never_to_none(text: str, count: int, expected: int) -> None:
    assert rollout.how_many(text, count) == expected


def test_a_block_goes_down_as_one_with_what_it_depends_on(build, pretend) -> None:
    host = build.host()
    old = build.desired(build.image(), build.vm("db"), build.vms("web", 2, needs=("vm.db",)))
    new = build.desired(build.image(sha256="two"), build.vm("db"), build.vms("web", 2, needs=("vm.db",)))
    world = pretend.run(pretend.World(), pretend.World().plan(old, host), host)
    plan = world.plan(new, host)
    assert not plan.errored
    assert pretend.run(world, plan, host).plan(new, host).changing == ()
