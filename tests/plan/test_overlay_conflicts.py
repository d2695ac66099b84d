"""What a stack wants of the overlay and another stack of the host has: addresses, a /64, the one node; and what cannot change under VMs."""

import pytest

from herocloud.kits import jsons
from herocloud.model.hosts import OverlayDaemon, OverlayKey
from herocloud.model.ids import Address
from herocloud.model.words import Approval, Impact, Severity
from herocloud.model.worlds import Move, Resource
from herocloud.operations import approval

PUBLIC = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
OTHER = "a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38"
FIELD = "3b77c9f3f2d1a4e5968778695a4b3c2d1e0f00112233445566778899aabbccdd"
SEED = "010203040506"
HOST_KEY, FILE_KEY = {"name": "host"}, {"file": "/srv/overlay.key"}


def _host(build, **publics):
    keys = {"host": HOST_KEY, "file": FILE_KEY}
    return build.host()._replace(overlay_keys=tuple((jsons.dumps(keys[name]), OverlayKey(public)) for name, public in publics.items()))


def _stack(build, stack="shop", *, mode="host", key=HOST_KEY, seed=SEED, vms=("web",)):
    spec = {"addresses": True, "mode": mode, "daemon": "auto", "key": key, "interfaces": []}
    node = Resource(Address("mycelium.node"), "mycelium", "node", None, spec)
    wanted = build.desired(build.image(), node, *(build.vm(name, mycelium={"seed": seed}) for name in vms))
    return wanted._replace(stack=stack)


@pytest.fixture
def beside(build, pretend):
    """Return a world in which stack `first` is applied, with a VM in the /64 of the host's node or of its own."""

    def make(**fields):
        host = _host(build, host=PUBLIC, file=OTHER)
        wanted = _stack(build, "first", **fields)
        return pretend.run(pretend.World(), pretend.World().plan(wanted, host), host)

    return make


def _codes(plan):
    return {one.code for one in plan.diagnostics if one.is_error}


def test_an_address_that_a_vm_of_another_stack_has_is_an_error_that_names_it(build, beside) -> None:
    plan = beside().plan(_stack(build), _host(build, host=PUBLIC))
    (found,) = [one for one in plan.diagnostics if one.is_error]
    assert (found.code, found.address) == ("overlay-address-taken", "vm.web")
    assert "`vm.web` of stack `first`" in found.detail
    assert _codes(beside().plan(_stack(build, seed="0a0203040506"), _host(build, host=PUBLIC))) == set()


def test_a_stack_that_is_applied_already_is_not_in_its_own_way(build, beside) -> None:
    world = beside()
    assert _codes(world.plan(_stack(build, "first", vms=("web",)), _host(build, host=PUBLIC))) == set()


@pytest.mark.parametrize("first", ["host", "network"])
def test_a_network_cannot_have_the_key_of_another_node(build, beside, first) -> None:
    world = beside(mode=first, key=HOST_KEY if first == "host" else FILE_KEY)
    host = _host(build, host=PUBLIC, file=PUBLIC if first == "host" else OTHER)
    plan = world.plan(_stack(build, mode="network", key=FILE_KEY, seed="0a0203040506"), host)
    assert _codes(plan) == {"overlay-key-shared"}


def test_a_network_cannot_have_the_key_of_the_host_even_where_no_stack_uses_it(build, pretend) -> None:
    plan = pretend.World().plan(_stack(build, mode="network", key=FILE_KEY), _host(build, host=PUBLIC, file=PUBLIC))
    assert _codes(plan) == {"overlay-key-shared"}


def test_a_host_has_one_node_and_so_one_key(build, beside) -> None:
    plan = beside().plan(_stack(build, key=FILE_KEY), _host(build, host=PUBLIC, file=OTHER))
    assert _codes(plan) == {"overlay-other-node"}


