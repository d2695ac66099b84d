"""An overlay address that goes from one VM to another is given up before it is taken, however the plan came to that."""

import random

import pytest

from herocloud.kits import jsons
from herocloud.model.hosts import OverlayKey
from herocloud.model.ids import Address
from herocloud.model.worlds import Resource

PUBLIC = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
HOST_KEY = {"name": "host"}
X, Y, Z = "010203040506", "0a0203040506", "0b0203040506"


def _host(build):
    return build.host()._replace(overlay_keys=((jsons.dumps(HOST_KEY), OverlayKey(PUBLIC)),))


def _stack(build, **seeds):
    spec = {"addresses": True, "mode": "host", "daemon": "auto", "key": HOST_KEY, "interfaces": []}
    node = Resource(Address("mycelium.node"), "mycelium", "node", None, spec)
    return build.desired(build.image(), node, *(build.vm(name, mycelium={"seed": seed}) for name, seed in seeds.items()))


def _holders(world):
    found = {}
    for address, thing in world.observed.things["shop"].items():
        for key, part in thing.parts.items():
            if key.startswith("nic.") and part["address"]:
                found.setdefault(part["address"], []).append(address)
    return found


def _check(plan, world):
    """Run through the steps in every order that a few draws find, and see that no address has two holders at any time."""
    held = {address: list(names) for address, names in _holders(world).items()}
    steps = {step.id: step for step in plan.steps}
    done: set[str] = set()
    draw = random.Random(len(steps))
    while len(done) < len(steps):
        step = steps[draw.choice([one.id for one in steps.values() if one.id not in done and done.issuperset(one.needs)])]
        done.add(step.id)
        if not step.part.startswith("nic."):
            continue
        if step.before and step.before["address"]:
            held[step.before["address"]].remove(step.address)
        if step.after and step.after["address"]:
            held.setdefault(step.after["address"], []).append(step.address)
            assert held[step.after["address"]] == [step.address], step.id


CHANGES = {
    "renamed without moved": ({"w": X}, {"a": X}),
    "swapped": ({"a": X, "b": Y}, {"a": Y, "b": X}),
    "passed along": ({"a": X, "b": Y}, {"a": Y, "b": Z}),
    "round three": ({"a": X, "b": Y, "c": Z}, {"a": Y, "b": Z, "c": X}),
    "given to a new one": ({"w": X}, {"w": Y, "a": X}),
    "given to a new one before": ({"w": X}, {"a": X, "w": Y}),
    "handed over": ({"a": X, "b": None}, {"a": None, "b": X}),
    "handed over by one that leaves the overlay": ({"a": X, "b": None}, {"b": X}),
    "handed back and forth": ({"a": X, "b": Y, "c": None}, {"a": None, "b": X, "c": Y}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_address_is_given_up_before_it_is_taken(build, pretend, name) -> None:
    host = _host(build)
    before, after = CHANGES[name]
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, **before), host), host)
    wanted = _stack(build, **after)
    plan = world.plan(wanted, host)
    assert not plan.errored, plan.diagnostics
    for _ in range(20):
        _check(plan, world)
    for number in range(5):
        made = pretend.run(world, plan, host, order=random.Random(number))
        assert not made.plan(wanted, host).steps
        assert all(len(names) == 1 for names in _holders(made).values())


def test_vms_that_swap_are_both_down_while_one_address_is_free(build, pretend) -> None:
    host = _host(build)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, a=X, b=Y), host), host)
    plan = world.plan(_stack(build, a=Y, b=X), host)
    cards = [(step.address, step.after["address"] is None) for step in plan.steps if step.part.startswith("nic.")]
    assert cards == [("vm.a", True), ("vm.b", False), ("vm.a", False)]
    assert {step.address for step in plan.steps if step.kind == "vm.stop"} == {"vm.a", "vm.b"}


def test_what_is_told_of_the_peak_is_what_the_steps_come_to(build, pretend) -> None:
    """A VM that takes the address of one that goes is made after that one is gone."""
    host = _host(build)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, w=X), host), host)
    plan = world.plan(_stack(build, a=X), host)
    memory, vcpus = plan.capacity.memory, plan.capacity.vcpus
    assert (memory.before, memory.peak, memory.after) == (memory.before,) * 3
    assert (vcpus.peak, vcpus.after) == (1, 1)
    assert plan.capacity.slices.peak == 2, "the slice of the new one is taken when its first step runs"
    seen = {_peak_of_memory(plan, memory.before, random.Random(number)) for number in range(20)}
    assert seen == {memory.peak}


def _peak_of_memory(plan, level, draw):
    waiting, done, peak = {step.id: step for step in plan.steps}, set(), level
    while waiting:
        step = waiting.pop(draw.choice([one.id for one in waiting.values() if done.issuperset(one.needs)]))
        peak = max(peak, level + step.takes.memory)
        level += step.takes.memory - step.gives.memory
        done.add(step.id)
    return peak


@pytest.mark.parametrize("stop_after", range(1, 8))
def test_a_swap_that_was_cut_off_is_finished_by_the_next_plan(build, pretend, stop_after) -> None:
    host = _host(build)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, a=X, b=Y), host), host)
    wanted = _stack(build, a=Y, b=X)
    half = pretend.run(world, world.plan(wanted, host), host, stop_after=stop_after)
    plan = half.plan(wanted, host)
    _check(plan, half)
    assert not pretend.run(half, plan, host).plan(wanted, host).steps


def test_an_address_that_a_vm_outside_of_the_target_has_is_an_error(build, pretend) -> None:
    host = _host(build)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, a=X, b=Y), host), host)
    plan = world.plan(_stack(build, a=Y, b=Z), host, target=("vm.a",))
    (found,) = [one for one in plan.diagnostics if one.is_error]
    assert (found.code, found.address) == ("overlay-address-taken", "vm.a")
    assert "`vm.b`" in found.detail
