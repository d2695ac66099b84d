"""A network that wants addresses which the host has already is an error of the plan, before anything is touched."""

import pytest

from herocloud.model.ids import StackName
from herocloud.model.worlds import Observed, Recorded, TakenRange
from herocloud.plan import planner, resource_parts
from herocloud.plan.scope import PlanOptions


def _plan(build, *ranges: tuple[str, ...], simulated: bool = False):
    host = build.host()._replace(simulated=simulated)
    return planner.plan(
        build.desired(build.network()), Recorded(), Observed(ranges=tuple(TakenRange(*taken) for taken in ranges)), host, PlanOptions()
    )


@pytest.mark.parametrize("taken", ["10.42.0.0/24", "10.0.0.0/8", "10.42.0.128/25", "10.42.0.9/32"])
def test_a_range_that_shares_addresses_is_named_with_who_has_it(build, taken: str) -> None:
    plan = _plan(build, ("127.0.0.0/8", "127.0.0.1/8 on `lo`"), (taken, "it on `eth0`"))
    assert plan.errored
    (found,) = (one for one in plan.diagnostics if one.is_error)
    assert (found.code, found.address) == ("range-taken", "network.lan")
    assert found.detail == "`network.lan` wants 10.42.0.0/24, and this host has it on `eth0`."


def test_other_ranges_are_in_nobodys_way(build) -> None:
    assert not _plan(build, ("127.0.0.0/8", "127.0.0.1/8 on `lo`"), ("10.43.0.0/24", "it on `eth0`")).errored


def test_simulated_networks_clash_with_nothing_on_the_machine(build) -> None:
    assert not _plan(build, ("10.42.0.0/24", "it on `eth0`"), simulated=True).errored


def test_a_route_that_has_the_range_is_named_with_the_command_that_removes_it(build) -> None:
    plan = _plan(build, ("10.42.0.0/24", "the route to 10.42.0.0/24 through `lo`", "ip route delete 10.42.0.0/24 dev lo"))
    (found,) = (one for one in plan.diagnostics if one.is_error)
    assert found.hint == (
        "give the network another `cidr`; or, if nothing needs it, remove what has them: `ip route delete 10.42.0.0/24 dev lo`"
    )


def test_an_interface_of_somebody_else_with_the_name_of_ours_is_an_error_of_the_plan(build) -> None:
    host = build.host()._replace(simulated=False)
    name = resource_parts.bridge_of(StackName("shop"), "lan")
    seen = Observed(strangers=frozenset({name, "hb-other"}))
    plan = planner.plan(build.desired(build.network()), Recorded(), seen, host, PlanOptions())
    (found,) = (one for one in plan.diagnostics if one.is_error)
    assert (found.code, found.address, found.hint) == (
        "interface-taken",
        "network.lan",
        f"if nothing needs it, remove it: `ip link delete {name}`; else rename it",
    )