@pytest.mark.parametrize("first", ["host", "network"])
def test_a_network_and_a_stack_with_another_key_for_the_node_of_the_host_exclude_each_other(build, pretend, first) -> None:
    file, own = {"file": "/srv/host.key"}, {"name": "shop"}
    publics = ((HOST_KEY, PUBLIC), (file, OTHER), (own, FIELD))
    host = build.host()._replace(overlay_keys=tuple((jsons.dumps(key), OverlayKey(public)) for key, public in publics))
    stacks = {"host": _stack(build, "host", key=file), "network": _stack(build, "network", mode="network", key=own)}
    (second,) = set(stacks) - {first}
    world = pretend.run(pretend.World(), pretend.World().plan(stacks[first], host), host)
    plan = world.plan(stacks[second], host)
    (found,) = [one for one in plan.diagnostics if one.is_error]
    assert (found.code, found.address) == ("overlay-other-node", "mycelium.node")
    assert f"stack `{first}`" in found.detail
    # They stand beside each other where the file holds the key of the host, and where somebody else runs the node with that key.
    same = host._replace(overlay_keys=tuple((jsons.dumps(key), OverlayKey(PUBLIC if key == file else public)) for key, public in publics))
    world = pretend.run(pretend.World(), pretend.World().plan(stacks[first], same), same)
    assert _codes(world.plan(stacks[second], same)) == set()
    adopted = host._replace(simulated=False, overlay_daemon=OverlayDaemon("5c3:943d:3d21:1d4b::/64", managed=False))
    world = pretend.run(pretend.World(), pretend.World().plan(stacks[first], adopted), adopted)
    assert _codes(world.plan(stacks[second], adopted)) == set()


@pytest.mark.parametrize("mode", ["host", "network"])
def test_a_node_without_addresses_for_vms_wants_its_key_all_the_same(build, pretend, mode) -> None:
    publics = ((HOST_KEY, PUBLIC), (FILE_KEY, OTHER), ({"name": "bare"}, FIELD))
    host = build.host()._replace(overlay_keys=tuple((jsons.dumps(key), OverlayKey(public)) for key, public in publics))
    bare = _stack(build, "bare", mode=mode, key=HOST_KEY if mode == "host" else {"name": "bare"}, vms=())
    node = bare.resources[1]
    bare = bare._replace(resources=(bare.resources[0], node._replace(spec={**node.spec, "addresses": False})))
    other = _stack(build, "first", key=FILE_KEY)
    for first, second in ((bare, other), (other, bare)):
        world = pretend.run(pretend.World(), pretend.World().plan(first, host), host)
        assert _codes(world.plan(second, host)) == {"overlay-other-node"}
    world = pretend.run(pretend.World(), pretend.World().plan(bare, host), host)
    assert _codes(world.plan(_stack(build, "first"), host)) == set()
    missing = host._replace(simulated=False, overlay_keys=((jsons.dumps(HOST_KEY), OverlayKey(None, missing=True, name="host")),))
    assert _codes(pretend.World().plan(bare, missing)) == {"overlay-key-missing"}


def test_a_network_is_not_brought_about_while_the_node_has_still_to_follow_its_replaced_key(build, beside) -> None:
    own = {"name": "shop"}
    keys = ((HOST_KEY, OTHER), (own, FIELD))
    host = build.host()._replace(overlay_keys=tuple((jsons.dumps(key), OverlayKey(public)) for key, public in keys))
    (found,) = [one for one in beside().plan(_stack(build, mode="network", key=own, seed="0a0203040506"), host).diagnostics if one.is_error]
    assert (found.code, found.hint) == ("overlay-other-node", "the key `host` was replaced: apply stack `first` first")


def test_networks_with_keys_of_their_own_stand_beside_the_host(build, beside) -> None:
    assert _codes(beside().plan(_stack(build, mode="network", key=FILE_KEY), _host(build, host=PUBLIC, file=OTHER))) == set()


def test_a_changed_key_warns_for_the_other_stacks_in_the_old_subnet(build, beside) -> None:
    plan = beside().plan(_stack(build), _host(build, host=OTHER))
    (warning,) = [one for one in plan.diagnostics if one.severity is Severity.WARNING]
    assert warning.code == "overlay-moves-others"
    assert "stack `first`" in warning.detail
    assert _codes(plan) == set()


