"""The rules of the overlay hold for every kind of plan: an undo, an adoption and a copy as well as the plan of a stack."""

import pytest

from herocloud.kits import jsons
from herocloud.model.hosts import OverlayDaemon, OverlayKey
from herocloud.model.ids import Address
from herocloud.model.words import Approval, Impact
from herocloud.model.worlds import Resource
from herocloud.operations import approval
from herocloud.plan import clones, lost_data, orphans, past_apply, reservations, undo

PUBLIC = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
OTHER = "a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38"
SUBNET, OTHER_SUBNET = "430:9364:d8d8:84a9::/64", "5c3:943d:3d21:1d4b::/64"
SEED, SECOND = "010203040506", "0a0203040506"
HOST_KEY = {"name": "host"}


def _host(build, public=PUBLIC, **fields):
    return build.host()._replace(overlay_keys=((jsons.dumps(HOST_KEY), OverlayKey(public, **fields)),))


def _stack(build, stack="shop", *, seed=SEED, vms=("web",)):
    spec = {"addresses": True, "mode": "host", "daemon": "auto", "key": HOST_KEY, "interfaces": []}
    node = Resource(Address("mycelium.node"), "mycelium", "node", None, spec)
    wanted = build.desired(build.image(), node, *(build.vm(name, mycelium={"seed": seed}) for name in vms))
    return wanted._replace(stack=stack)


@pytest.fixture
def apply(pretend):
    """Return what runs a plan, and the apply that it was, as `undo` takes it."""

    def run(world, plan, host):
        ended = pretend.run(world, plan, host)
        ended = ended._replace(recorded=_owned(ended.recorded))
        before, after = (one.recorded.records.get(plan.stack, {}) for one in (world, ended))
        return ended, past_apply.Past(1, plan, {step.id: "done" for step in plan.steps}, before, after, after)

    return run


def _owned(recorded):
    """Give each record the name of the stack that it is kept under."""
    records = {
        stack: {address: record._replace(stack=stack) for address, record in of_stack.items()}
        for stack, of_stack in recorded.records.items()
    }
    return recorded._replace(records=records)


def _undo(world, past, host):
    now = world.recorded.records.get(past.plan.stack, {})
    return undo.plan_undo(past._replace(now=now), world.recorded, world.observed, host, [lost_data.Kept("vm.web")])


def _codes(plan):
    return {one.code for one in plan.diagnostics if one.is_error}


def test_an_undo_does_not_give_back_an_address_that_another_stack_got_meanwhile(build, pretend, apply) -> None:
    host = _host(build)
    world, _ = apply(pretend.World(), pretend.World().plan(_stack(build), host), host)
    world, removal = apply(world, world.plan(_stack(build), host, destroy=True), host)
    assert _codes(_undo(world, removal, host)) == set()
    world, _ = apply(world, world.plan(_stack(build, "first"), host), host)
    (found,) = [one for one in _undo(world, removal, host).diagnostics if one.code.startswith("overlay-")]
    assert found.code == "overlay-address-taken"
    assert "`vm.web` of stack `first`" in found.detail


def test_an_undo_that_cuts_off_other_stacks_names_them_and_is_approved_like_a_reboot(build, pretend, apply) -> None:
    host, after = _host(build), _host(build, OTHER)
    mine, others = _stack(build, seed=SECOND, vms=()), _stack(build, "first")
    world, _ = apply(pretend.World(), pretend.World().plan(mine, host), host)
    world, change = apply(world, world.plan(mine, after), after)
    world, _ = apply(world, world.plan(others, after), after)
    plan = _undo(world, change, host)
    (node,) = plan.changing
    assert node.impact is Impact.REBOOT
    assert node.note.startswith("cuts off `vm.web` of stack `first`")
    assert approval.missing(plan, {Approval.UPDATE}) == {Approval.REBOOT: [node]}
    assert [one.code for one in plan.diagnostics] == ["overlay-moves-others"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"public": OTHER}, "overlay-key-replaced"),
        ({"public": None, "missing": True, "name": "host"}, "overlay-key-missing"),
        ({"public": None, "problem": "it is open to others"}, "overlay-key-unusable"),
    ],
)
def test_an_undo_wants_the_key_that_its_addresses_follow_from(build, pretend, apply, fields, code) -> None:
    host = _host(build)._replace(simulated=False)
    world, _ = apply(pretend.World(), pretend.World().plan(_stack(build), host), host)
    world, removal = apply(world, world.plan(_stack(build), host, destroy=True), host)
    removal = removal._replace(plan=removal.plan._replace(simulated=False))
    assert _codes(_undo(world, removal, _host(build, **fields)._replace(simulated=False))) == {code}


