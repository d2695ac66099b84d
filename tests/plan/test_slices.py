"""Who gets which slice."""

GIB = 1024**3


def _slices(plan):
    return {change.address: change.after["slices"] for change in plan.changes if change.kind == "vm" and change.after}


def test_the_lowest_free_slices_go_in_file_order(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web", slices=2), build.vm("db")), build.host(8))
    assert _slices(plan) == {"vm.web": ["s1", "s2"], "vm.db": ["s3"]}


def test_a_pin_further_down_is_respected_above(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web", slices=2), build.vm("db", slice=["s1"])), build.host(8))
    assert _slices(plan) == {"vm.web": ["s2", "s3"], "vm.db": ["s1"]}


def test_memory_decides_how_many_when_nothing_else_does(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web", memory=9 * GIB), build.vm("db")), build.host(8))
    assert _slices(plan) == {"vm.web": ["s1", "s2", "s3"], "vm.db": ["s4"]}
    assert {change.address: change.after["memory"] for change in plan.changes if change.kind == "vm"} == {
        "vm.web": 9 * GIB,
        "vm.db": 4 * GIB,
    }


def test_an_assignment_never_moves_by_itself(build, pretend) -> None:
    host = build.host(8)
    first = build.desired(build.image(), build.vm("web"), build.vm("db"))
    world = pretend.run(pretend.World(), pretend.World().plan(first, host), host)
    plan = world.plan(build.desired(build.image(), build.vm("new"), build.vm("db")), host)
    assert _slices(plan) == {"vm.new": ["s3"], "vm.db": ["s2"]}


def test_a_slice_of_a_leaving_vm_is_taken_last_and_waited_for(build, pretend) -> None:
    host = build.host(2)
    first = build.desired(build.image(), build.vm("web"), build.vm("db"))
    world = pretend.run(pretend.World(), pretend.World().plan(first, host), host)
    plan = world.plan(build.desired(build.image(), build.vm("new"), build.vm("db")), host)
    assert _slices(plan) == {"vm.new": ["s1"], "vm.db": ["s2"]}
    waiting = next(step for step in plan.steps if step.id == "vm.new/disk.create")
    assert "vm.web/disk.delete" in waiting.needs
    assert (plan.capacity.slices.peak, plan.capacity.slices.limit) == (2, 2)
    pretend.run(world, plan, host)


def test_too_few_slices_name_who_got_none(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web"), build.vm("db"), build.vm("lab", slices=2)), build.host(2))
    [found] = [found for found in plan.diagnostics if found.code == "does-not-fit-slices"]
    assert "`vm.lab` (2)" in found.detail
    assert not plan.applyable


def test_a_pin_to_a_slice_that_stays_in_use_is_refused(build, pretend) -> None:
    host = build.host(4)
    world = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.image(), build.vm("web")), host), host)
    plan = world.plan(build.desired(build.image(), build.vm("web"), build.vm("db", slice=["s1"])), host)
    assert [(found.code, found.address) for found in plan.diagnostics] == [("does-not-fit-slice", "vm.db")]


def test_an_unknown_slice_is_refused(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("db", slice=["s9"])), build.host(4))
    assert [found.code for found in plan.diagnostics] == ["unknown-slice"]


def test_vms_that_swap_pins_in_one_apply_are_told_why_not(build, pretend) -> None:
    host = build.host(4)
    first = build.desired(build.image(), build.vm("web", slice=["s1"]), build.vm("db", slice=["s2"]))
    world = pretend.run(pretend.World(), pretend.World().plan(first, host), host)
    plan = world.plan(build.desired(build.image(), build.vm("web", slice=["s2"]), build.vm("db", slice=["s1"])), host)
    assert [found.code for found in plan.diagnostics] == ["circle"]


def test_other_stacks_keep_their_slices(build, pretend) -> None:
    host = build.host(4)
    other = build.desired(build.image(), build.vm("web"), stack="lab")
    world = pretend.run(pretend.World(), pretend.World().plan(other, host), host)
    plan = world.plan(build.desired(build.image(), build.vm("web")), host)
    assert _slices(plan) == {"vm.web": ["s2"]}
    assert plan.capacity.slices[:3] == (1, 2, 2)
