"""A replaced key moves a node to another /64: an interruption, which comes after everything that could be had before, and is approved."""

import random

import pytest

from herocloud.kits import jsons
from herocloud.model.hosts import OverlayKey
from herocloud.model.ids import Address
from herocloud.model.overlays import NODE
from herocloud.model.steps import KINDS as STEP_KINDS
from herocloud.model.words import Approval, Impact
from herocloud.model.worlds import Resource
from herocloud.operations import approval
from herocloud.plan import lost_data, past_apply, undo

PUBLIC = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
OTHER = "a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38"
FIELD = "3b77c9f3f2d1a4e5968778695a4b3c2d1e0f00112233445566778899aabbccdd"
KEYS = {"host": {"name": "host"}, "network": {"name": "shop"}}
STEP = "mycelium.node/overlay.enable"


def _host(build, mode, public):
    keys = {jsons.dumps(KEYS["host"]): OverlayKey(FIELD), jsons.dumps(KEYS[mode]): OverlayKey(public)}
    return build.host()._replace(overlay_keys=tuple(keys.items()))


def _stack(build, mode, *more, image="one", interfaces=(), vms=("web",)):
    spec = {"addresses": True, "mode": mode, "daemon": "auto", "key": KEYS[mode], "interfaces": list(interfaces)}
    node = Resource(Address("mycelium.node"), "mycelium", "node", None, spec)
    return build.desired(build.image(sha256=image), node, *(build.vm(name, mycelium={"seed": None}) for name in vms), *more)


@pytest.fixture(params=["host", "network"])
def mode(request):
    return request.param


@pytest.fixture
def applied(build, pretend, mode):
    host = _host(build, mode, PUBLIC)
    return pretend.run(pretend.World(), pretend.World().plan(_stack(build, mode), host), host)


def _above(plan, name):
    known: dict[str, set[str]] = {}
    for step in plan.steps:
        known[step.id] = {need for direct in step.needs for need in (direct, *known[direct])}
    return known[name]


def _node(plan):
    (change,) = [one for one in plan.changing if one.address == "mycelium.node"]
    return change


def test_it_waits_for_everything_that_could_be_had_before(build, applied, mode) -> None:
    after = _host(build, mode, OTHER)
    plan = applied.plan(_stack(build, mode, build.image("alpine"), build.vm("new", image="alpine"), image="two"), after)
    assert not plan.errored
    assert {"image.debian12/image.fetch", "image.alpine/image.fetch", "vm.web/disk.prepare", "vm.web/seed.prepare"} <= _above(plan, STEP)
    stop = next(step.id for step in plan.steps if step.kind == "vm.stop")
    assert STEP not in _above(plan, stop), "both interrupt, and neither waits for the other"


def test_it_says_how_long_the_node_is_down(build, applied, mode) -> None:
    plan = applied.plan(_stack(build, mode), _host(build, mode, OTHER))
    assert _node(plan).downtime == next(step.seconds for step in plan.steps if step.id == STEP)
    assert _node(plan).downtime > 0
    assert approval.missing(plan, {Approval.UPDATE}).keys() == {Approval.REBOOT}


def test_other_settings_of_the_node_do_not_interrupt(build, applied, mode) -> None:
    plan = applied.plan(_stack(build, mode, build.image("alpine"), image="two", interfaces=["lan0"]), _host(build, mode, PUBLIC))
    assert _node(plan).downtime == 0
    assert not any(step.endswith("image.fetch") for step in _above(plan, STEP))


def test_vms_of_the_stack_that_the_plan_leaves_in_the_old_subnet_are_named_and_approved(build, applied, mode) -> None:
    plan = applied.plan(_stack(build, mode), _host(build, mode, OTHER), target=("mycelium.node",))
    node = _node(plan)
    assert node.impact is Impact.REBOOT
    assert node.note.startswith("cuts off `vm.web` (430:9364:d8d8:84a9:ff0f:")
    assert approval.missing(plan, {Approval.UPDATE}) == {Approval.REBOOT: [node]}


def test_without_vms_it_is_a_change_like_any_other_and_nothing_is_down(build, pretend, mode) -> None:
    host = _host(build, mode, PUBLIC)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, mode, vms=()), host), host)
    plan = world.plan(_stack(build, mode, vms=()), _host(build, mode, OTHER))
    assert approval.missing(plan, {Approval.UPDATE}) == {}
    assert _node(plan).downtime == 0


def test_nothing_is_down_where_all_vms_are_off(build, pretend, mode) -> None:
    host = _host(build, mode, PUBLIC)
    stack = _stack(build, mode, build.vm("off", mycelium={"seed": None}, state="stopped"), vms=())
    world = pretend.run(pretend.World(), pretend.World().plan(stack, host), host)
    plan = world.plan(stack, _host(build, mode, OTHER))
    assert _node(plan).downtime == 0


@pytest.mark.parametrize("mode", ["host"])
def test_the_node_is_down_for_vms_of_other_stacks_too(build, pretend, mode) -> None:
    host = _host(build, mode, PUBLIC)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, mode, vms=())._replace(stack="first"), host), host)
    world = pretend.run(world, world.plan(_stack(build, mode), host), host)
    plan = world.plan(_stack(build, mode, vms=())._replace(stack="first"), _host(build, mode, OTHER))
    assert _node(plan).downtime > 0


def test_the_undo_of_a_changed_key_gets_everything_ready_first_as_well(build, applied, pretend, mode) -> None:
    before, after = _host(build, mode, PUBLIC), _host(build, mode, OTHER)
    around = [build.image("alpine"), build.network(), build.vm("old", image="alpine", networks=["lan"])]
    applied = pretend.run(applied, applied.plan(_stack(build, mode, *around), before), before)
    changed = applied.plan(_stack(build, mode, image="two"), after)
    ended = pretend.run(applied, changed, after)
    records = [one.recorded.records["shop"] for one in (applied, ended)]
    past = past_apply.Past(1, changed, {step.id: "done" for step in changed.steps}, *records, records[1])
    plan = undo.plan_undo(past, ended.recorded, ended.observed, before, [lost_data.Kept("vm.web"), lost_data.Kept("vm.old")])
    assert not plan.errored, plan.diagnostics
    assert next(step for step in plan.steps if step.id.startswith(STEP)).after["subnet"] == records[0][NODE].spec["subnet"]
    ready = {step.id for step in plan.steps if STEP_KINDS[step.kind].prepares and step.part != "overlay"}
    assert ready == {"image.debian12/image.fetch", "image.alpine/image.fetch", "network.lan/network.create"}
    for interrupting in (STEP, "vm.web/vm.stop"):
        assert ready <= _above(plan, interrupting), interrupting
    assert STEP in _above(plan, "vm.web/tap.create"), "the VM comes back into the /64 that it was in"
    for number in range(5):
        back = pretend.run(ended, plan, before, order=random.Random(number))
        assert back.recorded.records["shop"]["vm.web"].spec == records[0]["vm.web"].spec
