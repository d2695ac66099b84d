"""Overlay addresses follow from keys; what is missing is an error that names the command, or on the simulator a note."""

import pytest

from herocloud.kits import jsons
from herocloud.model.hosts import OverlayKey
from herocloud.model.ids import Address
from herocloud.model.words import Action, Impact
from herocloud.model.worlds import Recorded, Resource

PUBLIC = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
OTHER = "a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38"
NAMED = jsons.dumps({"name": "host"})


def _node(**fields):
    spec = {"addresses": True, "mode": "host", "daemon": "auto", "key": {"name": "host"}, "interfaces": [], **fields}
    return Resource(Address("mycelium.node"), "mycelium", "node", None, spec)


def _host(build, key, reference=NAMED, **fields):
    return build.host(**fields)._replace(overlay_keys=((reference, key),))


def _stack(build, *vms):
    return build.desired(build.image(), _node(), *(vms or [build.vm("web", mycelium={"seed": "010203040506"})]))


def _address(plan, name="vm.web"):
    return next(change.after["mycelium"]["address"] for change in plan.changes if change.address == name)


def test_an_address_follows_from_key_and_seed(build, pretend) -> None:
    plan = pretend.World().plan(_stack(build), _host(build, OverlayKey(PUBLIC)))
    assert _address(plan) == "430:9364:d8d8:84a9:ff0f:102:304:506"


def test_a_missing_key_is_an_error_that_names_the_command(build, pretend) -> None:
    from herocloud.plan import overlay_keys
    from herocloud.plan.overlay_addresses import OverlayAddresses

    found = []
    addresses = OverlayAddresses(
        "shop", _host(build, OverlayKey(None, missing=True, name="host")), _node(), {}, Recorded(), simulated=False, found=found
    )
    assert addresses.subnet(_node()) is None
    addresses.finish()
    assert [(one.code, one.hint) for one in found] == [("overlay-key-missing", "run `herocloud mycelium key create host`")]
    assert overlay_keys.wanted_keys(_stack(build), {}) == [{"name": "host"}]


def test_on_the_simulator_a_missing_key_is_derived_and_the_plan_says_so(build, pretend) -> None:
    plan = pretend.World().plan(_stack(build), _host(build, OverlayKey(None, missing=True, name="host"))._replace(simulated=True))
    assert _address(plan).endswith(":ff0f:102:304:506")
    (note,) = [one for one in plan.diagnostics if one.code == "overlay-key-derived"]
    assert not note.is_error
    assert "derived from names" in note.detail


def test_a_key_that_cannot_be_used_is_reported_once_with_its_reason(build, pretend) -> None:
    key = OverlayKey(None, problem="`/key` holds 31 bytes, and a key has 32", hint="mend it")
    plan = pretend.World().plan(_stack(build), _host(build, key))
    (found,) = [one for one in plan.diagnostics if one.code == "overlay-key-unusable"]
    assert found.is_error
    assert "31 bytes" in found.detail


def test_a_changed_key_changes_the_address_of_every_vm_line_by_line(build, pretend) -> None:
    vms = [build.vm(name, mycelium={"seed": None}) for name in ("one", "two")]
    before = _host(build, OverlayKey(PUBLIC))
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build, *vms), before), before)
    plan = world.plan(_stack(build, *vms), _host(build, OverlayKey(OTHER)))
    changed = {change.address: change for change in plan.changing}
    assert set(changed) == {"mycelium.node", "vm.one", "vm.two"}
    for name in ("vm.one", "vm.two"):
        before_address, after_address = (spec["mycelium"]["address"] for spec in (changed[name].before, changed[name].after))
        assert before_address.startswith("430:9364:d8d8:84a9:ff0f:")
        assert after_address.startswith("5c3:943d:3d21:1d4b:ff0f:")
        assert (changed[name].action, changed[name].impact) == (Action.REBOOT, Impact.REBOOT), "blocked until reboots are approved"


def test_networks_in_user_mode_say_that_they_carry_no_overlay(build, pretend) -> None:
    from herocloud.model.hosts import Abilities

    host = _host(build, OverlayKey(PUBLIC))._replace(
        simulated=False, abilities=Abilities((("qemu", True, "ready"),), "user_network", "bridges need CAP_NET_ADMIN")
    )
    vm = build.vm("web", mycelium={"seed": None}, networks=["lan"], provider="qemu")
    plan = pretend.World().plan(build.desired(build.image(), build.network(), _node(), vm), host)
    (found,) = [one for one in plan.diagnostics if one.is_error]
    assert "carries no overlay" in found.detail


