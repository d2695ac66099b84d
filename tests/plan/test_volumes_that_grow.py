"""A volume that grows under a running VM is told to that VM, and nothing is unplugged for it."""

GIB = 1024**3


def _stack(build, size: int, **more):
    return build.desired(build.image(), build.volume(size=size), build.vm("db", volumes=["data"], needs=("volume.data",), **more))


def _made(build, pretend, host, **more):
    return pretend.run(pretend.World(), pretend.World().plan(_stack(build, 10, **more), host), host)


def test_the_vm_is_told_once_the_volume_has_grown(build, pretend) -> None:
    host = build.host(4)
    world = _made(build, pretend, host)
    plan = world.plan(_stack(build, 20), host)
    assert [step.kind for step in plan.steps] == ["volume.grow", "vm.update"]
    grown, told = plan.steps
    assert told.needs == (grown.id,)
    assert [one["size"] for one in told.after["volumes"]] == [20 * GIB]
    assert not pretend.run(world, plan, host).plan(_stack(build, 20), host).steps


def test_a_stopped_vm_learns_it_when_it_boots(build, pretend) -> None:
    host = build.host(4)
    world = _made(build, pretend, host, state="stopped")
    plan = world.plan(_stack(build, 20, state="stopped"), host)
    assert [step.kind for step in plan.steps] == ["volume.grow", "vm.configure"]


def test_a_vm_that_stops_anyway_stops_first_so_that_taking_it_back_boots_it_on_the_small_volume(build, pretend) -> None:
    host = build.host(4)
    world = _made(build, pretend, host)
    plan = world.plan(_stack(build, 20, ssh_keys=["k"]), host)
    steps = {step.id: step for step in plan.steps}
    assert "vm.db/vm.stop" in steps["volume.data/volume.grow"].needs
    assert "volume.data/volume.grow" in steps["vm.db/vm.boot"].needs
    assert not pretend.run(world, plan, host).plan(_stack(build, 20, ssh_keys=["k"]), host).steps
