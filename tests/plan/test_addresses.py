"""Addresses, MACs, taps and sids are decided in the plan and stay."""

import re


def _nics(plan, address):
    [change] = [change for change in plan.changes if change.address == address]
    return change.after["networks"]


def test_the_gateway_is_first_and_vms_follow_in_file_order(build, pretend) -> None:
    plan = pretend.World().plan(build.desired(build.image(), build.network(), build.vms("web", 2, networks=["lan"])), build.host())
    assert [_nics(plan, f"vm.web[{number}]")[0]["address"] for number in range(2)] == ["10.42.0.2", "10.42.0.3"]
    assert next(change.after["gateway"] for change in plan.changes if change.kind == "network") == "10.42.0.1"


def test_a_new_vm_above_takes_the_next_free_address_not_a_recorded_one(build, pretend) -> None:
    host = build.host()
    first = build.desired(build.image(), build.network(), build.vm("web", networks=["lan"]))
    world = pretend.run(pretend.World(), pretend.World().plan(first, host), host)
    plan = world.plan(
        build.desired(build.image(), build.network(), build.vm("db", networks=["lan"]), build.vm("web", networks=["lan"])), host
    )
    assert _nics(plan, "vm.db")[0]["address"] == "10.42.0.3"
    assert _nics(plan, "vm.web")[0]["address"] == "10.42.0.2"


def test_another_range_gives_new_addresses_at_the_cost_of_a_reboot(build, pretend) -> None:
    host = build.host()
    world = pretend.World()
    world = pretend.run(world, world.plan(build.desired(build.image(), build.network(), build.vm("web", networks=["lan"])), host), host)
    plan = world.plan(build.desired(build.image(), build.network(cidr="10.50.0.0/24"), build.vm("web", networks=["lan"])), host)
    assert [(change.address, change.action.value) for change in plan.changing] == [("network.lan", "update"), ("vm.web", "reboot")]
    assert _nics(plan, "vm.web")[0]["address"] == "10.50.0.2"
    pretend.run(world, plan, host)


def test_a_full_network_names_who_got_no_address(build, pretend) -> None:
    stack = build.desired(build.image(), build.network(cidr="10.42.0.0/30"), build.vms("web", 2, networks=["lan"]))
    plan = pretend.World().plan(stack, build.host())
    assert [(found.code, found.address) for found in plan.diagnostics] == [("network-full", "vm.web[1]")]


def test_macs_are_local_and_unique_and_taps_fit_the_kernel(build, pretend) -> None:
    stack = build.desired(
        build.image(), build.network(), build.network("dmz", cidr="10.43.0.0/16"), build.vms("web", 40, networks=["lan", "dmz"])
    )
    plan = pretend.World().plan(stack, build.host(40))
    nics = [nic for number in range(40) for nic in _nics(plan, f"vm.web[{number}]")]
    assert len({nic["mac"] for nic in nics}) == len({nic["tap"] for nic in nics}) == 80
    assert all(re.fullmatch(r"02(:[0-9a-f]{2}){5}", nic["mac"]) for nic in nics)
    assert all(len(nic["tap"]) <= 15 for nic in nics)


def test_sids_do_not_depend_on_other_stacks(build, pretend) -> None:
    host = build.host()
    mine = build.desired(build.image(), build.vm("web"))
    alone = pretend.World().plan(mine, host)
    beside = pretend.run(pretend.World(), pretend.World().plan(build.desired(build.image(), build.vm("web"), stack="lab"), host), host)
    assert {change.sid for change in beside.plan(mine, host).changes} == {change.sid for change in alone.changes}
    assert all(re.fullmatch(r"v[0-9a-z]{1,5}", change.sid) for change in alone.changes if change.kind == "vm")


def test_the_first_of_two_networks_can_go_without_touching_the_second(build, pretend) -> None:
    host = build.host()
    around = [build.image(), build.network(), build.network("dmz", cidr="10.43.0.0/24")]
    first = build.desired(around, build.vm("web", networks=["lan", "dmz"]))
    world = pretend.run(pretend.World(), pretend.World().plan(first, host), host)
    plan = world.plan(build.desired(around, build.vm("web", networks=["dmz"])), host)
    assert _nics(plan, "vm.web") == [nic for nic in _nics(world.plan(first, host), "vm.web") if nic["network"] == "dmz"]


def test_without_a_node_an_overlay_address_cannot_be_planned(build, pretend) -> None:
    vms = [build.vm(name, mycelium={"seed": None}) for name in ("web", "db")]
    plan = pretend.World().plan(build.desired(build.image(), *vms), build.host())
    assert [(found.code, found.address) for found in plan.diagnostics] == [("overlay-unknown", "vm.web")]
