"""A daemon that runs on the host and was not started by herocloud: what cannot be applied beside it is an error of the plan."""

import pytest

from herocloud.kits import jsons
from herocloud.model.hosts import OverlayDaemon, OverlayKey
from herocloud.model.ids import Address
from herocloud.model.worlds import Resource

PUBLIC = "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f"
SUBNET, OTHER = "430:9364:d8d8:84a9::/64", "5c3:943d:3d21:1d4b::/64"
OWN = "a6a79db1591f6ec5ecc46f85ca83fd95f681d0131ae4f6d8f20d88bbd912bf38"
"""Its subnet is OTHER."""
HOST_KEY, OWN_KEY = {"name": "host"}, {"name": "shop"}
BLIND = OverlayDaemon(SUBNET, managed=False, carries=False)


@pytest.fixture
def host(build):
    def make(running=None):
        keys = ((jsons.dumps(HOST_KEY), OverlayKey(PUBLIC)), (jsons.dumps(OWN_KEY), OverlayKey(OWN)))
        return build.host()._replace(simulated=False, overlay_keys=keys, overlay_daemon=running)

    return make


@pytest.fixture
def stack(build):
    def make(mode="host", daemon="auto"):
        spec = {"addresses": True, "mode": mode, "daemon": daemon, "key": HOST_KEY if mode == "host" else OWN_KEY, "interfaces": []}
        return build.desired(Resource(Address("mycelium.node"), "mycelium", "node", None, spec))

    return make


def _said(plan):
    return [(one.code, one.severity.value) for one in plan.diagnostics]


def test_another_key_is_an_error_with_both_subnets_and_a_way_out(pretend, stack, host) -> None:
    plan = pretend.World().plan(stack(), host(OverlayDaemon(OTHER, managed=False)))
    (found,) = plan.diagnostics
    assert plan.errored
    assert found.code == "overlay-foreign-daemon"
    assert SUBNET in found.detail
    assert OTHER in found.detail
    assert "key: {file: …}" in found.hint


@pytest.mark.parametrize("mode", ["host", "network"])
def test_to_manage_one_that_somebody_else_started_is_an_error(pretend, stack, host, mode) -> None:
    plan = pretend.World().plan(stack(mode, "manage"), host(OverlayDaemon(SUBNET, managed=False)))
    assert _said(plan) == [("overlay-daemon-unmanaged", "error")]


def test_a_network_lives_beside_one_with_another_key_and_not_beside_one_with_its_own(pretend, stack, host) -> None:
    assert _said(pretend.World().plan(stack("network"), host(OverlayDaemon(SUBNET, managed=False)))) == []
    assert _said(pretend.World().plan(stack("network"), host(OverlayDaemon(OTHER, managed=False)))) == [("overlay-key-shared", "error")]


@pytest.mark.parametrize("running", [OverlayDaemon(SUBNET, managed=False), OverlayDaemon(OTHER, managed=True)])
def test_a_plan_is_the_same_beside_one_that_fits_or_is_ours(pretend, stack, host, running) -> None:
    assert pretend.World().plan(stack(), host(running)) == pretend.World().plan(stack(), host())


def test_an_adopted_one_without_a_tun_is_a_warning_before_and_after_the_apply_and_no_drift(pretend, stack, host) -> None:
    world = pretend.World()
    first = world.plan(stack(), host(BLIND))
    assert _said(first) == [("overlay-without-route", "warning")]
    world = pretend.run(world, first, host(BLIND))
    again = world.plan(stack(), host(BLIND))
    assert _said(again) == [("overlay-without-route", "warning")]
    assert list(again.changing) == []
    assert again.drift == ()


def test_an_adopted_one_that_lost_its_interface_is_an_error_with_the_way_out_but_not_for_a_network(pretend, stack, host) -> None:
    cut = OverlayDaemon(SUBNET, managed=False, carries=False, lost_interface=True)
    plan = pretend.World().plan(stack(), host(cut))
    assert _said(plan) == [("overlay-interface-lost", "error")]
    assert "start that daemon again" in plan.diagnostics[0].hint
    assert _said(pretend.World().plan(stack("network"), host(cut._replace(subnet=SUBNET)))) == []


