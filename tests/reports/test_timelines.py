from herocloud.reports import timelines


def test_the_critical_path_is_the_chain_that_decides_the_total(plans) -> None:
    found = timelines.of_plan(plans.plan(plans.reboot(), plans.update()))
    assert [bar.step for bar in found.path] == ["vm.cache/vm.stop", "vm.cache/vm.configure", "vm.cache/vm.boot"]
    assert found.total == sum(bar.end - bar.start for bar in found.path)


def test_learned_durations_move_the_critical_path(plans) -> None:
    plan = plans.plan(plans.reboot(), plans.update())
    slow = tuple(step._replace(seconds=100.0) if step.kind == "vm.resize" else step for step in plan.steps)
    found = timelines.of_plan(plan._replace(steps=slow))
    assert [bar.step for bar in found.path] == ["vm.db/vm.resize"]


def test_a_step_starts_when_what_it_needs_is_done(plans) -> None:
    (row,) = timelines.of_plan(plans.plan(plans.reboot())).rows
    assert [bar.start for bar in row.bars] == [0.0, 8.0, 8.3]


def test_every_bar_lies_within_the_width(plans) -> None:
    for found in (timelines.of_plan(plans.everything()), timelines.of_result(plans.done(plans.example()))):
        for row in found.rows:
            assert all(bar.left >= 0 and bar.left + bar.wide <= timelines.WIDTH + 0.2 for bar in row.bars)


def test_what_ends_last_is_drawn_and_the_rest_is_counted(plans) -> None:
    plan = plans.plan(plans.reboot(), *(plans.update(f"vm.w[{i}]") for i in range(40)))
    found = timelines.of_plan(plan, most=10)
    assert found.rows[0].address == "vm.cache"
    assert (len(found.rows), found.hidden) == (10, 31)


def test_a_plan_without_steps_has_an_empty_timeline(plans) -> None:
    assert timelines.of_plan(plans.plan()) == timelines.Timeline((), 0.0, 0)
