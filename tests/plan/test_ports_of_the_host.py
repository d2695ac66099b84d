"""Ports that a network publishes and somebody else has are an error of the plan, before anything is touched."""

import socket

import pytest

from herocloud.kits import listeners
from herocloud.model.hosts import Abilities
from herocloud.model.worlds import Record
from herocloud.plan import conflicts

REAL = Abilities((("qemu", True, "ready"),))


def _forward(*numbers: int) -> list[dict[str, object]]:
    return [{"host_port": one, "port": 80, "vm": "vm.web", "protocol": "tcp"} for one in numbers]


@pytest.fixture
def shop(build):
    """Return a function: a stack whose network publishes these ports, and its plan on a real (or simulated) host."""

    def make(world, *numbers: int, simulated: bool = False, listening=frozenset()):
        stack = build.desired(
            build.image(), build.network(forward=_forward(*numbers)), build.vm("web", networks=[{"network": "lan", "rate": None}])
        )
        host = build.host() if simulated else build.host()._replace(simulated=False, abilities=REAL, listening=listening)
        return world.plan(stack, host)

    return make


def _codes(plan) -> list[str]:
    return [one.code for one in plan.diagnostics if one.is_error]


def test_a_port_on_which_a_program_listens_is_named(shop, pretend) -> None:
    world = pretend.World()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        listening = listeners.find_listeners()
        plan = shop(world, port, listening=listening)
        (found,) = (one for one in plan.diagnostics if one.is_error)
        assert (found.code, found.address) == ("port-taken", "network.lan")
        assert found.detail == f"`network.lan` publishes port {port}/tcp of this host, and a program of this host listens on it."
        assert not plan.applyable
        assert _codes(shop(world, port, simulated=True, listening=listening)) == []
    assert _codes(shop(world, port, listening=listeners.find_listeners())) == []


def test_what_the_stack_publishes_already_is_its_own(shop, pretend, build) -> None:
    world = pretend.World()
    host = build.host()._replace(simulated=False, abilities=REAL)
    there = pretend.run(world, shop(world, 8080), host)
    more = shop(there, 8080, 8081)
    assert conflicts.new_ports(more.steps) == {("tcp", 8081): "network.lan"}
    mine = {("tcp", 8080): "network.lan"}
    assert list(conflicts.find_ports(more.stack, mine, there.recorded, None, frozenset(mine))) == []


def test_a_port_of_another_stack_is_named_with_who_has_it(shop, pretend) -> None:
    world = pretend.World()
    other = Record("lab", "network.lab", "network", "network", {"forward": _forward(8080)}, {}, complete=True)
    recorded = world.recorded._replace(records={"lab": {"network.lab": other}})
    plan = shop(world._replace(recorded=recorded), 8080)
    (found,) = (one for one in plan.diagnostics if one.is_error)
    assert found.detail == "`network.lan` publishes port 8080/tcp of this host, and `network.lab` of stack `lab` publishes it already."
