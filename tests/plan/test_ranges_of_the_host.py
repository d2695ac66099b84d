"""A network that wants addresses which the host has already is an error of the plan, before anything is touched."""

import pytest

from herocloud.model.worlds import Observed, Recorded
from herocloud.plan import planner
from herocloud.plan.scope import PlanOptions


def _plan(build, *ranges: tuple[str, str], simulated: bool = False):
    host = build.host()._replace(simulated=simulated)
    return planner.plan(build.desired(build.network()), Recorded(), Observed(ranges=ranges), host, PlanOptions())


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