def test_cutting_off_vms_of_another_stack_is_approved_like_their_reboot_and_names_them(build, pretend, beside) -> None:
    host, after = _host(build, host=PUBLIC), _host(build, host=OTHER)
    mine = _stack(build, seed="0a0203040506", vms=())
    world = pretend.run(beside(), beside().plan(mine, host), host)
    plan = world.plan(mine, after)
    (change,) = [one for one in plan.changing if one.address == "mycelium.node"]
    assert change.impact is Impact.REBOOT
    assert approval.missing(plan, {Approval.UPDATE}) == {Approval.REBOOT: [change]}
    assert change.note == "cuts off `vm.web` of stack `first` (430:9364:d8d8:84a9:ff0f:102:304:506)"
    alone = pretend.run(pretend.World(), pretend.World().plan(mine, host), host).plan(mine, after)
    assert [one.impact for one in alone.changing if one.address == "mycelium.node"] != [Impact.REBOOT]


def test_the_mode_does_not_change_under_vms_and_does_when_they_have_left(build, pretend, beside) -> None:
    host = _host(build, host=PUBLIC, file=OTHER)
    world = beside()
    moved = _stack(build, "first", mode="network", key=FILE_KEY)
    assert _codes(world.plan(moved, host)) == {"overlay-mode-kept"}
    left = world.plan(_stack(build, "first", vms=()), host)
    assert _codes(pretend.run(world, left, host).plan(moved, host)) == set()


def test_an_address_that_an_orphan_holds_is_not_given_away(build, beside) -> None:
    world = beside()
    lost = world._replace(recorded=world.recorded._replace(records={}))
    plan = lost.plan(_stack(build), _host(build, host=PUBLIC))
    (found,) = [one for one in plan.diagnostics if one.code == "overlay-address-taken"]
    assert "`vm.web` of stack `first`" in found.detail


def _guests(build, *names, stack="shop", moves=()):
    guests = [
        build.vm(name, networks=["lan"], mycelium={"seed": None, "mode": "guest", "peers": ["tcp://192.0.2.1:9651"]}) for name in names
    ]
    return build.desired(
        build.image(), build.network(cidr="10.42.0.0/24" if stack == "shop" else "10.43.0.0/24"), *guests, stack=stack, moved=moves
    )


def test_a_vm_does_not_get_the_key_that_a_renamed_one_keeps(build, pretend) -> None:
    host = build.host()
    world = pretend.run(pretend.World(), pretend.World().plan(_guests(build, "web"), host), host)
    moved = world.plan(_guests(build, "front", moves=(Move("vm.web", "vm.front", None),)), host)
    plan = pretend.run(world, moved, host).plan(_guests(build, "front", "web"), host)
    (found,) = [one for one in plan.diagnostics if one.is_error]
    assert found.code == "overlay-address-taken"
    assert "the same key" in found.detail
    assert "`shop.web`" in (found.hint or "")


@pytest.mark.parametrize("stacks", [("shop", "shop"), ("first", "shop")])
def test_two_guests_with_copies_of_one_key_are_an_error(build, pretend, stacks) -> None:
    names = ("first.a", "shop.a", "shop.b")
    host = build.host()._replace(overlay_keys=tuple((jsons.dumps({"name": name}), OverlayKey(PUBLIC)) for name in names))
    world = pretend.World()
    if stacks[0] == "first":
        first = _guests(build, "a", stack="first")
        world = pretend.run(world, world.plan(first, host), host)
        assert {one.address for one in world.plan(first, host).diagnostics if one.is_error} == set()
    plan = world.plan(_guests(build, *(("a", "b") if stacks[0] == "shop" else ("a",))), host)
    (found,) = [one for one in plan.diagnostics if one.is_error]
    assert found.code == "overlay-address-taken"
    assert "the same key" in found.detail