def test_an_undo_on_the_simulator_wants_the_key_as_well_unless_it_was_derived(build, pretend, apply) -> None:
    missing = _host(build, None, missing=True, name="host")
    for host, codes in ((_host(build), {"overlay-key-missing"}), (missing, set())):
        world, _ = apply(pretend.World(), pretend.World().plan(_stack(build), host), host)
        world, removal = apply(world, world.plan(_stack(build), host, destroy=True), host)
        assert _codes(_undo(world, removal, missing)) == codes


def test_an_undo_is_held_against_the_daemon_that_runs(build, pretend, apply) -> None:
    host = _host(build)._replace(simulated=False)
    world, _ = apply(pretend.World(), pretend.World().plan(_stack(build), host), host)
    world, removal = apply(world, world.plan(_stack(build), host, destroy=True), host)
    removal = removal._replace(plan=removal.plan._replace(simulated=False))
    running = host._replace(overlay_daemon=OverlayDaemon(OTHER_SUBNET, managed=False))
    assert _codes(_undo(world, removal, running)) == {"overlay-foreign-daemon"}


def test_an_orphan_is_not_adopted_while_another_stack_has_its_address(build, pretend, apply) -> None:
    host = _host(build)
    world, _ = apply(pretend.World(), pretend.World().plan(_stack(build), host), host)
    shop = world.recorded.records["shop"]
    thing = world.observed.things["shop"][Address("vm.web")]
    lost = world.recorded._replace(records={"shop": {"mycelium.node": shop[Address("mycelium.node")]}}, lost={"shop": shop})
    assert "overlay-address-taken" not in _codes(orphans.plan_adoption("shop", [thing], lost, world.observed, host))
    holder = shop[Address("vm.web")]._replace(stack="first", spec={**shop[Address("vm.web")].spec, "slices": ["s7"]}, sid="s7")
    taken = lost._replace(records={**lost.records, "first": {holder.address: holder}})
    assert "overlay-address-taken" in _codes(orphans.plan_adoption("shop", [thing], taken, world.observed, host))


def test_a_copy_does_not_get_an_address_that_another_stack_has(build, pretend, apply) -> None:
    host = _host(build)
    world, _ = apply(pretend.World(), pretend.World().plan(_stack(build, "first"), host), host)
    world, _ = apply(world, world.plan(_stack(build, seed=SECOND), host), host)
    record = world.recorded.records["first"][Address("vm.web")]
    original = clones.original_of(record, world.recorded.records["first"], {"disk": (1024**3, {})})
    wanted = clones.Wanted("copy", "shop", "vm clone")
    plan = clones.plan_copy(wanted, original, world.recorded, world.observed, host)
    (change,) = [one for one in plan.changing if one.address == "vm.copy"]
    address = (change.after.get("mycelium") or {}).get("address")
    assert address is not None
    assert _codes(plan) == set()
    squatter = record._replace(spec={**record.spec, "mycelium": {**record.spec["mycelium"], "address": address}})
    records = {**world.recorded.records, "first": {**world.recorded.records["first"], record.address: squatter}}
    taken = clones.plan_copy(wanted, original, world.recorded._replace(records=records), world.observed, host)
    assert _codes(taken) == {"overlay-address-taken"}


def test_an_unfinished_apply_keeps_the_address_that_a_vm_had_and_the_one_that_it_gets(build, pretend, apply) -> None:
    host = _host(build)
    world, _ = apply(pretend.World(), pretend.World().plan(_stack(build, "first"), host), host)
    begun = world.plan(_stack(build, "first", seed=SECOND), host)
    reserved = {one.address: one for one in reservations.reserve(begun, world.recorded.records["first"])}
    world = world._replace(recorded=world.recorded._replace(reserved={"first": reserved}))
    for seed in (SEED, SECOND):
        assert _codes(world.plan(_stack(build, seed=seed), host)) == {"overlay-address-taken"}, seed
    assert _codes(world.plan(_stack(build, seed="0b0203040506"), host)) == set()


def test_a_saved_plan_is_stale_once_another_stack_has_its_address(build, pretend, apply) -> None:
    host = _host(build)
    world, _ = apply(pretend.World(), pretend.World().plan(_stack(build, "first"), host), host)
    late = pretend.World().plan(_stack(build), host)
    (found,) = reservations.find_taken(late, world.recorded)
    assert (found.code, found.address) == ("stale-plan", "vm.web")
    assert "`vm.web` of stack `first`" in found.detail
    assert reservations.find_taken(late, pretend.World().recorded) == []
