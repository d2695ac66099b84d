"""`--target`, `--exclude` and `--replace` by address, by name of counted VMs, and by pattern."""

import pytest


def _stack(build):
    return build.desired(
        build.image(),
        build.network(),
        build.volume(),
        build.vm("db", volumes=["data"]),
        build.vms("web", 2, networks=["lan"], needs=("vm.db",)),
        build.vm("lab"),
    )


@pytest.mark.parametrize(
    ("target", "touched"),
    [
        ("vm.lab", ["image.debian12", "vm.lab"]),
        ("vm.db", ["image.debian12", "volume.data", "vm.db"]),
        ("vm.web[1]", ["image.debian12", "network.lan", "volume.data", "vm.db", "vm.web[1]"]),
        ("vm.web", ["image.debian12", "network.lan", "volume.data", "vm.db", "vm.web[0]", "vm.web[1]"]),
        ("vm.w*", ["image.debian12", "network.lan", "volume.data", "vm.db", "vm.web[0]", "vm.web[1]"]),
    ],
)
def test_a_target_brings_what_it_needs(build, pretend, target, touched) -> None:
    plan = pretend.World().plan(_stack(build), build.host(), target=(target,))
    assert [change.address for change in plan.changing] == touched
    assert not plan.complete


def test_what_needs_the_excluded_is_left_out_too(build, pretend) -> None:
    plan = pretend.World().plan(_stack(build), build.host(), exclude=("vm.db",))
    assert [change.address for change in plan.changing] == ["image.debian12", "network.lan", "volume.data", "vm.lab"]


def test_destroying_a_target_takes_along_who_needs_it(build, pretend) -> None:
    host, stack = build.host(), _stack(build)
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    plan = world.plan(stack, host, destroy=True, target=("network.lan",))
    assert [change.address for change in plan.changing] == ["vm.web[1]", "vm.web[0]", "network.lan"]
    pretend.run(world, plan, host)


def test_an_address_that_names_nothing_is_an_error_with_the_nearest(build, pretend) -> None:
    plan = pretend.World().plan(_stack(build), build.host(), target=("vm.wbe",))
    [found] = plan.diagnostics
    assert (found.code, found.hint) == ("no-such-address", "did you mean `vm.web`?")


def test_untouched_resources_keep_their_place_in_the_plan(build, pretend) -> None:
    host, stack = build.host(), _stack(build)
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    plan = world.plan(stack, host, target=("vm.lab",))
    assert plan.changing == ()
    assert len(plan.changes) == 7


def test_only_vms_can_be_replaced(build, pretend) -> None:
    plan = pretend.World().plan(_stack(build), build.host(), replace=("network.lan",))
    assert [found.code for found in plan.diagnostics] == ["cannot-replace"]


def test_outputs_of_what_is_left_out_do_not_stand_in_the_way(build, pretend) -> None:
    stack = _stack(build)._replace(outputs={"front": "{{ vm.web[0].address.lan }}"})
    plan = pretend.World().plan(stack, build.host(), target=("vm.lab",))
    assert (plan.diagnostics, plan.outputs, plan.changes_outputs) == ((), {}, False)
