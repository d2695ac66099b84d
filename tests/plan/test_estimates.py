"""How long a plan takes: its steps are played through with the executor's rules, at the pace that was learnt here."""

import pytest

from herocloud.model.hosts import Host
from herocloud.model.ids import Address, StepId
from herocloud.model.steps import EXECUTOR, Step, expected_seconds
from herocloud.model.words import Action
from herocloud.plan import estimates

POWER_CYCLE = ("vm.stop", "vm.configure", "vm.boot")
SMALL = {"max": 4, "affinity": None, "topology": None}
HOST = Host("node1", 2**35, 2**40, 2**40, 16, ())


def _steps(address: str, kinds: tuple[str, ...], *, after: tuple[str, ...] = (), provider: str = "qemu") -> list[Step]:
    found: list[Step] = []
    for kind in kinds:
        needs = (found[-1].id,) if found else tuple(map(StepId, after))
        found.append(Step(StepId(f"{address}/{kind}"), Address(address), kind, provider, "power", None, {}, needs))
    return found


def _total(steps: list[Step], parallelism: int = 10, **learnt: float) -> float:
    known = {(kind.replace("_", "."), "qemu"): seconds for kind, seconds in learnt.items()}
    pace = estimates.pace(known, HOST)
    return estimates.estimate([step._replace(seconds=pace(step)) for step in steps], parallelism).total


def test_a_chain_takes_what_its_steps_take() -> None:
    assert _total(_steps("vm.a", POWER_CYCLE)) == pytest.approx(9.3)


def test_the_busiest_lane_bounds_a_large_plan() -> None:
    steps = [step for number in range(800) for step in _steps(f"vm.c[{number}]", POWER_CYCLE)]
    # 800 stops of 8 s, configurations of 0.3 s and boots of 1 s, eight at once.
    assert _total(steps) == pytest.approx(930.0)


def test_less_parallelism_takes_longer() -> None:
    steps = [step for number in range(800) for step in _steps(f"vm.c[{number}]", POWER_CYCLE)]
    assert _total(steps, parallelism=1) == pytest.approx(7440.0)


def test_learned_durations_replace_the_expected_ones() -> None:
    assert _total(_steps("vm.a", POWER_CYCLE), vm_stop=2.0, vm_configure=0.5, vm_boot=4.0) == pytest.approx(6.5)


def test_what_was_learnt_of_one_provider_says_nothing_of_another() -> None:
    pace = estimates.pace({("vm.boot", "qemu"): 4.0}, HOST)
    assert [pace(step) for step in _steps("vm.a", ("vm.boot",)) + _steps("vm.b", ("vm.boot",), provider="other")] == [4.0, 1.0]


def test_a_provider_of_steady_pace_is_believed_until_something_is_learnt() -> None:
    host = HOST._replace(step_times=(("steady", 0.25),))
    (step,) = _steps("vm.a", ("vm.stop",), provider="steady")
    assert estimates.pace({}, host)(step) == 0.25
    assert estimates.pace({("vm.stop", "steady"): 0.5}, host)(step) == 0.5


def test_steps_without_duration_still_cost_the_executor_its_bookkeeping() -> None:
    steps = [step for number in range(2000) for step in _steps(f"vm.c[{number}]", ("record.write",))]
    assert 0.2 < _total(steps) < 20


def test_a_vm_is_down_from_its_stop_to_its_boot_and_for_what_lies_between(build, pretend) -> None:
    host = build.host()
    first = build.desired(build.image(), build.vm("db", cpu=SMALL), build.vm("web", cpu=SMALL, needs=("vm.db",)))
    world = pretend.run(pretend.World(), pretend.World().plan(first, host), host)
    second = build.desired(
        build.image(), build.vm("db", cpu={**SMALL, "max": 8}), build.vm("web", cpu={**SMALL, "max": 8}, needs=("vm.db",))
    )
    plan = world.plan(second, host)
    down = {change.address: change.downtime for change in plan.changing}
    assert {change.action for change in plan.changing} == {Action.REBOOT}
    own = sum(expected_seconds(step) for step in plan.steps if step.address == "vm.web")
    # Whoever needs another VM boots after it, and is down until then.
    assert down["vm.db"] == pytest.approx(own)
    assert down["vm.web"] > down["vm.db"]
    assert plan.critical_seconds == pytest.approx(max(down.values()))


def test_what_was_learnt_changes_the_times_of_a_plan_and_nothing_else(build, pretend) -> None:
    world, host = pretend.World(), build.host()
    stack = build.desired(build.image(), build.vm("db"))
    plan = world.plan(stack, host)
    learnt = {(step.kind, step.provider): 77.0 for step in plan.steps}
    slower = world._replace(recorded=world.recorded._replace(durations=learnt)).plan(stack, host)
    assert slower.critical_seconds > 77
    assert slower.id == plan.id
    same = tuple(step._replace(seconds=0.0) for step in slower.steps)
    assert slower._replace(critical_seconds=0.0, steps=same) == plan._replace(
        critical_seconds=0.0, steps=tuple(step._replace(seconds=0.0) for step in plan.steps)
    )
    assert world.plan(stack, host, parallelism=1).id == plan.id


@pytest.mark.parametrize("count", [0, 1])
def test_an_estimate_has_a_time_for_every_step(count) -> None:
    steps = _steps("vm.a", POWER_CYCLE) * count
    timing = estimates.estimate(steps)
    assert len(timing.starts) == len(timing.ends) == len(steps)


def test_many_short_steps_take_the_executors_own_time_as_it_was_learnt() -> None:
    steps = [step for number in range(2000) for step in _steps(f"vm.c[{number}]", ("record.write",))]
    assert estimates.estimate(steps, learnt={EXECUTOR: 0.01}).total == pytest.approx(20)
    long = [step._replace(seconds=60.0) for step in _steps("vm.a", POWER_CYCLE)]
    assert estimates.estimate(long, learnt={EXECUTOR: 0.01}).total == pytest.approx(60 * len(long))