def test_opening_a_port_is_live(build, pretend) -> None:
    host = _host(build, OverlayKey(PUBLIC))
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build), host), host)
    opened = _stack(build, build.vm("web", mycelium={"seed": "010203040506", "open": ["22/tcp"]}))
    (change,) = world.plan(opened, host).changing
    assert change.impact is Impact.LIVE
    assert [step.kind for step in world.plan(opened, host).steps if step.address == "vm.web"] == ["tap.update"]


@pytest.mark.parametrize("name", ["web", "db"])
def test_a_guest_with_a_daemon_of_its_own_has_its_own_key_and_no_card(build, pretend, name) -> None:
    reference = jsons.dumps({"name": f"shop.{name}"})
    asked = {"seed": None, "mode": "guest", "peers": ["tcp://192.0.2.1:9651"]}
    stack = build.desired(build.image(), build.network(), build.vm(name, mycelium=asked, networks=["lan"]))
    plan = pretend.World().plan(stack, _host(build, OverlayKey(PUBLIC), reference))
    assert [one for one in plan.diagnostics if one.is_error] == []
    (change,) = [one for one in plan.changes if one.kind == "vm"]
    assert change.after["mycelium"]["address"] == "430:9364:d8d8:84a9:dd60:de78:c767:d361"
    assert change.after["mycelium"]["key"] == {"name": f"shop.{name}", "public": PUBLIC}, "its public half only"
    assert [step.part for step in plan.steps if step.kind == "tap.create"] == ["nic.0"], "the card of its network, and none of the overlay"


def test_what_a_guest_with_a_daemon_of_its_own_cannot_have_is_an_error(build, pretend) -> None:
    asked = {"seed": None, "mode": "guest", "peers": [], "open": ["22/tcp"]}
    plan = pretend.World().plan(
        build.desired(build.image(), build.vm("web", mycelium=asked)),
        _host(build, OverlayKey(PUBLIC), jsons.dumps({"name": "shop.web"})),
    )
    assert {one.code for one in plan.diagnostics if one.is_error} == {"overlay-open-inside", "overlay-without-underlay"}


def _lost(build, pretend, build_stack, names):
    """Return the plan after the keys of these names were made, applied, and deleted."""

    def host(key):
        return build.host()._replace(overlay_keys=tuple((jsons.dumps({"name": name}), key._replace(name=name)) for name in names))

    there, gone = host(OverlayKey(PUBLIC)), host(OverlayKey(None, missing=True))
    world = pretend.run(pretend.World(), pretend.World().plan(build_stack(), there), there)
    return world.plan(build_stack(), gone)


def test_a_key_that_is_lost_is_not_replaced_by_a_name_on_the_simulator(build, pretend) -> None:
    plan = _lost(build, pretend, lambda: _stack(build), ["host"])
    (found,) = [one for one in plan.diagnostics if one.is_error]
    assert found.code == "overlay-key-missing"
    assert "back from a backup" in (found.hint or "")
    assert "key create host" in (found.hint or "")
    assert not plan.changing, "the addresses are not shown as changed"


def test_the_same_holds_for_the_key_of_a_guest(build, pretend) -> None:
    asked = {"seed": None, "mode": "guest", "peers": ["tcp://192.0.2.1:9651"]}

    def stack():
        return build.desired(build.image(), build.network(), build.vm("web", mycelium=asked, networks=["lan"]))

    plan = _lost(build, pretend, stack, ["shop.web"])
    (found,) = [one for one in plan.diagnostics if one.is_error]
    assert found.code == "overlay-key-missing"
    assert not plan.changing


def test_a_key_that_was_never_there_goes_on_being_derived(build, pretend) -> None:
    host = _host(build, OverlayKey(None, missing=True, name="host"))
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build), host), host)
    for observed in (world.observed, None):
        plan = world._replace(observed=observed).plan(_stack(build), host)
        assert not [one for one in plan.diagnostics if one.is_error]
        assert not plan.changing


def test_a_seed_in_mode_guest_is_an_error(build, pretend) -> None:
    asked = {"seed": "010203040506", "mode": "guest", "peers": ["tcp://192.0.2.1:9651"]}
    vm = build.vm("web", mycelium=asked, networks=["lan"])
    plan = pretend.World().plan(build.desired(build.image(), build.network(), vm), build.host())
    assert {one.code for one in plan.diagnostics if one.is_error} == {"overlay-seed-inside"}


def test_leaving_the_overlay_does_not_read_as_a_dependency_that_goes(build, pretend) -> None:
    host = _host(build, OverlayKey(PUBLIC))
    world = pretend.run(pretend.World(), pretend.World().plan(_stack(build), host), host)
    plan = world.plan(build.desired(build.image(), build.vm("web")), host)
    (change,) = [one for one in plan.changing if one.address == "vm.web"]
    assert "mycelium.address" in {field.path for field in change.fields} | {f"{field.path}.address" for field in change.fields}
    assert "depends_on" not in {field.path for field in change.fields}