@pytest.mark.parametrize("mode", ["host", "network"])
def test_to_adopt_where_none_runs_is_an_error_and_where_herocloud_runs_one_is_not(pretend, stack, host, mode) -> None:
    absent = OverlayDaemon("", managed=False, running=False)
    (found,) = pretend.World().plan(stack(mode, "adopt"), host(absent)).diagnostics
    assert (found.code, found.severity.value) == ("overlay-no-daemon", "error")
    for daemon in ("auto", "manage"):
        assert _said(pretend.World().plan(stack(mode, daemon), host(absent))) == []
    for running in (OverlayDaemon(SUBNET, managed=True), OverlayDaemon("", managed=True, running=False)):
        assert _said(pretend.World().plan(stack(mode, "adopt"), host(running))) == []
    world = pretend.run(pretend.World(), pretend.World().plan(stack(mode, "adopt"), host()), host())
    assert _said(world.plan(stack(mode, "adopt"), host(absent))) == [], "what was applied is drift then, and not a mistake of the file"


def test_to_adopt_the_daemon_that_herocloud_runs_with_another_key_is_an_error(pretend, stack, host) -> None:
    ours = OverlayDaemon(OTHER, managed=True)
    (found,) = pretend.World().plan(stack("host", "adopt"), host(ours)).diagnostics
    assert found.code == "overlay-foreign-daemon"
    assert f"the daemon that herocloud runs for other stacks has {OTHER}" in found.detail
    # A network peers with it, whatever its key is.
    assert _said(pretend.World().plan(stack("network", "adopt"), host(OverlayDaemon(SUBNET, managed=True)))) == []


def test_openings_of_a_host_that_is_left_as_it_is_are_a_warning(pretend, stack, host) -> None:
    wanted = stack()
    node = wanted.resources[0]
    wanted = wanted._replace(resources=(node._replace(spec={**node.spec, "host_open": ["22/tcp"]}),))
    adopted = OverlayDaemon(SUBNET, managed=False)
    first = pretend.World().plan(wanted, host(adopted))
    assert _said(first) == [("overlay-host-open", "warning")]
    world = pretend.run(pretend.World(), first, host(adopted))
    assert _said(world.plan(wanted, host(adopted))) == [("overlay-host-open", "warning")]
    assert _said(world.plan(wanted, host(OverlayDaemon(SUBNET, managed=True)))) == []


def test_a_stack_can_always_be_removed(pretend, stack, host) -> None:
    world = pretend.run(pretend.World(), pretend.World().plan(stack(), host()), host())
    assert _said(world.plan(stack(), host(OverlayDaemon(OTHER, managed=False)), destroy=True)) == []


def test_a_simulated_host_has_no_daemon(pretend, stack, host) -> None:
    assert "overlay-foreign-daemon" not in dict(
        _said(pretend.World().plan(stack(), host(OverlayDaemon(OTHER, managed=False))._replace(simulated=True)))
    )


def test_who_keeps_silent_on_the_port_is_an_error_where_the_node_changes(pretend, stack, host) -> None:
    silent = host(OverlayDaemon("", managed=False, trouble="`nc` holds port 8989"))
    (found,) = pretend.World().plan(stack(), silent).diagnostics
    assert (found.code, found.severity.value) == ("overlay-unusable", "error")
    assert "`nc` holds port 8989" in found.detail
    world = pretend.run(pretend.World(), pretend.World().plan(stack(), host()), host())
    assert _said(world.plan(stack(), silent)) == []


def test_an_interface_that_is_not_there_is_a_warning_unless_the_plan_makes_it(build, pretend, stack, host) -> None:
    def said(interfaces, *more, there=frozenset({"lo", "eth0"})):
        (node,) = stack().resources
        wanted = build.desired(node._replace(spec={**node.spec, "interfaces": interfaces}), *more)
        return pretend.World().plan(wanted, host()._replace(interfaces=there)).diagnostics

    (found,) = said(["eth0", "eth7"])
    assert (found.code, found.severity.value) == ("overlay-no-interface", "warning")
    assert "`eth7`" in found.detail
    assert "did you mean `eth0`?" in found.detail
    assert said(["eth0"]) == said(["eth7"], there=None) == ()
    bridge = pretend.World().plan(build.desired(build.network()), host()).steps[0].after["bridge"]
    assert said([bridge], build.network()) == ()


@pytest.mark.parametrize(("fields", "told"), [({"interfaces": ["eth77"]}, "eth77"), ({"daemon": "adopt"}, "adopt"), ({}, "")])
def test_the_simulator_says_what_it_cannot_compare(pretend, stack, host, fields, told) -> None:
    (node,) = stack().resources
    simulated = host()._replace(simulated=True)
    wanted = stack()._replace(resources=(node._replace(spec={**node.spec, **fields}),))
    first = pretend.World().plan(wanted, simulated)
    assert _said(first) == ([("overlay-not-simulated", "note")] if told else [])
    assert all(told in one.detail for one in first.diagnostics)
    applied = pretend.run(pretend.World(), first, simulated)
    assert _said(applied.plan(wanted, simulated)) == [], "said once, with the change"
