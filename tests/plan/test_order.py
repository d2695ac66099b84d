"""The order among changes."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest


def _position(plan, step):
    return [one.id for one in plan.steps].index(step)


def test_deletion_goes_against_creation(build, pretend) -> None:
    host = build.host()
    stack = build.desired(
        build.image(),
        build.network(),
        build.volume(),
        build.vm("db", volumes=["data"]),
        build.vm("web", networks=["lan"], needs=("vm.db",)),
    )
    made = pretend.World().plan(stack, host)
    assert _position(made, "vm.db/vm.boot") < _position(made, "vm.web/vm.boot")
    gone = pretend.run(pretend.World(), made, host).plan(stack, host, destroy=True)
    steps = {step.id: step for step in gone.steps}
    assert "vm.web/vm.delete" in steps["vm.db/vm.stop"].needs
    assert "vm.db/vm.delete" in steps["volume.data/volume.delete"].needs
    assert "vm.web/tap.delete" in steps["network.lan/network.delete"].needs


def test_disks_are_copied_while_dependencies_boot(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("db"), build.vm("web", needs=("vm.db",))), build.host())
    steps = {step.id: step for step in plan.steps}
    assert steps["vm.web/disk.create"].needs == ("image.debian12/image.fetch",)
    assert "vm.db/vm.boot" in steps["vm.web/vm.create"].needs


def test_a_reboot_of_both_ends_of_a_dependency_is_no_circle(build, pretend) -> None:
    host = build.host()
    stack = [
        build.desired(build.image(), build.vm("db", ssh_keys=keys), build.vm("web", ssh_keys=keys, needs=("vm.db",)))
        for keys in ([], ["k"])
    ]
    world = pretend.run(pretend.World(), pretend.World().plan(stack[0], host), host)
    plan = world.plan(stack[1], host)
    assert not plan.errored
    pretend.run(world, plan, host)


def test_each_change_has_one_last_step_that_ends_it(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.network(), build.vms("web", 3, networks=["lan"])), build.host())
    lasts = [step.address for step in plan.steps if step.last]
    assert sorted(lasts) == sorted(change.address for change in plan.changing)
    for step in plan.steps:
        if step.last:
            others = {one.id for one in plan.steps if one.address == step.address} - {step.id}
            assert others <= _reached(plan, step)


def _reached(plan, step):
    steps, seen, stack = {one.id: one for one in plan.steps}, set(), [step.id]
    while stack:
        for need in steps[stack.pop()].needs:
            if need not in seen:
                seen.add(need)
                stack.append(need)
    return seen


@pytest.mark.world
def test_the_bytes_of_a_plan_do_not_depend_on_hash_seeds() -> None:
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.plan import building as build, pretending as pretend

from herocloud.kits import jsons
from herocloud.model import plan_codec
host = build.host(8)
old = build.desired(build.image(), build.network(), build.vms("old", 6, networks=["lan"]), build.vm("keep"))
new = build.desired(build.image(), build.vms("new", 6, vcpus=2), build.vm("keep", vcpus=2, labels={"a": "b", "c": "d"}))
world = pretend.run(pretend.World(), pretend.World().plan(old, host), host)
print(jsons.dumps(plan_codec.encode_plan(world.plan(new, host))))
"""
    folder = str(Path(__file__).resolve().parents[2])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, folder], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1


def test_a_volume_changes_hands_only_when_it_is_let_go(build, pretend) -> None:
    host = build.host()
    around = [build.image(), build.volume()]
    for first, second in (
        ([build.vm("a", volumes=["data"])], [build.vm("a", 0, volumes=["data"])]),
        ([build.vm("a", volumes=["data"]), build.vm("b")], [build.vm("a"), build.vm("b", volumes=["data"])]),
        (
            [build.vm("a", volumes=["data"]), build.vm("b", state="stopped")],
            [build.vm("a", ssh_keys=["k"]), build.vm("b", volumes=["data"])],
        ),
    ):
        world = pretend.run(pretend.World(), pretend.World().plan(build.desired(around, first), host), host)
        plan = world.plan(build.desired(around, second), host)
        for seed in range(5):
            pretend.run(world, plan, host, order=random.Random(seed))


def test_volumes_that_are_swapped_between_running_machines_are_handed_over(build, pretend) -> None:
    host = build.host()
    around = [build.image(), build.volume("one"), build.volume("two")]
    first = build.desired(around, build.vm("a", volumes=["one"]), build.vm("b", volumes=["two"]))
    world = pretend.run(pretend.World(), pretend.World().plan(first, host), host)
    plan = world.plan(build.desired(around, build.vm("a", volumes=["two"]), build.vm("b", volumes=["one"])), host)
    assert not plan.errored
    pretend.run(world, plan, host)
