"""The values that the plan fills in where the file says nothing."""

import pytest

GIB = 1024**3


def _vm(build, pretend, **fields):
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web", **fields)), build.host())
    return next(change.after for change in plan.changes if change.address == "vm.web")


def test_a_vm_that_says_nothing_gets_a_slice_and_room_to_grow(build, pretend) -> None:
    spec = _vm(build, pretend)
    assert (spec["slices"], spec["vcpus"], spec["memory"], spec["cpu"]["max"]) == (["s1"], 1, 4 * GIB, 4)
    assert spec["root_disk"] == {"size": 10 * GIB, "direct": False, "rate": None}


@pytest.mark.parametrize(
    ("fields", "boot", "hotplug"),
    [
        ({"memory": GIB}, GIB, 3 * GIB),
        ({"memory": GIB, "slices": 2}, GIB, 7 * GIB),
        ({"memory": GIB, "memory_options": {"hugepages": False, "mergeable": False, "hotplug": 0}}, GIB, 0),
        ({}, 4 * GIB, 0),
    ],
)
def test_memory_may_grow_to_what_the_slices_hold(build, pretend, fields, boot, hotplug) -> None:
    options = _vm(build, pretend, **fields)["memory_options"]
    assert (options["boot"], options["hotplug"]) == (boot, hotplug)


@pytest.mark.parametrize(
    ("cpu", "most", "packages"),
    [
        ({"max": 8, "affinity": None, "topology": {"threads": 1, "cores": 4, "dies": 1, "packages": 1}}, 8, 2),
        ({"max": None, "affinity": None, "topology": {"threads": 2, "cores": 4, "dies": 1, "packages": 1}}, 8, 1),
    ],
)
def test_a_topology_is_completed_with_packages_of_its_shape(build, pretend, cpu, most, packages) -> None:
    decided = _vm(build, pretend, cpu=cpu)["cpu"]
    assert (decided["max"], decided["topology"]["packages"]) == (most, packages)


def test_an_image_that_is_only_a_kernel_gets_no_disk_unless_asked(build, pretend) -> None:
    stack = build.desired(
        build.kernel(),
        build.vm("bare", image="tiny"),
        build.vm("kept", image="tiny", root_disk={"size": GIB, "direct": False, "rate": None}),
    )
    disks = {
        change.address: change.after["root_disk"] for change in pretend.World().plan(stack, build.host()).changes if change.kind == "vm"
    }
    assert disks["vm.bare"] is None
    assert disks["vm.kept"]["size"] == GIB


def test_a_root_disk_takes_the_size_of_a_larger_image_within_its_slices(build, pretend) -> None:
    world = pretend.World()
    image = build.image()
    world = world._replace(observed=world.observed._replace(images={image.spec["source"]: 24 * GIB}))
    plan = world.plan(build.desired(image, build.vm("web")), build.host())
    assert next(change.after["root_disk"]["size"] for change in plan.changes if change.address == "vm.web") == 24 * GIB


def test_slices_with_little_disk_bound_the_default(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.vm("web")), build.host(disk=6))
    assert next(change.after["root_disk"]["size"] for change in plan.changes if change.address == "vm.web") == 6 * GIB
