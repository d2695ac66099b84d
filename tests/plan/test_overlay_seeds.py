"""A seed that the file gives no more is not kept: the address goes back to the one that follows from the name, announced and approved."""

import itertools

import pytest

from herocloud.kits import jsons
from herocloud.model import overlay_seeds
from herocloud.model.hosts import OverlayKey
from herocloud.model.overlays import HOST_KEY, NODE
from herocloud.model.words import Action, Approval, Impact
from herocloud.model.worlds import Move, Resource
from herocloud.operations import approval

PUBLIC = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
PREFIX = "430:9364:d8d8:84a9:ff0f:"
SEED = "0a1b2c3d4e5f"


def _host(build):
    return build.host()._replace(overlay_keys=((jsons.dumps(dict(HOST_KEY)), OverlayKey(PUBLIC)),))


def _stack(build, *vms, moved=()):
    spec = {"addresses": True, "mode": "host", "daemon": "auto", "key": dict(HOST_KEY), "interfaces": []}
    return build.desired(build.image(), Resource(NODE, "mycelium", "node", None, spec), *vms)._replace(moved=moved)


def _vm(build, name, seed=None, **fields):
    return build.vm(name, mycelium={"seed": seed}, **fields)


@pytest.fixture
def apply(build, pretend):
    """Return what applies one stack after the other, and the world that comes of it."""

    def run(*stacks):
        host, world = _host(build), pretend.World()
        for stack in stacks:
            world = pretend.run(world, world.plan(stack, host), host)
        return world

    return run


def _addresses(plan):
    return {change.address: change.after["mycelium"]["address"] for change in plan.changes if change.address.startswith("vm.")}


def test_a_removed_seed_is_planned_as_a_change_of_address_that_is_approved(build, apply) -> None:
    world = apply(_stack(build, _vm(build, "web", SEED)))
    plan = world.plan(_stack(build, _vm(build, "web")), _host(build))
    (change,) = plan.changing
    assert (change.action, change.impact) == (Action.REBOOT, Impact.REBOOT)
    fields = {field.path: (field.before, field.after) for field in change.fields}
    assert fields["mycelium.seed"] == (SEED, overlay_seeds.derived("shop", "vm.web"))
    assert fields["mycelium.address"][0] == f"{PREFIX}a1b:2c3d:4e5f"
    assert fields["mycelium.address"][1] == _addresses(plan)["vm.web"] != fields["mycelium.address"][0]
    assert approval.missing(plan, {Approval.UPDATE}).keys() == {Approval.REBOOT}


def test_it_comes_to_the_address_of_a_vm_that_never_had_one(build, apply, pretend) -> None:
    world = apply(_stack(build, _vm(build, "web", SEED)))
    never = pretend.World().plan(_stack(build, _vm(build, "web")), _host(build))
    assert _addresses(world.plan(_stack(build, _vm(build, "web")), _host(build))) == _addresses(never)
    assert (
        not apply(_stack(build, _vm(build, "web", SEED)), _stack(build, _vm(build, "web")))
        .plan(_stack(build, _vm(build, "web")), _host(build))
        .changing
    )


def test_the_seed_of_a_vm_goes_to_another_one(build, apply) -> None:
    world = apply(_stack(build, _vm(build, "a", SEED), _vm(build, "b")))
    plan = world.plan(_stack(build, _vm(build, "a"), _vm(build, "b", SEED)), _host(build))
    assert not plan.errored
    assert _addresses(plan)["vm.b"] == f"{PREFIX}a1b:2c3d:4e5f"
    assert {change.address for change in plan.changing} == {"vm.a", "vm.b"}


def _renamed(build, apply, *names):
    """Return the plan after a VM without a seed got these names one after the other."""
    stacks = [_stack(build, _vm(build, names[0]))]
    for before, after in itertools.pairwise(names):
        stacks.append(_stack(build, _vm(build, after), moved=(Move(f"vm.{before}", f"vm.{after}", None),)))
    return apply(*stacks).plan(stacks[-1], _host(build))


@pytest.mark.parametrize("names", [("www", "web"), ("a", "b", "c"), ("web-1", "web"), ("web", "web-1")])
def test_a_renamed_vm_keeps_the_address_of_its_first_name(build, apply, names) -> None:
    plan = _renamed(build, apply, *names)
    assert not plan.changing
    address = _addresses(plan)[f"vm.{names[-1]}"]
    assert overlay_seeds.of_address(address) == overlay_seeds.derived("shop", f"vm.{names[0]}")


def test_a_seed_that_is_removed_with_a_rename_is_not_kept_either(build, apply) -> None:
    world = apply(_stack(build, _vm(build, "www", SEED)))
    plan = world.plan(_stack(build, _vm(build, "web"), moved=(Move("vm.www", "vm.web", None),)), _host(build))
    (change,) = plan.changing
    assert change.impact is Impact.REBOOT
    assert overlay_seeds.of_address(_addresses(plan)["vm.web"]) == overlay_seeds.derived("shop", "vm.www")


def test_the_address_that_a_removed_seed_gave_way_to_outlasts_renames(build, apply) -> None:
    moves = [(Move("vm.www", "vm.web", None),), (Move("vm.web", "vm.front", None),)]
    stacks = [
        _stack(build, _vm(build, "www", SEED)),
        _stack(build, _vm(build, "web", SEED), moved=moves[0]),
        _stack(build, _vm(build, "web"), moved=moves[0]),
        _stack(build, _vm(build, "front"), moved=moves[1]),
    ]
    before, after = (apply(*stacks[:number]).plan(stacks[number - 1], _host(build)) for number in (3, 4))
    assert _addresses(before)["vm.web"] == _addresses(after)["vm.front"]


@pytest.mark.parametrize(("before", "after"), [("vm.web", "vm.web[0]"), ("vm.web[2]", "vm.web"), ("vm.web-2", "vm.web[2]")])
def test_a_seed_that_followed_from_another_name_is_told_by_the_name_of_the_guest(before, after) -> None:
    hostname = before.removeprefix("vm.").replace("[", "-").replace("]", "")
    old = {"hostname": hostname, "mycelium": {"seed": overlay_seeds.derived("shop", before)}}
    assert overlay_seeds.default("shop", after, old) == overlay_seeds.derived("shop", before)
    assert overlay_seeds.default("shop", after, {**old, "mycelium": {"seed": SEED}}) != SEED
    assert overlay_seeds.default("shop", after, {"mycelium": {"seed": SEED}}) == SEED, "what has no record is adopted as it is"
