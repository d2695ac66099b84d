"""A replaced key moves a node to another /64: an interruption, which comes after everything that could be had before, and is approved."""

import pytest

from herocloud.kits import jsons
from herocloud.model.hosts import OverlayKey
from herocloud.model.ids import Address
from herocloud.model.words import Approval, Impact
from herocloud.model.worlds import Resource
from herocloud.operations import approval

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


def test_without_vms_it_is_a_change_like_any_other(build, pretend, mode) -> None:
    host = _host(build, mode, PUBLIC)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, mode, vms=()), host), host)
    plan = world.plan(_stack(build, mode, vms=()), _host(build, mode, OTHER))
    assert approval.missing(plan, {Approval.UPDATE}) == {}
