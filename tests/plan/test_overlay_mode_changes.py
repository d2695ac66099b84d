"""Into mode `guest` and out of it VMs change in place, with a reboot; between `host` and `network` they cannot."""

import pytest

from herocloud.kits import jsons
from herocloud.model.hosts import OverlayKey
from herocloud.model.overlays import HOST_KEY, NODE
from herocloud.model.words import Action, Impact
from herocloud.model.worlds import Resource

PUBLIC = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
OTHER = "a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38"


def _host(build):
    keys = {"host": PUBLIC, "shop": OTHER, "shop.web": OTHER}
    return build.host()._replace(overlay_keys=tuple((jsons.dumps({"name": name}), OverlayKey(public)) for name, public in keys.items()))


def _stack(build, mode, image=None):
    around = [image or build.image(), build.network()]
    name = around[0].name
    if mode == "guest":
        asked = {"seed": None, "mode": "guest", "peers": ["tcp://192.0.2.1:9651"]}
        vm = build.vm("web", image=name, mycelium=asked, networks=["lan"])
        return build.desired(*around, vm._replace(depends_on=tuple(one for one in vm.depends_on if one != NODE)))
    key = dict(HOST_KEY) if mode == "host" else {"name": "shop"}
    spec = {"addresses": True, "mode": mode, "daemon": "auto", "key": key, "interfaces": []}
    node = Resource(NODE, "mycelium", "node", None, spec)
    return build.desired(*around, node, build.vm("web", image=name, mycelium={"seed": None}, networks=["lan"]))


@pytest.mark.parametrize(("before", "after"), [("host", "guest"), ("network", "guest"), ("guest", "host"), ("guest", "network")])
def test_a_vm_goes_into_mode_guest_and_back_with_a_reboot(build, pretend, before, after) -> None:
    host = _host(build)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, before), host), host)
    plan = world.plan(_stack(build, after), host)
    assert not plan.errored, plan.diagnostics
    (vm,) = [one for one in plan.changing if one.kind == "vm"]
    assert (vm.action, vm.impact) == (Action.REBOOT, Impact.REBOOT)
    assert (vm.before["mycelium"]["address"], vm.after["mycelium"]["address"]) == tuple(
        pretend.World().plan(_stack(build, mode), host).changes[-1].after["mycelium"]["address"] for mode in (before, after)
    )
    order = [step.id for step in plan.steps]
    if after == "guest":
        assert order.index("vm.web/tap.delete") < order.index("mycelium.node/overlay.disable")
        assert "vm.web/tap.delete" in _above(plan, "mycelium.node/overlay.disable")
    else:
        assert "mycelium.node/overlay.enable" in _above(plan, "vm.web/tap.create")
    assert not pretend.run(world, plan, host).plan(_stack(build, after), host).changing


@pytest.mark.parametrize(("before", "after"), [("host", "network"), ("network", "host")])
def test_between_the_two_modes_of_the_host_it_is_an_error(build, pretend, before, after) -> None:
    host = _host(build)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, before), host), host)
    assert [one.code for one in world.plan(_stack(build, after), host).diagnostics if one.is_error] == ["overlay-mode-kept"]


def test_a_key_does_not_come_into_a_vm_whose_image_takes_no_seed(build, pretend) -> None:
    host = _host(build)
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, "host", build.kernel()), host), host)
    for before in (world, pretend.World()):
        (found,) = [one for one in before.plan(_stack(build, "guest", build.kernel()), host).diagnostics if one.is_error]
        assert (found.code, found.address) == ("overlay-without-seed", "vm.web")
        assert "`tiny`" in found.detail


def _above(plan, name):
    known: dict[str, set[str]] = {}
    for step in plan.steps:
        known[step.id] = {need for direct in step.needs for need in (direct, *known[direct])}
    return known[name]
